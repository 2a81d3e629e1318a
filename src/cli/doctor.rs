//! `audit doctor`.

use clap::Args;
use forget_audit::Result;
use forget_audit::runtime::Runtime;

use super::exit::Exit;
use super::options::RuntimeArguments;
use super::output::print;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    runtime: RuntimeArguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let runtime = Runtime::load(&arguments.runtime.options())?;
    let library = runtime.library();
    let provider = runtime.provider();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    print(&format!(
        "audit         {}\n\
         ONNX Runtime  {} at {} (found through {})\n\
         providers     {}\n\
         device        {} requested, {} used: {}\n\
         CPU           {cores} threads\n",
        env!("CARGO_PKG_VERSION"),
        library.version,
        library.path.display(),
        library.source,
        runtime.available_providers().join(", "),
        provider.requested,
        provider.used,
        provider.reason,
    ))?;
    Ok(Exit::Passed)
}

//! A headless browser that is always ended: pages in, what it measured and complained of out.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const FLAGS: [&str; 16] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    // The frames are files like the page around them, which looks into them.
    "--allow-file-access-from-files",
    "--virtual-time-budget=20000",
    "--dump-dom",
];

/// A browser on this machine that starts; some are only a hint at where to get one.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = NAMES.iter().flat_map(|name| folders.iter().map(move |f| f.join(name)));
    all.filter(|p| p.is_file())
        .find(|p| run(Command::new(p).arg("--version"), Duration::from_secs(20)).is_ok())
}

/// What a run left on its two streams.
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

/// Opens `page` with `browser`, at most for `limit`.
pub fn open(browser: &Path, page: &Path, limit: Duration) -> Result<Output, String> {
    let profile = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut command = Command::new(browser);
    command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display()));
    run(command.arg(format!("file://{}", page.display())), limit)
}

/// Runs `command`, at most for `limit`; its children end with it.
fn run(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path: &Path| File::create(path).map_err(|e| e.to_string());
    let read = |path: &Path| {
        fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    };
    command.stdin(Stdio::null()).stdout(file(&out)?).stderr(file(&err)?).process_group(0);
    let mut group = Group(command.spawn().map_err(|e| e.to_string())?);
    let begin = Instant::now();
    loop {
        match group.0.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => break,
            Some(status) => return Err(format!("{status}: {}", read(&err))),
            None if begin.elapsed() > limit => {
                return Err(format!("no end after {limit:?}: {}", read(&err)));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    drop(group);
    Ok(Output { stdout: read(&out), stderr: read(&err) })
}

/// A process and all that it started, ended when this goes out of scope.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // Fails where nothing is left of the group, and that is fine.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

//! Which backend trains.

use burn_backend::tensor::Device as BackendDevice;

use super::engine::{Base, Cpu};
use crate::runtime::Device;
use crate::{Error, Result};

/// Work that runs on whichever backend was asked for.
pub trait OnDevice {
    /// What it leads to.
    type Output;

    /// Does the work on `device`.
    ///
    /// # Errors
    /// Those of the work.
    fn run<B: Base>(self, device: BackendDevice<B>) -> Result<Self::Output>;
}

/// Does `work` on the device that `requested` asks for. `auto` is the CPU: its results are the same
/// bit for bit from run to run, so training leaves it only on request.
///
/// # Errors
/// When CUDA is asked for and this build has none, and those of the work.
pub fn on_device<W: OnDevice>(requested: Device, work: W) -> Result<W::Output> {
    match requested {
        Device::Auto | Device::Cpu => work.run::<Cpu>(Default::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda(n) => {
            let unavailable = |why| {
                Error::input(
                    format!("--device cuda:{n}"),
                    format!("burn can't use the device ({why:?})"),
                    "check the driver with nvidia-smi, or use --device cpu",
                )
            };
            let number = usize::try_from(n).unwrap_or_default();
            let device = BackendDevice::<burn_cuda::Cuda>::cuda(number).map_err(unavailable)?;
            work.run::<burn_cuda::Cuda>(device)
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(n) => {
            drop(work);
            Err(Error::input(
                format!("--device cuda:{n}"),
                "this build of audit trains on the CPU only",
                "build it with `cargo build --release --features cuda`, or use --device cpu",
            ))
        }
    }
}

/// Whether this build can train on the device.
///
/// # Errors
/// When it can't; see [`on_device`].
pub fn check_device(requested: Device) -> Result<()> {
    struct Nothing;
    impl OnDevice for Nothing {
        type Output = ();
        fn run<B: Base>(self, _device: BackendDevice<B>) -> Result<()> {
            Ok(())
        }
    }
    on_device(requested, Nothing)
}

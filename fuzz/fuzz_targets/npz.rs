//! `cargo fuzz run npz`: no bytes make the `.npz` reader panic, hang or ask for absurd memory.
#![no_main]

use forget_audit::data::npz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // As images, and under the names of inputs that the seeds use.
    for inputs in [&[][..], &["ids", "mask"]] {
        if let Ok(data) = npz::from_bytes(bytes, inputs) {
            let _ = data.validate_labels(10);
        }
    }
});

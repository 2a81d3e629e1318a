//! What glibc does with memory that was given back.

/// Returns blocks of 2 MiB and more to the system at once. glibc raises its own threshold to the
/// largest block it has seen, up to 32 MiB, and then keeps what models and their copies leave
/// behind.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(&[(MMAP_THRESHOLD, 2 << 20)]);
}

/// Keeps blocks of up to 32 MiB, the most glibc allows, for the next ones of their size: a training
/// step allocates what the last one gave back, and fresh pages cost more time than most operations
/// on them.
pub fn keep_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(&[(MMAP_THRESHOLD, 32 << 20), (TRIM_THRESHOLD, std::ffi::c_int::MAX)]);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIM_THRESHOLD: std::ffi::c_int = -1;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: std::ffi::c_int = -3;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set(parameters: &[(std::ffi::c_int, std::ffi::c_int)]) {
    unsafe extern "C" {
        fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
    }
    for &(parameter, value) in parameters {
        // SAFETY: the function has this type in glibc and takes its own lock. Where it refuses,
        // only more memory is held, or more time spent.
        unsafe { mallopt(parameter, value) };
    }
}

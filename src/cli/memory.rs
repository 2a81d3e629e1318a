//! What glibc does with memory that was given back.

/// Returns blocks of 2 MiB and more to the system at once. glibc raises its own threshold to the
/// largest block it has seen, up to 32 MiB, and then keeps what models and their copies leave
/// behind.
pub fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }
        const M_MMAP_THRESHOLD: std::ffi::c_int = -3;
        // SAFETY: the function has this type in glibc, and no other thread runs yet. Where it
        // refuses, only more memory is held.
        unsafe { mallopt(M_MMAP_THRESHOLD, 2 << 20) };
    }
}

//! OpenBLAS's own threads.

unsafe extern "C" {
    fn openblas_set_num_threads(threads: std::ffi::c_int);
}

/// Keeps OpenBLAS to the calling thread: layers are measured in parallel already, and its threads
/// would only fight ours (a small comparison took five times as long on two cores). It also makes
/// sums independent of the machine's number of cores.
pub fn stay_single_threaded() {
    // SAFETY: OpenBLAS, which ndarray-linalg links, exports this function with this type and
    // documents it as callable at any time.
    unsafe { openblas_set_num_threads(1) }
}

//! Sixteen-lane vectors: AVX-512, AVX2 and the build's baseline, chosen at run
//! time.

/// Lanes of one vector.
pub const LANES: usize = 16;

/// Sixteen `f32` lanes of some instruction set.
///
/// # Safety
/// The methods may be executed only where the processor has that instruction
/// set; `load` and `store` need 16 readable or writable elements, the `_part`s
/// `count`, at most 16.
pub trait Vector: Copy {
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// `self + a * b`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// The first `count` elements, then zeros.
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; LANES];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            Self::load(lanes.as_ptr())
        }
    }

    /// Stores the first `count` lanes.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        let mut lanes = [0.0; LANES];
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }

    /// Lane `j` of vector `i` becomes lane `i` of vector `j`.
    #[inline(always)]
    unsafe fn transpose(tile: [Self; LANES]) -> [Self; LANES] {
        let mut lanes = [[0.0; LANES]; LANES];
        unsafe {
            for (lanes, vector) in lanes.iter_mut().zip(tile) {
                vector.store(lanes.as_mut_ptr());
            }
            let lanes: [[f32; LANES]; LANES] =
                std::array::from_fn(|i| std::array::from_fn(|j| lanes[j][i]));
            let mut tile = tile;
            for (vector, lanes) in tile.iter_mut().zip(&lanes) {
                *vector = Self::load(lanes.as_ptr());
            }
            tile
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Vector};
    use std::arch::x86_64::*;

    /// Mask of the first `count` lanes.
    fn first(count: usize) -> __mmask16 {
        ((1_u32 << count) - 1) as __mmask16
    }

    impl Vector for __m512 {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }
        #[inline(always)]
        unsafe fn load_part(from: *const f32, count: usize) -> Self {
            unsafe { _mm512_maskz_loadu_ps(first(count), from) }
        }
        #[inline(always)]
        unsafe fn store_part(self, to: *mut f32, count: usize) {
            unsafe { _mm512_mask_storeu_ps(to, first(count), self) }
        }
        #[inline(always)]
        unsafe fn transpose(tile: [Self; LANES]) -> [Self; LANES] {
            unsafe {
                // Within each 128-bit quarter, 4x4 transposes of every four
                // vectors; then the quarters as a 4x4 matrix of their own.
                let mut a = tile;
                for q in 0..4 {
                    let [r0, r1, r2, r3] =
                        [tile[4 * q], tile[4 * q + 1], tile[4 * q + 2], tile[4 * q + 3]];
                    let (lo01, hi01) = (_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1));
                    let (lo23, hi23) = (_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3));
                    a[4 * q] = _mm512_shuffle_ps::<0x44>(lo01, lo23);
                    a[4 * q + 1] = _mm512_shuffle_ps::<0xEE>(lo01, lo23);
                    a[4 * q + 2] = _mm512_shuffle_ps::<0x44>(hi01, hi23);
                    a[4 * q + 3] = _mm512_shuffle_ps::<0xEE>(hi01, hi23);
                }
                // a[4q + r], quarter s: column 4s + r of rows 4q..4q + 4.
                let mut out = tile;
                for r in 0..4 {
                    let [q0, q1, q2, q3] = [a[r], a[4 + r], a[8 + r], a[12 + r]];
                    let even01 = _mm512_shuffle_f32x4::<0x88>(q0, q1);
                    let odd01 = _mm512_shuffle_f32x4::<0xDD>(q0, q1);
                    let even23 = _mm512_shuffle_f32x4::<0x88>(q2, q3);
                    let odd23 = _mm512_shuffle_f32x4::<0xDD>(q2, q3);
                    out[r] = _mm512_shuffle_f32x4::<0x88>(even01, even23);
                    out[4 + r] = _mm512_shuffle_f32x4::<0x88>(odd01, odd23);
                    out[8 + r] = _mm512_shuffle_f32x4::<0xDD>(even01, even23);
                    out[12 + r] = _mm512_shuffle_f32x4::<0xDD>(odd01, odd23);
                }
                out
            }
        }
    }

    impl Vector for [__m256; 2] {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self[0]);
                _mm256_storeu_ps(to.add(8), self[1]);
            }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { [_mm256_set1_ps(value); 2] }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            unsafe { [_mm256_fmadd_ps(a[0], b[0], self[0]), _mm256_fmadd_ps(a[1], b[1], self[1])] }
        }
    }
}

impl Vector for [f32; LANES] {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // Not `mul_add`: without the instruction that is a library call.
        std::array::from_fn(|l| self[l] + a[l] * b[l])
    }
}

/// A loop over some vectors of lanes, generic in the instruction set.
pub trait Kernel {
    /// Lanes of the whole loop, a multiple of [`LANES`], at most four vectors.
    fn lanes(&self) -> usize;

    /// Runs lanes `from..from + VECTORS * LANES`.
    ///
    /// # Safety
    /// `V` must be available, the lanes within `lanes()`, and `out` as the
    /// kernel asks.
    unsafe fn run<V: Vector, const VECTORS: usize>(&self, from: usize, out: *mut f32);
}

/// Runs a kernel on all its lanes with the widest instruction set there is.
///
/// # Safety
/// `out` must be as the kernel asks.
pub unsafe fn dispatch(kernel: &impl Kernel, out: *mut f32) {
    assert!(kernel.lanes().is_multiple_of(LANES) && kernel.lanes() <= 4 * LANES);
    // SAFETY: each set is used only after it was detected; lanes as asserted.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return avx512(kernel, out);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return avx2(kernel, out);
            }
        }
        portable(kernel, out);
    }
}

/// One vector at a time: a set like this has half the registers or fewer.
unsafe fn portable(kernel: &impl Kernel, out: *mut f32) {
    for from in (0..kernel.lanes()).step_by(LANES) {
        unsafe { kernel.run::<[f32; LANES], 1>(from, out) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<K: Kernel>(kernel: &K, out: *mut f32) {
    use std::arch::x86_64::__m512;
    unsafe {
        match kernel.lanes() / LANES {
            0 => {}
            1 => kernel.run::<__m512, 1>(0, out),
            2 => kernel.run::<__m512, 2>(0, out),
            3 => kernel.run::<__m512, 3>(0, out),
            _ => kernel.run::<__m512, 4>(0, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<K: Kernel>(kernel: &K, out: *mut f32) {
    for from in (0..kernel.lanes()).step_by(LANES) {
        unsafe { kernel.run::<[std::arch::x86_64::__m256; 2], 1>(from, out) }
    }
}

/// Asserts that all instruction sets of this machine fill `len` zeros alike, up
/// to the rounding of fused products (sums here are of at most 100 products of
/// values below 1).
///
/// # Safety
/// `len` must be what the kernel asks of `out`.
#[cfg(test)]
pub unsafe fn assert_sets_agree(kernel: &impl Kernel, len: usize) {
    let mut want = vec![0.0; len];
    unsafe { portable(kernel, want.as_mut_ptr()) };
    assert!(want.iter().any(|&v| v != 0.0));
    let close = |got: &[f32]| {
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
    };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let mut got = vec![0.0; len];
        unsafe { avx2(kernel, got.as_mut_ptr()) };
        close(&got);
    }
    let mut got = vec![0.0; len];
    unsafe { dispatch(kernel, got.as_mut_ptr()) };
    close(&got);
}

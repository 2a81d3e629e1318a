//! Loops over long slices: on all threads, and compiled for the widest instruction set.

use super::gather::collect_chunks;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Elements a thread takes at a time: enough to be worth a task, few enough for a core's own cache.
/// Sums are taken by such pieces too, so that results don't depend on the number of threads.
pub const PIECE: usize = 1 << 14;

/// Defines a function that picks, at run time, its body as compiled for the widest vectors there
/// are. Nothing is contracted or reordered: all versions give the same bits.
macro_rules! wide {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        pub fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                // SAFETY: each is called only where its instructions were detected.
                if is_x86_feature_detected!("avx512f") {
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(super) use wide;

/// Changes `values` in place, in parallel: `change(start, piece)`, pieces multiples of `unit` long.
pub fn change(values: &mut [f32], unit: usize, change: impl Fn(usize, &mut [f32]) + Sync) {
    let piece = piece(unit);
    let pieces = values.par_chunks_mut(piece).enumerate();
    pieces.for_each(|(i, values)| change(i * piece, values));
}

/// A changed copy of `values`, see [`change`]; each piece is changed while it is in cache.
pub fn changed(values: &[f32], unit: usize, change: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let piece = piece(unit);
    collect_chunks(values.len(), piece, |i, out| {
        let start = i * piece;
        let from = &values[start..][..out.len()];
        change(start, copied(out, from));
    })
}

/// The length of a piece in whole units.
pub fn piece(unit: usize) -> usize {
    PIECE.div_ceil(unit.max(1)) * unit.max(1)
}

/// `to` as a copy of `from`, which is as long.
pub fn copied<'a>(to: &'a mut [MaybeUninit<f32>], from: &[f32]) -> &'a mut [f32] {
    assert_eq!(to.len(), from.len());
    // SAFETY: both have this length and don't overlap; every element is written.
    unsafe {
        std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast(), from.len());
        &mut *(std::ptr::from_mut(to) as *mut [f32])
    }
}

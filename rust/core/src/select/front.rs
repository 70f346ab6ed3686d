//! Reading lists from the front: what a bound lets through, and memory asked for before it is needed.

const LINE_BYTES: usize = 64;
/// Scores of one cache line.
const LINE: usize = LINE_BYTES / size_of::<f32>();

/// Asks for the first bytes of a column, at most `most`.
#[inline]
pub fn prefetch<T>(column: &[T], most: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        let start = column.as_ptr().cast::<i8>();
        let end = size_of_val(column).min(most);
        let mut offset = 0;
        while offset < end {
            // SAFETY: a prefetch reads nothing; the address is inside the slice anyway.
            unsafe { _mm_prefetch(start.wrapping_add(offset), _MM_HINT_T0) };
            offset += LINE_BYTES;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (column, most);
}

/// Number of leading scores for which `holds`; it must hold for all of them and none of the others.
///
/// Looks from the front in growing steps: the boundary is near the front, and a search from the middle would wait for
/// memory at every step. The last line is counted, not searched: that takes no branches.
#[inline]
pub fn leading(scores: &[f32], holds: impl Fn(f32) -> bool) -> usize {
    let (mut low, mut step) = (0, LINE);
    while low + step <= scores.len() && holds(scores[low + step - 1]) {
        low += step;
        step = LINE.max(low / 2 / LINE * LINE);
    }
    let mut high = (low + step).min(scores.len());
    while high - low > LINE {
        let middle = low + (high - low) / 2;
        if holds(scores[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let line = &scores[low..high];
    match <&[f32; LINE]>::try_from(line) {
        Ok(line) => low + line.iter().map(|&score| u32::from(holds(score))).sum::<u32>() as usize,
        Err(_) => low + line.iter().filter(|score| holds(**score)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_boundary_of_every_length_is_found() {
        for len in [0, 1, 15, 16, 17, 31, 32, 33, 100, 128, 500, 1000] {
            let scores: Vec<f32> = (0..len).map(|i| -(i as f32)).collect();
            prefetch(&scores, 192);
            for boundary in 0..=len {
                assert_eq!(leading(&scores, |score| score > -(boundary as f32)), boundary, "{boundary} of {len}");
            }
        }
    }
}

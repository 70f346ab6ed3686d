//! The kernel in plain Rust.

use super::told::{Found, Line};
use crate::search::block::{BlockView, BLOCK, STEP};

pub fn compare<const LIMITED: bool>(block: &BlockView<'_>, codes: &[i32], lines: &[Line], found: &mut Found) {
    for (query, line) in lines.iter().enumerate() {
        let sums = &mut found.sums[query];
        sums.fill(line.start);
        for (step, documents) in block.codes.chunks_exact(BLOCK * STEP).enumerate() {
            let code = codes[step * lines.len() + query].to_le_bytes().map(|code| i32::from(code as i8));
            for (sum, document) in sums.iter_mut().zip(documents.chunks_exact(STEP)) {
                for (code, document) in code.iter().zip(document) {
                    *sum += code * i32::from(*document);
                }
            }
        }
        [found.listed[query], found.above[query], found.below[query]] = review::<LIMITED>(block, sums, line);
    }
}

/// The tests of one query, from its sums.
pub fn review<const LIMITED: bool>(block: &BlockView<'_>, sums: &[i32; BLOCK], line: &Line) -> [u64; 3] {
    let [scales, residuals, lengths] = block.terms();
    let mut told = [0; 3];
    for (document, sum) in sums.iter().enumerate() {
        let found = judge::<LIMITED>(*sum, scales[document], residuals[document], lengths[document], line);
        told.iter_mut().zip(found).for_each(|(bits, found)| *bits |= u64::from(found) << document);
    }
    told
}

/// The tests of one pair, in plain words; the vector kernels make the same ones: listed, above, below.
#[inline]
fn judge<const LIMITED: bool>(sum: i32, scale: f32, residual: f32, length: f32, line: &Line) -> [bool; 3] {
    let middle = sum as f32 * scale;
    let width = line.residual * residual + line.length * length;
    let (low, high) = (middle - width, middle + width);
    // Negated, so that NaN is listed.
    let listed = !(high < line.theta);
    if !LIMITED {
        return [listed, false, false];
    }
    let (above, may_be_above) = (low > line.above, !(high <= line.within));
    let (below, may_be_below) = (high < line.below, !(low >= line.from));
    [(listed || may_be_above || (may_be_below && !below)) && !above, above, below && !may_be_above]
}

//! The kernel in plain Rust.

use super::{judge, Found, Line};
use crate::search::codes::{BlockView, BLOCK, STEP};

pub fn compare<const LIMITED: bool>(block: &BlockView<'_>, codes: &[i32], lines: &[Line], found: &mut Found) {
    let [scales, residuals, lengths] = block.terms();
    for (query, line) in lines.iter().enumerate() {
        let mut sums = [line.start; BLOCK];
        for (step, documents) in block.codes.chunks_exact(BLOCK * STEP).enumerate() {
            let code = codes[step * lines.len() + query].to_le_bytes().map(|code| i32::from(code as i8));
            for (sum, document) in sums.iter_mut().zip(documents.chunks_exact(STEP)) {
                for (code, document) in code.iter().zip(document) {
                    *sum += code * i32::from(*document);
                }
            }
        }
        let (mut listed, mut above, mut below) = (0, 0, 0);
        for (document, sum) in sums.iter().enumerate() {
            let bits =
                judge::<LIMITED>(*sum, scales[document], residuals[document], lengths[document], line).map(u64::from);
            listed |= bits[0] << document;
            above |= bits[1] << document;
            below |= bits[2] << document;
        }
        (found.listed[query], found.above[query], found.below[query]) = (listed, above, below);
        if listed != 0 {
            found.sums[query] = sums;
        }
    }
}

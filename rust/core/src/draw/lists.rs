//! Draws from lists of entries, each with its own keys.

use crate::csr::Csr;
use crate::draw::noise::{as_keys, Noise};
use crate::draw::picker::Picker;
use crate::draw::rows::{check, Keys};
use crate::error::{try_reserve, Error, Result};
use crate::pool::{self, Execution};
use crate::steps;

/// Entries that one task works on, about.
const TASK_ENTRIES: usize = 1 << 16;

/// Draws at most `n` entries of every list without replacement: the n largest of log-weight + Gumbel noise.
///
/// The ids of `lists` are the keys of their entries, `log_weights` stand beside them, all alike where there are none.
/// Returns offsets and positions among all entries, rising; lists of fewer than `n` drawable entries give what they have.
pub fn draw_lists(
    exec: &Execution<'_>,
    lists: Csr<'_>,
    log_weights: Option<&[f64]>,
    n: usize,
    noise: Noise,
    keys: Keys<'_>,
) -> Result<(Vec<i64>, Vec<i64>)> {
    keys.check_rows(lists.rows())?;
    let (found, wanted) = (log_weights.map_or(lists.ids().len(), <[f64]>::len), lists.ids().len());
    if found != wanted {
        return Err(Error::Length { argument: "log_weights", found, wanted });
    }
    let block = (TASK_ENTRIES / (lists.ids().len() / lists.rows().max(1) + 1)).max(1);
    let blocks = (0..lists.rows()).step_by(block).map(|start| start..(start + block).min(lists.rows()));
    let scratch = || (Picker::new(noise), Vec::new(), Vec::new(), Vec::new());
    let parts = pool::map(exec, blocks, scratch, |(picker, ids, weights, drawn), _, rows| {
        let (mut lengths, mut positions) = (Vec::new(), Vec::new());
        try_reserve(&mut lengths, rows.len())?;
        for row in rows {
            let range = lists.range(row);
            steps::copy(exec, ids, lists.row(row))?;
            if let Some(log_weights) = log_weights {
                steps::copy(exec, weights, &log_weights[range.clone()])?;
            } else {
                weights.clear();
                try_reserve(weights, range.len())?;
                weights.resize(range.len(), 0.0);
            }
            check(row, 0, weights)?;
            picker.pick(exec, keys.row(row), as_keys(ids), weights, n, drawn)?;
            lengths.push(drawn.len() as i64);
            try_reserve(&mut positions, drawn.len())?;
            positions.extend(drawn.iter().map(|&position| (range.start + position as usize) as i64));
        }
        Ok((lengths, positions))
    })?;
    let (mut offsets, mut positions) = (Vec::new(), Vec::new());
    try_reserve(&mut offsets, lists.rows() + 1)?;
    try_reserve(&mut positions, parts.iter().map(|(_, positions)| positions.len()).sum())?;
    offsets.push(0);
    for (lengths, some) in parts {
        for length in lengths {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        positions.extend(some);
        exec.check()?;
    }
    Ok((offsets, positions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{draw_rows, Domain};
    use crate::isa::Isa;
    use crate::matrix::Matrix;
    use std::num::NonZeroUsize;

    /// Lists of one length with the same entries in each are a matrix.
    #[test]
    fn draws_as_from_a_matrix() {
        let (rows, columns, n) = (300i64, 50i64, 7);
        let weights: Vec<f64> = (0..rows * columns).map(|i| ((i * i) % 31) as f64 * 0.1).collect();
        let offsets: Vec<i64> = (0..=rows).map(|row| row * columns).collect();
        let ids: Vec<i64> = (0..rows * columns).map(|i| i % columns).collect();
        let lists = Csr::new("lists", &offsets, &ids, rows as usize, None).unwrap();
        let (noise, keys) = (Noise::new(3, 1, Domain::Joint), Keys { rows: None, columns: None });
        for threads in [1, 3] {
            let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), Isa::detect(), &|| false);
            let (starts, found) = draw_lists(&exec, lists, Some(&weights), n, noise, keys).unwrap();
            let matrix = Matrix::from_slice(&weights, rows as usize, columns as usize);
            let expected = draw_rows(&exec, matrix, n, noise, keys, false).unwrap();
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == n as i64));
            assert!(found.iter().zip(&expected).enumerate().all(|(i, (a, b))| a - (i / n) as i64 * columns == *b));
        }
    }

    #[test]
    fn short_lists_and_wrong_weights() {
        let lists = Csr::new("lists", &[0, 2, 2, 3], &[5, 6, 7], 3, None).unwrap();
        let (noise, keys) = (Noise::new(0, 0, Domain::Positives), Keys { rows: None, columns: None });
        let exec = Execution::new(NonZeroUsize::MIN, Isa::detect(), &|| false);
        assert_eq!(draw_lists(&exec, lists, None, 2, noise, keys).unwrap(), (vec![0, 2, 2, 3], vec![0, 1, 2]));
        let hidden = [f64::NEG_INFINITY, 0.0, 0.0];
        assert_eq!(draw_lists(&exec, lists, Some(&hidden), 2, noise, keys).unwrap(), (vec![0, 1, 1, 2], vec![1, 2]));
        let error = draw_lists(&exec, lists, Some(&[0.0, 0.0, f64::NAN]), 2, noise, keys).unwrap_err();
        assert_eq!(error, Error::NotANumber { argument: "log_weights", row: 2, column: 0 });
        assert!(draw_lists(&exec, lists, Some(&[0.0]), 2, noise, keys).is_err());
    }
}

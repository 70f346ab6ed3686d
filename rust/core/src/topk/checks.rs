//! What a scan refuses.

use super::kernels::Scan;
use super::selector::RowState;
use crate::error::{Error, Result};
use crate::limits::NanPolicy;

pub(super) fn check_rows(rows: Option<&[i64]>, count: usize) -> Result<()> {
    let limit = count as i64;
    if let Some((row, &id)) = rows.and_then(|rows| rows.iter().enumerate().find(|(_, id)| !(0..limit).contains(*id))) {
        return Err(Error::IdOutOfRange { argument: "rows", row, id, limit });
    }
    Ok(())
}

/// Reports the first NaN among `states`, which stand for rising rows, where NaN is refused. `row_of` names a state's row.
pub(super) fn refuse_nan<T: Scan>(
    states: &[RowState<T>],
    nan: NanPolicy,
    row_of: impl Fn(usize) -> usize,
) -> Result<()> {
    if nan == NanPolicy::Raise {
        for (index, state) in states.iter().enumerate() {
            if let Some(column) = state.first_nan {
                let (row, column) = (row_of(index), column as usize);
                return Err(Error::NotANumber { argument: "scores", row, column });
            }
        }
    }
    Ok(())
}

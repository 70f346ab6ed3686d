//! Rows that lie in order already: their best come first, or last.

use super::entry::{Entry, Packed};
use super::kernels::{Order, Scan};
use super::selector::RowState;
use crate::error::{try_reserve, try_vec, try_zeros, Result};
use crate::pool::Execution;
use crate::steps::{self, STEP};

/// Scores compared between two looks at whether to go on.
const COMPARED_AT_ONCE: usize = 1 << 20;

/// How the scores of a row of any length lie; most rows are told by their first few.
pub(super) fn order<T: Scan>(exec: &Execution<'_>, values: &[T]) -> Result<Order> {
    let (mut falling, mut rising) = (true, true);
    for start in (0..values.len()).step_by(COMPARED_AT_ONCE) {
        // One score of the next part, so that no pair is left out.
        let part = &values[start..values.len().min(start + COMPARED_AT_ONCE + 1)];
        match T::order(exec.isa(), part) {
            Order::Mixed => return Ok(Order::Mixed),
            Order::Rising => falling = false,
            // Scores that neither rise nor fall go either way. Zeros of both signs rise or fall.
            Order::Falling => rising &= part.first().map(|x| x.folded()) == part.last().map(|x| x.folded()),
        }
        if !falling && !rising {
            return Ok(Order::Mixed);
        }
        if start > 0 {
            exec.check()?;
        }
    }
    Ok(if falling { Order::Falling } else { Order::Rising })
}

/// Writes the first scores of a row that never rises.
pub(super) fn falling<T: Scan>(exec: &Execution<'_>, values: &[T], ids: &mut [i64], scores: &mut [f32]) -> Result<()> {
    let mut first = 0;
    for ids in ids.chunks_mut(STEP) {
        ids.iter_mut().zip(first..).for_each(|(id, at)| *id = at);
        first += ids.len() as i64;
        exec_check_after(exec, ids.len())?;
    }
    steps::write(exec, scores, values, plain)
}

/// Writes the last scores of a row that never falls, last first but equal ones in the order in which they lie.
pub(super) fn rising<T: Scan>(exec: &Execution<'_>, values: &[T], ids: &mut [i64], scores: &mut [f32]) -> Result<()> {
    let first = values.len() - ids.len();
    let mut end = values.len();
    for (ids, scores) in ids.chunks_mut(STEP).zip(scores.chunks_mut(STEP)) {
        let start = end - ids.len();
        let places = ids.iter_mut().zip(scores);
        for ((value, at), (id, score)) in values[start..end].iter().zip(start..end).rev().zip(places) {
            (*id, *score) = (at as i64, plain(*value));
        }
        end = start;
        exec_check_after(exec, ids.len())?;
    }
    // Few rows have ties, and only those are worth a closer look.
    let (seen, mut any) = (&values[first.saturating_sub(1)..], false);
    for start in (0..seen.len()).step_by(STEP) {
        let part = &seen[start..seen.len().min(start + STEP + 1)];
        any |= part.windows(2).fold(false, |any, pair| any | (pair[0].rank() == pair[1].rank()));
        exec_check_after(exec, part.len())?;
    }
    if any {
        ties(exec, values, ids)?;
    }
    Ok(())
}

/// Puts the documents of equal scores in order, where the last scores of a row that never falls came last first.
fn ties<T: Scan>(exec: &Execution<'_>, values: &[T], ids: &mut [i64]) -> Result<()> {
    let (mut end, mut done, mut looked) = (values.len(), 0, 0);
    while done < ids.len() && end > 0 {
        let rank = values[end - 1].rank();
        let mut start = end - 1;
        while start > 0 && values[start - 1].rank() == rank {
            start -= 1;
            looked += 1;
            if looked % STEP == 0 {
                exec.check()?;
            }
        }
        for (step, ids) in ids[done..].chunks_mut(STEP).enumerate() {
            let from = start + step * STEP;
            if from >= end {
                break;
            }
            ids.iter_mut().zip(from..end).for_each(|(id, at)| *id = at as i64);
            exec_check_after(exec, ids.len().min(end - from))?;
        }
        looked += 1;
        if looked % STEP == 0 {
            exec.check()?;
        }
        done += end - start;
        end = start;
    }
    Ok(())
}

/// What a scan of part of a row would find, where the scores lie in order: a state that holds the best k alone.
pub(super) fn state<T: Scan>(
    exec: &Execution<'_>,
    values: &[T],
    first_id: i64,
    k: usize,
) -> Result<Option<RowState<T>>> {
    let order = order(exec, values)?;
    if order == Order::Mixed {
        return Ok(None);
    }
    let k = k.min(values.len());
    let (mut ids, mut scores) = (try_zeros(k)?, try_vec::<f32>(k)?);
    if order == Order::Falling {
        falling(exec, values, &mut ids, &mut scores)?;
    } else {
        rising(exec, values, &mut ids, &mut scores)?;
    }
    let mut state = RowState::new();
    try_reserve(&mut state.entries, k)?;
    steps::append(exec, &mut state.entries, &ids, |id| Entry::pack(values[id as usize].rank(), first_id + id))?;
    Ok(Some(state))
}

/// As it comes out: zeros as 0.0.
#[inline]
pub(super) fn plain<T: Scan>(value: T) -> f32 {
    T::from_rank(value.rank()).to_f32()
}

/// Asks whether to go on after a whole step.
#[inline]
fn exec_check_after(exec: &Execution<'_>, items: usize) -> Result<()> {
    if items >= STEP {
        exec.check()?;
    }
    Ok(())
}

//! The score of a (query, document) pair of sparse rows: products of the weights of the terms that both have, in rising
//! order of the terms, exact in float64, summed in float64, rounded once to float32.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use crate::error::{make_room, try_vec, Error, Result};
use crate::pool::{self, Execution};

use super::rows::SparseRows;

/// Bits of a filter of terms.
const FILTER: usize = 4096;
/// Pairs of one task.
const TASK_PAIRS: usize = 4096;
/// Terms that are read between two looks at whether to go on.
const TERMS_PER_CHECK: usize = 1 << 18;

/// Asks whether to go on after so many terms, however long the rows are.
#[derive(Default)]
pub(super) struct Breath(usize);

impl Breath {
    /// Takes note of rows of so many terms together.
    pub fn after(&mut self, exec: &Execution<'_>, terms: usize) -> Result<()> {
        self.0 += terms + 64;
        if self.0 >= TERMS_PER_CHECK {
            self.0 = 0;
            exec.check()?;
        }
        Ok(())
    }
}

/// A query, and a filter that most terms of documents do not pass.
pub(super) struct Query {
    pub terms: Vec<i32>,
    pub weights: Vec<f32>,
    filter: [u64; FILTER / 64],
}

impl Default for Query {
    fn default() -> Self {
        Query { terms: Vec::new(), weights: Vec::new(), filter: [0; FILTER / 64] }
    }
}

#[inline(always)]
fn slot(term: i32) -> (usize, u64) {
    let hash = (term as u32).wrapping_mul(0x9E37_79B1) >> 20;
    (hash as usize / 64, 1 << (hash % 64))
}

impl Query {
    /// Becomes a row.
    pub fn set(&mut self, rows: &SparseRows<'_>, row: usize) -> Result<()> {
        let range = rows.range(row);
        make_room(&mut self.terms, range.len())?;
        make_room(&mut self.weights, range.len())?;
        self.filter = [0; FILTER / 64];
        self.terms.extend_from_slice(rows.terms(range.clone()));
        self.weights.extend(range.map(|entry| rows.weight(entry)));
        for &term in &self.terms {
            let (word, bit) = slot(term);
            self.filter[word] |= bit;
        }
        Ok(())
    }

    /// The score of a document; `None` where it shares no term.
    #[inline]
    pub fn score(&self, documents: &SparseRows<'_>, row: usize) -> Option<f32> {
        let range = documents.range(row);
        let (mut sum, mut shares) = (0.0f64, false);
        for (entry, &term) in range.clone().zip(documents.terms(range)) {
            let (word, bit) = slot(term);
            if self.filter[word] & bit == 0 {
                continue;
            }
            if let Ok(place) = self.terms.binary_search(&term) {
                sum += f64::from(self.weights[place]) * f64::from(documents.weight(entry));
                shares = true;
            }
        }
        // Zeros come out as 0.0, as from every scan.
        shares.then_some(sum as f32 + 0.0)
    }
}

/// Scores of the pairs (`query_ids[i]`, `document_ids[i]`); 0 where they share no term. Fails on an id out of range.
pub fn pair_scores(
    exec: &Execution<'_>,
    queries: &SparseRows<'_>,
    documents: &SparseRows<'_>,
    query_ids: &[i64],
    document_ids: &[i64],
) -> Result<Vec<f32>> {
    if document_ids.len() != query_ids.len() {
        let (found, wanted) = (document_ids.len(), query_ids.len());
        return Err(Error::Length { argument: "document_ids", found, wanted });
    }
    let mut scores = try_vec::<f32>(query_ids.len())?;
    let parts = scores.chunks_mut(TASK_PAIRS).zip(query_ids.chunks(TASK_PAIRS)).zip(document_ids.chunks(TASK_PAIRS));
    pool::map(exec, parts, Query::default, |query, part, ((out, query_ids), document_ids)| {
        let first = part * TASK_PAIRS;
        let (mut held, mut breath) = (None, Breath::default());
        for (index, ((out, &q), &d)) in out.iter_mut().zip(query_ids).zip(document_ids).enumerate() {
            let q = row_of("query_ids", first + index, q, queries.len())?;
            let d = row_of("document_ids", first + index, d, documents.len())?;
            if held != Some(q) {
                query.set(queries, q)?;
                held = Some(q);
                breath.after(exec, query.terms.len())?;
            }
            *out = query.score(documents, d).unwrap_or(0.0);
            breath.after(exec, documents.range(d).len())?;
        }
        Ok(())
    })?;
    Ok(scores)
}

/// The row that the id at `place` names.
fn row_of(argument: &'static str, place: usize, id: i64, rows: usize) -> Result<usize> {
    let row = usize::try_from(id).ok().filter(|row| *row < rows);
    row.ok_or(Error::IdOutOfRange { argument, row: place, id, limit: rows as i64 })
}

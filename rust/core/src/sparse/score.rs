//! The score of a (query, document) pair of sparse rows: products of the weights of the terms that both have, in rising
//! order of the terms, exact in float64, summed in float64, rounded once to float32.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use crate::error::{make_room, try_reserve, try_vec, Error, Result};
use crate::isa::Isa;
use crate::pool::{self, Execution};

use super::filter::{slot, Filter, Passing, AT_ONCE, NO_PLACES, SLOTS};
use super::rows::SparseRows;

/// Documents that are scored together,
const TOGETHER: usize = 16;
/// and fewer where they share so many terms with the query.
const ENOUGH: usize = 1024;
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

/// A query, and what finds its terms in documents.
pub(super) struct Query {
    pub terms: Vec<i32>,
    pub weights: Vec<f32>,
    filter: Filter,
    /// Place of the first term of each slot, [`NONE`] where no term has it.
    first: Box<[u32; SLOTS]>,
    /// For each term the place of the next one that has its slot.
    next: Vec<u32>,
}

/// No term.
const NONE: u32 = u32::MAX;

/// A term that a query and a document have: its places in both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    in_query: u32,
    in_document: u32,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            terms: Vec::new(),
            weights: Vec::new(),
            filter: Filter::default(),
            first: Box::new([NONE; SLOTS]),
            next: Vec::new(),
        }
    }
}

impl Query {
    /// Bytes of one with so many terms.
    pub const fn bytes(terms: usize) -> usize {
        let of_term = size_of::<i32>() + size_of::<f32>() + size_of::<u32>();
        terms.saturating_mul(of_term).saturating_add(SLOTS * size_of::<u32>() + size_of::<Query>())
    }

    /// Bytes of what one with so many terms shares with the documents that are scored together.
    pub const fn bytes_shared(terms: usize) -> usize {
        terms.saturating_add(ENOUGH).saturating_mul(size_of::<Shared>())
    }

    /// Becomes a row.
    pub fn set(&mut self, rows: &SparseRows<'_>, row: usize) -> Result<()> {
        for &term in &self.terms {
            self.first[slot(term)] = NONE;
        }
        self.filter = Filter::default();
        let range = rows.range(row);
        make_room(&mut self.terms, range.len())?;
        make_room(&mut self.weights, range.len())?;
        make_room(&mut self.next, range.len())?;
        self.terms.extend_from_slice(rows.terms(range.clone()));
        self.weights.extend(range.map(|entry| rows.weight(entry)));
        for (place, &term) in self.terms.iter().enumerate() {
            let slot = slot(term);
            self.filter.open(slot);
            let before = std::mem::replace(&mut self.first[slot], place as u32);
            debug_assert!(before == NONE || before < place as u32, "of the row before");
            self.next.push(before);
        }
        Ok(())
    }

    /// Place of a term.
    #[inline(always)]
    fn find(&self, term: i32) -> Option<u32> {
        let mut place = self.first[slot(term)];
        while place != NONE && self.terms[place as usize] != term {
            place = self.next[place as usize];
        }
        (place != NONE).then_some(place)
    }

    /// Appends what a document shares, in rising order of terms, and asks the processor to load its weights.
    #[inline]
    fn shared(
        &self,
        isa: Isa,
        documents: &SparseRows<'_>,
        row: usize,
        passing: &mut Passing,
        shared: &mut Vec<Shared>,
    ) -> Result<()> {
        let range = documents.range(row);
        try_reserve(shared, range.len().min(self.terms.len()))?;
        let (start, mut first) = (range.start, 0);
        for terms in documents.terms(range).chunks(AT_ONCE) {
            let count = self.filter.passing(isa, terms, passing);
            for &at in &passing[..count] {
                if let Some(in_query) = self.find(terms[at as usize]) {
                    documents.prefetch_weight(start + (first + at) as usize);
                    shared.push(Shared { in_query, in_document: first + at });
                }
            }
            first += terms.len() as u32; // terms are different, so a row has fewer than 2^31
        }
        Ok(())
    }

    /// The score of a document that shares these terms; `None` where there are none.
    #[inline]
    fn sum(&self, documents: &SparseRows<'_>, row: usize, shared: &[Shared]) -> Option<f32> {
        let start = documents.range(row).start;
        let product = |found: &Shared| {
            let weight = documents.weight(start + found.in_document as usize);
            f64::from(self.weights[found.in_query as usize]) * f64::from(weight)
        };
        let sum = shared.iter().fold(0.0, |sum, found| sum + product(found));
        // Zeros come out as 0.0, as from every scan.
        (!shared.is_empty()).then_some(sum as f32 + 0.0)
    }

    /// The score of a document; `None` where it shares no term.
    pub fn score(
        &self,
        isa: Isa,
        documents: &SparseRows<'_>,
        row: usize,
        shared: &mut Vec<Shared>,
    ) -> Result<Option<f32>> {
        shared.clear();
        self.shared(isa, documents, row, &mut NO_PLACES.clone(), shared)?;
        Ok(self.sum(documents, row, shared))
    }

    /// Calls `scored` with each of some documents and its score, `None` where it shares no term.
    ///
    /// What takes the time is waiting for rows that lie anywhere in memory: some are loaded ahead, first where they
    /// lie, then their terms, then the weights that are needed.
    pub fn scores(
        &self,
        isa: Isa,
        documents: &SparseRows<'_>,
        rows: &[u32],
        shared: &mut Vec<Shared>,
        mut scored: impl FnMut(u32, Option<f32>) -> Result<()>,
    ) -> Result<()> {
        let ahead = |number: usize| rows.iter().skip(number * TOGETHER).take(TOGETHER);
        ahead(0).for_each(|&row| documents.prefetch_offsets(row as usize));
        ahead(0).for_each(|&row| documents.prefetch_terms(row as usize));
        ahead(1).for_each(|&row| documents.prefetch_offsets(row as usize));
        let mut passing = NO_PLACES;
        for (number, rows) in rows.chunks(TOGETHER).enumerate() {
            ahead(number + 1).for_each(|&row| documents.prefetch_terms(row as usize));
            ahead(number + 2).for_each(|&row| documents.prefetch_offsets(row as usize));
            let mut rest = rows;
            while !rest.is_empty() {
                shared.clear();
                let (mut ends, mut count) = ([0; TOGETHER], 0);
                while count < rest.len() && shared.len() < ENOUGH {
                    self.shared(isa, documents, rest[count] as usize, &mut passing, shared)?;
                    ends[count] = shared.len();
                    count += 1;
                }
                let (rows, later) = rest.split_at(count);
                let mut start = 0;
                for (&row, end) in rows.iter().zip(ends) {
                    scored(row, self.sum(documents, row as usize, &shared[start..end]))?;
                    start = end;
                }
                rest = later;
            }
        }
        Ok(())
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
    let isa = exec.isa();
    pool::map(exec, parts, Default::default, |(query, shared): &mut (Query, Vec<Shared>), part, given| {
        let ((out, query_ids), document_ids) = given;
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
            *out = query.score(isa, documents, d, shared)?.unwrap_or(0.0);
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

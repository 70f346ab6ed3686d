//! One block of documents for one query.
//!
//! Bounds of the scores are added up first, and only documents whose bound passes what is known stay open: they are scored
//! from their rows when all blocks are through, or when many are open. Where bounds say nothing (every document is to be
//! counted, few are known, products are negative), or too many documents pass, all products are added up instead.

use crate::error::{make_room, try_reserve, Result};
use crate::excluded::between;
use crate::limits::{ceiling_of, floor_of};

use super::bound;
use super::coarse::Coarse;
use super::grids::Grid;
use super::lists::{Asked, List, Lists};
use super::score::{Breath, Query, Shared};
use super::shared::Search;
use super::state::{is_in, Bounds, Open, State};
use super::sums::{Sums, BLOCK};

/// Postings whose bounds are added up in the time that one document is scored from its row.
const POSTINGS_PER_ROW: usize = 80;
/// Postings whose bounds are added up in the time that a product is.
const POSTINGS_PER_SUM: usize = 3;
/// Fewer postings than documents by this factor: their documents are visited one by one.
const SPARSE: usize = 8;

/// Buffers that one thread reuses.
pub(super) struct Worker<'a> {
    pub queries: Vec<Asked>,
    lists: Lists<'a>,
    sums: Sums,
    coarse: Coarse,
    /// Grids of the block at hand, with their factors.
    grids: Vec<(&'a Grid, u16)>,
    /// Documents of the block at hand that pass.
    passed: Vec<Open>,
    scratch: Vec<u32>,
    /// Documents whose rows are to be looked at.
    rows: Vec<u32>,
    /// What they share with the query.
    pub shared: Vec<Shared>,
}

impl Worker<'_> {
    pub fn new() -> Self {
        Worker {
            queries: Vec::new(),
            lists: Lists::default(),
            sums: Sums::new(),
            coarse: Coarse::new(),
            grids: Vec::new(),
            passed: Vec::new(),
            scratch: Vec::new(),
            rows: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Bytes of the buffers, for queries of `longest` terms at most.
    pub fn bytes(k: usize, longest: usize) -> usize {
        let of_terms = longest.saturating_mul(size_of::<List<'_>>() + size_of::<(&Grid, u16)>());
        let of_documents = BLOCK * (size_of::<f64>() + size_of::<u16>() + size_of::<Open>());
        // Keys of what is known, and rows.
        let of_open = State::bytes(k);
        // A vector that grows may have twice the room that it needs.
        let of_shared = Query::bytes_shared(longest).saturating_mul(2);
        of_terms.saturating_add(of_documents).saturating_add(of_open).saturating_add(of_shared)
    }
}

impl<'a> Search<'a> {
    /// Takes in the documents of a block.
    pub fn block(
        &self,
        worker: &mut Worker<'a>,
        at: usize,
        state: &mut State,
        number: usize,
        block: usize,
    ) -> Result<()> {
        worker.lists.set(&mut worker.queries[at], self.postings, block)?;
        if worker.lists.all.is_empty() {
            return Ok(());
        }
        let first = block * BLOCK;
        let documents = self.postings.documents_in(block);
        let excluded = between(self.excluded.row(number), first as i64, (first + documents) as i64);
        let (ceiling, floor) = (ceiling_of(self.limits.ceiling, number), floor_of(self.limits.floor, number));
        let limits = Bounds { ceiling, floor, excluded };
        state.cut(self.exec)?;
        state.look(self.exec, ceiling, &mut worker.scratch)?;
        if state.open.len() > State::most_open(self.k) {
            self.settle(worker, at, state, number)?;
        }
        // Every document below the floor is counted: then none can be passed over.
        let counts_all = floor > f32::NEG_INFINITY;
        if counts_all {
            return self.add_all(worker, f64::NAN, first, documents, state, &limits);
        }
        let last = bound::rounds_to_at_most(state.least().min(ceiling));
        if worker.lists.end_below(last) {
            return Ok(());
        }
        worker.lists.leave_out(last);
        if self.bounded(worker, last, first, documents, state, &limits)? {
            let rows = worker.passed.len() * POSTINGS_PER_ROW;
            let is_few = worker.passed.len() <= State::most_open(self.k);
            if is_few && rows <= POSTINGS_PER_SUM * worker.lists.postings() + documents {
                try_reserve(&mut state.open, worker.passed.len())?;
                state.open.extend_from_slice(&worker.passed);
                return Ok(());
            }
        }
        self.add_all(worker, last, first, documents, state, &limits)
    }

    /// Finds the documents whose bound passes `last`; false where bounds say nothing.
    fn bounded(
        &self,
        worker: &mut Worker<'a>,
        last: f64,
        first: usize,
        documents: usize,
        state: &mut State,
        limits: &Bounds<'_>,
    ) -> Result<bool> {
        let Worker { lists, coarse, grids, passed, .. } = worker;
        let (isa, Some(told)) = (self.exec.isa(), lists.told()) else { return Ok(false) };
        let mut cut = told.cut(last);
        // No document is known yet: as many of this block as are wanted say what the others must pass.
        let enough = self.k + limits.excluded.len();
        let admissible = if limits.ceiling == f32::INFINITY {
            Some(u16::MAX)
        } else {
            told.cut(bound::rounds_to_at_most(limits.ceiling))
        };
        if cut.is_none() && (self.k == 0 || told.lowers || admissible.is_none() || lists.postings() < BLOCK / 4) {
            return Ok(false);
        }
        make_room(grids, lists.needed)?;
        let mut postings = 0;
        for list in lists.needed() {
            let factor = told.units.factor(list.largest);
            if let Some(grid) = list.grid {
                grids.push((grid, factor));
            } else {
                coarse.add(isa, list.places, list.codes, factor);
                postings += list.places.len();
            }
        }
        if let (None, Some(admissible)) = (cut, admissible) {
            let units = coarse.reached_by(isa, grids, documents, enough, admissible);
            grids.clear();
            state.raise(told.least(units).next_down());
            cut = told.cut(bound::rounds_to_at_most(state.least().min(limits.ceiling)));
            if cut.is_none() {
                coarse.reset();
                return Ok(false);
            }
        }
        let cut = cut.unwrap_or(0);
        make_room(passed, documents)?;
        let found = |place: usize, units: u16| {
            if place < documents {
                let (document, most) = (first + place, told.most(units));
                let is_admissible = most <= limits.ceiling && !is_in(limits.excluded, document);
                let least = if is_admissible { told.least(units) } else { f32::NEG_INFINITY };
                passed.push(Open { most, least, document: document as u32 });
            }
        };
        if postings == lists.postings() && postings < BLOCK / SPARSE {
            let mut found = found;
            for list in lists.needed() {
                coarse.drain(list.places, cut, &mut found);
            }
        } else {
            coarse.above(isa, grids, documents, cut, found);
        }
        Ok(true)
    }

    /// Scores the open documents of a query.
    pub fn settle(&self, worker: &mut Worker<'a>, at: usize, state: &mut State, number: usize) -> Result<()> {
        let Worker { queries, rows, scratch, shared, .. } = worker;
        let query = &queries[at].query;
        let (ceiling, floor) = (ceiling_of(self.limits.ceiling, number), floor_of(self.limits.floor, number));
        let limits = Bounds { ceiling, floor, excluded: self.excluded.row(number) };
        state.take_open(self.exec, ceiling, scratch, rows)?;
        let mut breath = Breath::default();
        query.scores(self.exec.isa(), self.documents, rows, shared, |document, score| {
            if let Some(score) = score {
                state.offer(self.exec, document as usize, score, &limits)?;
            }
            breath.after(self.exec, self.documents.range(document as usize).len())
        })?;
        state.cut(self.exec)
    }

    /// Adds all lists up in the order of their terms: the sums are the scores before they are rounded.
    fn add_all(
        &self,
        worker: &mut Worker<'a>,
        last: f64,
        first: usize,
        documents: usize,
        state: &mut State,
        limits: &Bounds<'_>,
    ) -> Result<()> {
        let Worker { lists, sums, .. } = worker;
        for list in lists.in_order() {
            sums.add(list.places, list.weights, list.by);
        }
        let mut outcome = Ok(());
        let mut found = |place, sum| {
            if outcome.is_ok() {
                outcome = state.offer(self.exec, first + place, sum as f32, limits);
            }
        };
        if lists.postings() < documents / SPARSE {
            for list in &lists.all {
                sums.drain(list.places, documents, last, &mut found);
            }
        } else {
            sums.above(self.exec.isa(), documents, last, &mut found);
            sums.reset(documents);
        }
        outcome
    }
}

//! Rows without near-duplicates: none of a positive, and no two of each other.
//!
//! Candidates are met one after the other, in ranking order or in the order of their draws. One that resembles a
//! negative that was taken before is passed over, and the next takes its place.

use crate::error::{try_reserve, Result};
use crate::exclusions::Kind;
use crate::select::columns::Part;
use crate::select::hits::{self, Hit};
use crate::select::list::List;
use crate::select::near::Judge;
use crate::select::row::Worker;
use crate::select::span::Span;
use crate::select::weighed::Source;
use crate::sort;
use crate::steps::{in_steps, STEP};

/// Most rounds in which documents that fill a row are drawn: what so many do not find stays missing.
const ROUNDS: u32 = 64;

impl<'a> Worker<'a> {
    /// Excludes the candidates that resemble a positive, but for those that are excluded already.
    pub(super) fn exclude_near(&mut self, judge: &mut Judge<'a>, list: &List<'_>) -> Result<()> {
        judge.start();
        for &positive in self.queries.positives.row(list.query) {
            judge.take(self.exec, positive)?;
        }
        let known = self.hits.len();
        let mut next = 0;
        in_steps(self.exec, list.ids.len(), |some| {
            for at in some {
                if self.hits[next..known].first().is_some_and(|hit| hit.at == at) {
                    next += 1;
                } else if judge.resembles(self.exec, list.ids[at])? {
                    try_reserve(&mut self.hits, 1)?;
                    self.hits.push(Hit { at, kind: Kind::NearDuplicate });
                }
            }
            Ok(())
        })?;
        if self.hits.len() == known {
            return Ok(());
        }
        sort::sort_by_key(self.exec, &mut self.hits, |hit| hit.at)
    }

    /// Writes the chosen out of the span, no two of which resemble each other; gives how many were passed over.
    pub(super) fn choose_apart(
        &mut self,
        judge: &mut Judge<'a>,
        list: &List<'_>,
        span: Span,
        part: &mut Part<'_>,
    ) -> Result<usize> {
        let (n, choice) = (self.plan.n, self.plan.choice);
        // A pool holds the first so many, whether they are passed over or not.
        let reach = choice.pool.map(|pool| choice.top.saturating_add(pool));
        self.gather(span.cut(&self.hits, 0, reach))?;
        judge.start();
        let Worker { exec, hits, free, chosen, weighed, plan, .. } = self;
        chosen.clear();
        let mut passed = 0;
        let mut offer = |at: u32| {
            let id = list.ids[at as usize];
            if judge.resembles(exec, id)? {
                passed += 1;
                return Ok(false);
            }
            judge.take(exec, id)?;
            try_reserve(chosen, 1)?;
            chosen.push(at);
            Ok(true)
        };
        let (mut seen, mut taken, top) = (0, 0, if choice.law.is_some() { choice.top.min(n) } else { n });
        while seen < free.len() && taken < top {
            if seen % STEP == STEP - 1 {
                exec.check()?;
            }
            taken += usize::from(offer(free[seen])?);
            seen += 1;
        }
        if let (Some(law), true) = (choice.law, taken < n && seen < free.len()) {
            let rest = &free[seen..];
            let source = Source::Listed(rest, hits);
            weighed
                .walk(exec, law, plan.document_keys, list, source, n - taken, |index| offer(rest[index as usize]))?;
        }
        sort::sort_by_key(exec, chosen, |at| *at)?;
        for &at in &self.chosen {
            let at = at as usize;
            part.push(list.ids[at], list.scores[at], list.rank(at, hits::before(&self.hits, at)));
        }
        Ok(passed)
    }

    /// Lists the positions of a span.
    fn gather(&mut self, span: Span) -> Result<()> {
        let Worker { exec, hits, free, positions, .. } = self;
        free.clear();
        try_reserve(free, span.len(hits))?;
        match span {
            Span::Listed(low, high) => free.extend_from_slice(&positions[low..high]),
            Span::Stretch(low, high) => {
                let mut hits = hits[hits::before(hits, low)..].iter().peekable();
                in_steps(exec, high - low, |some| {
                    for at in some.map(|index| low + index) {
                        if hits.next_if(|hit| hit.at == at).is_none() {
                            free.push(at as u32);
                        }
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Draws documents that fill a row up to `missing` more, none of which resembles a positive, a negative that was
    /// chosen, or another of them: what does is drawn again.
    pub(super) fn fill_apart(
        &mut self,
        judge: &mut Judge<'a>,
        list: &List<'_>,
        documents: usize,
        missing: usize,
        part: &mut Part<'_>,
    ) -> Result<()> {
        judge.start();
        for &positive in self.queries.positives.row(list.query) {
            judge.take(self.exec, positive)?;
        }
        for &at in &self.chosen {
            judge.take(self.exec, list.ids[at as usize])?;
        }
        self.filled.clear();
        for round in 0..ROUNDS {
            let wanted = missing - self.filled.len();
            let drawn = self.filler.draw(self.exec, list.key, documents, wanted, round)?;
            let found = drawn.len();
            try_reserve(&mut self.filled, found)?;
            for &id in drawn {
                if !judge.resembles(self.exec, id)? {
                    judge.take(self.exec, id)?;
                    self.filled.push(id);
                }
            }
            if found < wanted || self.filled.len() == missing {
                break;
            }
            self.filler.forbid_drawn()?;
        }
        sort::sort_by_key(self.exec, &mut self.filled, |id| *id)?;
        for &id in &self.filled {
            part.push(id, f32::NAN, 0);
        }
        Ok(())
    }
}

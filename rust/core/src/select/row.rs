//! The selection of one row: who is excluded, what the window and the bounds let through, what is chosen of it.

use crate::ceiling::{score_ceiling, Ceiling};
use crate::error::{try_reserve, Error, Result};
use crate::exclusions::{groups_of, Kind, Twins};
use crate::pool::Execution;
use crate::select::columns::Part;
use crate::select::fill::Filler;
use crate::select::front::{leading, prefetch};
use crate::select::hits::{self, Excluded, Hit};
use crate::select::list::{List, Lists};
use crate::select::near::Judge;
use crate::select::span::{free, Span};
use crate::select::weighed::{Source, Weighed};
use crate::select::{Plan, Queries, COUNTS};

const POSITIVE: usize = 0;
const EXCLUDED: usize = 1;
const DUPLICATE_TEXT: usize = 2;
const NEAR_DUPLICATE: usize = 3;
const OUTSIDE_WINDOW: usize = 4;
const ABOVE_CEILING: usize = 5;
const BELOW_FLOOR: usize = 6;
const NOT_DRAWN: usize = 7;
const KEPT: usize = 8;

/// Rows between a prefetch and its use.
const AHEAD: usize = 2;
/// Candidates that are judged one by one between two questions whether to go on.
const STRETCH: usize = 1 << 16;

type Counts = [usize; COUNTS.len()];

/// Selects row after row; one per thread, since it owns the scratch space.
pub struct Worker<'a> {
    pub(super) exec: &'a Execution<'a>,
    lists: &'a Lists<'a>,
    pub(super) queries: &'a Queries<'a>,
    pub(super) plan: &'a Plan<'a>,
    pub(super) twins: Option<&'a Twins<'a>>,
    rows: usize,
    needs_positive: bool,
    is_plain: bool,
    anchored: Vec<Ceiling>,
    /// Excluded documents in the list of the current row.
    pub(super) hits: Vec<Hit>,
    sorted: Vec<i64>,
    /// Text groups of the positives of the current row.
    pub(super) groups: Vec<i64>,
    /// List positions of a [`Span::Listed`].
    pub(super) positions: Vec<u32>,
    /// List positions of all candidates of a span, and of the chosen, where near-duplicates are kept apart.
    pub(super) free: Vec<u32>,
    pub(super) chosen: Vec<u32>,
    /// Documents that fill such a row.
    pub(super) filled: Vec<i64>,
    pub(super) weighed: Weighed,
    pub(super) filler: Filler,
}

impl<'a> Worker<'a> {
    /// A worker with empty scratch space. `twins` are needed where rows are filled up and documents have groups.
    pub fn new(
        exec: &'a Execution<'a>,
        lists: &'a Lists<'a>,
        queries: &'a Queries<'a>,
        plan: &'a Plan<'a>,
        twins: Option<&'a Twins<'a>>,
    ) -> Self {
        let is_anchored = |rule: &&Ceiling| matches!(rule, Ceiling::Anchored { .. });
        Worker {
            exec,
            lists,
            queries,
            plan,
            twins,
            rows: queries.rows(),
            is_plain: plan.is_plain() && lists.ranks.is_none() && lists.above.is_none() && queries.near.is_none(),
            needs_positive: plan.needs_positive(),
            anchored: plan.ceilings.iter().filter(is_anchored).copied().collect(),
            hits: Vec::new(),
            sorted: Vec::new(),
            groups: Vec::new(),
            positions: Vec::new(),
            free: Vec::new(),
            chosen: Vec::new(),
            filled: Vec::new(),
            weighed: Weighed::new(plan.seed, plan.epoch),
            filler: Filler::new(plan.seed, plan.epoch),
        }
    }

    /// Appends the negatives of `row` to `part`, and what became of its candidates.
    pub fn run(&mut self, row: usize, mut judge: Option<&mut Judge<'a>>, part: &mut Part<'_>) -> Result<()> {
        let list = self.list(row);
        self.check(&list)?;
        self.find_excluded(row, &list)?;
        if let Some(judge) = judge.as_deref_mut() {
            self.exclude_near(judge, &list)?;
        }
        let mut counts = [0; COUNTS.len()];
        self.count_excluded(&mut counts);
        let kept = if self.is_plain {
            self.take_top(&list, &mut counts, part)
        } else {
            self.pick(judge.as_deref_mut(), &list, &mut counts, part)?
        };
        counts[KEPT] = kept;
        if kept < self.plan.n && !self.mend(judge, &list, kept, part)? {
            part.drop_row();
            return Ok(());
        }
        part.end_row(row, list.p as f32, &counts);
        Ok(())
    }

    /// The common case, written out: the first n between the bounds, no window, positions for ranks.
    #[inline]
    fn take_top(&self, list: &List<'_>, counts: &mut Counts, part: &mut Part<'_>) -> usize {
        let len = list.ids.len();
        let ceiling = score_ceiling(self.plan.ceilings, list.p);
        let first = if ceiling < f32::INFINITY { leading(list.scores, |score| score > ceiling) } else { 0 };
        let end = self.plan.floor.map_or(len, |floor| first + leading(&list.scores[first..], |score| score >= floor));
        let (above, not_below) = (hits::before(&self.hits, first), hits::before(&self.hits, end));
        let admissible = (end - first) - (not_below - above);
        counts[ABOVE_CEILING] = first - above;
        counts[BELOW_FLOOR] = (len - end) - (self.hits.len() - not_below);
        let kept = admissible.min(self.plan.n);
        counts[NOT_DRAWN] = admissible - kept;
        if self.hits.get(above).is_none_or(|hit| hit.at >= first + kept) {
            let kept = first..first + kept;
            part.extend(&list.ids[kept.clone()], &list.scores[kept], (first - above) as i32 + 1);
        } else {
            self.emit(list, Span::Stretch(first, hits::nth(&self.hits, first, kept, end)), part);
        }
        kept
    }

    /// Everything else.
    fn pick(
        &mut self,
        judge: Option<&mut Judge<'a>>,
        list: &List<'_>,
        counts: &mut Counts,
        part: &mut Part<'_>,
    ) -> Result<usize> {
        let mut span = if self.anchored.is_empty() && self.lists.above.is_none() {
            self.score_bounds(list, counts)
        } else {
            self.candidate_by_candidate(list, counts)?
        };
        if self.plan.window.filtered {
            let seen = span.len(&self.hits);
            span = span.cut(&self.hits, self.plan.window.min, self.plan.window.max);
            counts[OUTSIDE_WINDOW] += seen - span.len(&self.hits);
        }
        let admissible = span.len(&self.hits);
        let passed = match judge {
            None => self.choose(list, span, part).map(|()| 0)?,
            Some(judge) => self.choose_apart(judge, list, span, part)?,
        };
        let kept = part.row_len();
        counts[NEAR_DUPLICATE] += passed;
        counts[NOT_DRAWN] = admissible - passed - kept;
        Ok(kept)
    }

    /// Finds the excluded documents of a row, and asks for what a later row will read.
    ///
    /// A hit is a branch that cannot be foreseen and that waits for the ids; they must be under way long before.
    #[inline]
    fn find_excluded(&mut self, row: usize, list: &List<'_>) -> Result<()> {
        if row + AHEAD < self.rows {
            let later = self.lists.lists.range(self.queries.list(row + AHEAD));
            prefetch(&self.lists.lists.ids()[later.clone()], 2048);
            // A draw reads all scores, a cut only those near the front.
            prefetch(&self.lists.scores[later], if self.plan.choice.law.is_some() { 1024 } else { 192 });
        }
        let positives = self.queries.positives.row(list.query);
        if let Some(groups) = self.queries.groups {
            groups_of(positives, groups, &mut self.groups)?;
        }
        let excluded = Excluded {
            positives,
            named: self.queries.exclude.map_or(&[], |exclude| exclude.row(list.query)),
            groups: self.queries.groups.map(|groups| (groups, &self.groups[..])),
        };
        hits::find(self.exec, list.ids, excluded, &mut self.sorted, &mut self.hits)
    }

    #[inline]
    fn list(&self, row: usize) -> List<'a> {
        let query = self.queries.query(row);
        let range = self.lists.lists.range(self.queries.list(row));
        let p = match (self.queries.positive_scores, self.queries.query_of_pair) {
            (None, _) => None,
            (Some(scores), Some(_)) => Some(f64::from(scores[row])),
            (Some(scores), None) => self.plan.aggregate.of(&scores[self.queries.positives.range(query)]),
        };
        List {
            start: range.start,
            query,
            key: self.queries.keys.map_or(query as u64, |keys| keys[query]),
            ids: &self.lists.lists.ids()[range.clone()],
            scores: &self.lists.scores[range.clone()],
            ranks: self.lists.ranks.map(|ranks| &ranks[range]),
            p: p.unwrap_or(f64::NAN),
        }
    }

    fn check(&self, list: &List<'_>) -> Result<()> {
        let query = list.query;
        if self.needs_positive && !list.p.is_finite() {
            let found = if list.p.is_nan() { "no positive".into() } else { format!("a positive of score {}", list.p) };
            let problem = format!("query {query} has {found}, but this ceiling or draw needs a finite positive score");
            return Err(Error::Value { argument: "positives", problem });
        }
        if let Some(ranks) = list.ranks {
            if ranks.first().is_some_and(|&rank| rank < 1) || ranks.windows(2).any(|pair| pair[0] >= pair[1]) {
                let problem = format!("ranks of query {query} do not rise from 1 or more");
                return Err(Error::Value { argument: "candidates", problem });
            }
        }
        // A rank without filters is a position.
        if i32::try_from(list.ids.len()).is_err() {
            let problem = format!("query {query} has {} candidates, expected at most 2^31 - 1", list.ids.len());
            return Err(Error::Value { argument: "candidates", problem });
        }
        Ok(())
    }

    fn count_excluded(&self, counts: &mut Counts) {
        for hit in &self.hits {
            let count = match hit.kind {
                Kind::Positive => POSITIVE,
                Kind::Excluded => EXCLUDED,
                Kind::DuplicateText => DUPLICATE_TEXT,
                Kind::NearDuplicate => NEAR_DUPLICATE,
            };
            counts[count] += 1;
        }
    }

    /// List positions of the window on the ranking before score filters.
    fn raw_window(&self, list: &List<'_>) -> (usize, usize) {
        let (len, window) = (list.ids.len(), self.plan.window);
        if window.filtered {
            return (0, len);
        }
        let position = |wanted: usize| match list.ranks {
            None => hits::nth(&self.hits, 0, wanted, len),
            // Removing the excluded keeps the order of ranks, so the window is one stretch here too.
            Some(ranks) => {
                let first_inside = |index: usize| {
                    let place = i64::from(ranks[index]) - 1 - hits::before(&self.hits, index) as i64;
                    usize::try_from(place).is_ok_and(|place| place >= wanted)
                };
                let (mut low, mut high) = (0, len);
                while low < high {
                    let middle = usize::midpoint(low, high);
                    if first_inside(middle) {
                        high = middle;
                    } else {
                        low = middle + 1;
                    }
                }
                low
            }
        };
        let low = if window.min == 0 { 0 } else { position(window.min) };
        (low, window.max.map_or(len, position).max(low))
    }

    /// The stretch that the window and bounds on the score alone let through.
    fn score_bounds(&self, list: &List<'_>, counts: &mut Counts) -> Span {
        let (low, high) = self.raw_window(list);
        let ceiling = score_ceiling(self.plan.ceilings, list.p);
        let mut first = low;
        if ceiling < f32::INFINITY {
            first += leading(&list.scores[low..high], |score| score > ceiling);
        }
        let mut end = high;
        if let Some(floor) = self.plan.floor {
            end = first + leading(&list.scores[first..high], |score| score >= floor);
        }
        counts[OUTSIDE_WINDOW] = free(&self.hits, 0, low) + free(&self.hits, high, list.ids.len());
        counts[ABOVE_CEILING] = free(&self.hits, low, first);
        counts[BELOW_FLOOR] = free(&self.hits, end, high);
        Span::Stretch(first, end)
    }

    /// The survivors of tests that look at each candidate: [`Ceiling::Anchored`], and ceilings computed elsewhere.
    fn candidate_by_candidate(&mut self, list: &List<'_>, counts: &mut Counts) -> Result<Span> {
        let (low, high) = self.raw_window(list);
        counts[OUTSIDE_WINDOW] = free(&self.hits, 0, low) + free(&self.hits, high, list.ids.len());
        let ceiling = score_ceiling(self.plan.ceilings, list.p);
        let floor = self.plan.floor.unwrap_or(f32::NEG_INFINITY);
        let all = list.start..list.start + list.ids.len();
        let anchors = self.lists.anchors.filter(|_| !self.anchored.is_empty()).map(|anchors| &anchors[all.clone()]);
        let told = self.lists.above.map(|above| &above[all]);
        if let Some(anchor) = anchors.and_then(|anchors| anchors.iter().find(|anchor| !anchor.is_finite())) {
            let problem = format!("{anchor} for query {}, expected finite numbers", list.query);
            return Err(Error::Value { argument: "anchor_scores", problem });
        }
        self.positions.clear();
        try_reserve(&mut self.positions, high - low)?;
        let mut hits = self.hits[hits::before(&self.hits, low)..].iter().peekable();
        for (at, &score) in (low..high).zip(&list.scores[low..high]) {
            if (at - low) % STRETCH == STRETCH - 1 {
                self.exec.check()?;
            }
            if hits.next_if(|hit| hit.at == at).is_some() {
                continue;
            }
            let is_told = told.is_some_and(|told| told[at] != 0);
            let holds = |rule: &Ceiling| match (*rule, anchors) {
                (Ceiling::Anchored { weight, .. }, Some(anchors)) => {
                    f64::from(score) + weight * f64::from(anchors[at]) <= rule.bound(list.p)
                }
                _ => true,
            };
            if is_told || score > ceiling || !self.anchored.iter().all(holds) {
                counts[ABOVE_CEILING] += 1;
            } else if score < floor {
                counts[BELOW_FLOOR] += 1;
            } else {
                self.positions.push(at as u32);
            }
        }
        Ok(Span::Listed(0, self.positions.len()))
    }

    /// Writes the chosen out of the span.
    fn choose(&mut self, list: &List<'_>, span: Span, part: &mut Part<'_>) -> Result<()> {
        let (n, choice) = (self.plan.n, self.plan.choice);
        let Some(law) = choice.law else {
            self.emit(list, span.cut(&self.hits, 0, Some(n)), part);
            return Ok(());
        };
        let top = choice.top.min(n);
        if top > 0 {
            self.emit(list, span.cut(&self.hits, 0, Some(top)), part);
        }
        let rest = span.cut(&self.hits, top, choice.pool.map(|pool| top.saturating_add(pool)));
        if n == top || rest.len(&self.hits) == 0 {
            return Ok(());
        }
        let source = match rest {
            Span::Stretch(low, high) => {
                let (first, end) = (hits::before(&self.hits, low), hits::before(&self.hits, high));
                Source::Stretch(low, high, first, &self.hits[first..end])
            }
            Span::Listed(low, high) => Source::Listed(&self.positions[low..high], &self.hits),
        };
        let drawn = self.weighed.draw(self.exec, law, self.plan.document_keys, list, source, n - top)?;
        let mut locator = source.locator();
        for (number, &index) in drawn.iter().enumerate() {
            if number % STRETCH == STRETCH - 1 {
                self.exec.check()?;
            }
            let (at, removed) = locator.locate(index as usize);
            part.push(list.ids[at], list.scores[at], list.rank(at, removed));
        }
        Ok(())
    }

    /// Writes every candidate of the span.
    fn emit(&self, list: &List<'_>, span: Span, part: &mut Part<'_>) {
        match span {
            Span::Stretch(mut low, high) => {
                let mut removed = hits::before(&self.hits, low);
                while low < high {
                    let next = self.hits.get(removed).map_or(high, |hit| hit.at.min(high));
                    match list.ranks {
                        None => part.extend(&list.ids[low..next], &list.scores[low..next], (low - removed) as i32 + 1),
                        Some(_) => (low..next).for_each(|at| {
                            part.push(list.ids[at], list.scores[at], list.rank(at, removed));
                        }),
                    }
                    low = next + 1;
                    removed += 1;
                }
            }
            Span::Listed(low, high) => {
                for &at in &self.positions[low..high] {
                    let at = at as usize;
                    part.push(list.ids[at], list.scores[at], list.rank(at, hits::before(&self.hits, at)));
                }
            }
        }
    }
}

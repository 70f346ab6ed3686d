//! The selection of one row: who is excluded, what the window and the bounds let through, what is chosen of it.

use crate::ceiling::{score_ceiling, Ceiling};
use crate::draw::{Domain, Noise, Picker};
use crate::error::{Error, Result};
use crate::exclusions::Kind;
use crate::pool::Execution;
use crate::select::columns::Part;
use crate::select::fill::Filler;
use crate::select::front::{leading, prefetch};
use crate::select::hits::{self, Hit};
use crate::select::weighed::{Source, Weighed};
use crate::select::{Lists, Plan, Queries, Shortage, COUNTS};

const POSITIVE: usize = 0;
const EXCLUDED: usize = 1;
const DUPLICATE_TEXT: usize = 2;
const OUTSIDE_WINDOW: usize = 3;
const ABOVE_CEILING: usize = 4;
const BELOW_FLOOR: usize = 5;
const NOT_DRAWN: usize = 6;
const KEPT: usize = 7;

/// Rows between a prefetch and its use.
const AHEAD: usize = 2;

type Counts = [usize; COUNTS.len()];

/// Selects row after row; one per thread, since it owns the scratch space.
pub struct Worker<'a> {
    exec: &'a Execution<'a>,
    lists: &'a Lists<'a>,
    queries: &'a Queries<'a>,
    plan: &'a Plan<'a>,
    rows: usize,
    needs_positive: bool,
    is_plain: bool,
    anchored: Vec<Ceiling>,
    /// Excluded documents in the list of the current row.
    hits: Vec<Hit>,
    sorted: Vec<i64>,
    /// List positions of a [`Span::Listed`].
    positions: Vec<u32>,
    picker: Picker,
    weighed: Weighed,
    filler: Filler,
}

/// A candidate list with what is known of its row.
pub struct List<'a> {
    /// Where the list starts in columns aligned with all candidates.
    pub start: usize,
    /// Query of the row.
    pub query: usize,
    /// Noise key of the query.
    pub key: u64,
    /// Documents, best first.
    pub ids: &'a [i64],
    /// Their scores.
    pub scores: &'a [f32],
    /// Their ranks, where they differ from the positions.
    pub ranks: Option<&'a [i32]>,
    /// Score of the positive, NaN where none is known.
    pub p: f64,
}

impl List<'_> {
    /// Rank (1-based) after removal of the excluded, before score filters; `removed` of them stand before `position`.
    #[inline]
    pub fn rank(&self, position: usize, removed: usize) -> i32 {
        self.ranks.map_or(position as i32 + 1, |ranks| ranks[position]) - removed as i32
    }
}

/// Candidates of a list, in ranking order.
#[derive(Debug, Clone, Copy)]
enum Span {
    /// List positions low..high, excluded documents left out.
    Stretch(usize, usize),
    /// Entries low..high of `Worker::positions`.
    Listed(usize, usize),
}

impl<'a> Worker<'a> {
    /// A worker with empty scratch space.
    pub fn new(exec: &'a Execution<'a>, lists: &'a Lists<'a>, queries: &'a Queries<'a>, plan: &'a Plan<'a>) -> Self {
        let is_anchored = |rule: &&Ceiling| matches!(rule, Ceiling::Anchored { .. });
        Worker {
            exec,
            lists,
            queries,
            plan,
            rows: queries.rows(),
            is_plain: plan.is_plain() && lists.ranks.is_none(),
            needs_positive: plan.needs_positive(),
            anchored: plan.ceilings.iter().filter(is_anchored).copied().collect(),
            hits: Vec::new(),
            sorted: Vec::new(),
            positions: Vec::new(),
            picker: Picker::new(Noise::new(plan.seed, plan.epoch, Domain::Select)),
            weighed: Weighed::default(),
            filler: Filler::new(plan.seed, plan.epoch),
        }
    }

    /// Appends the negatives of `row` to `part`, and what became of its candidates.
    pub fn run(&mut self, row: usize, part: &mut Part<'_>) -> Result<()> {
        let list = self.list(row);
        self.check(&list)?;
        self.find_excluded(row, &list);
        let mut counts = [0; COUNTS.len()];
        self.count_excluded(&mut counts);
        let kept =
            if self.is_plain { self.take_top(&list, &mut counts, part) } else { self.pick(&list, &mut counts, part)? };
        counts[KEPT] = kept;
        if kept < self.plan.n && !self.mend(&list, kept, part)? {
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
    fn pick(&mut self, list: &List<'_>, counts: &mut Counts, part: &mut Part<'_>) -> Result<usize> {
        let mut span = if self.anchored.is_empty() {
            self.score_bounds(list, counts)
        } else {
            self.candidate_by_candidate(list, counts)?
        };
        if self.plan.window.filtered {
            let seen = self.len(span);
            span = self.cut(span, self.plan.window.min, self.plan.window.max);
            counts[OUTSIDE_WINDOW] += seen - self.len(span);
        }
        let admissible = self.len(span);
        self.choose(list, span, part)?;
        let kept = part.row_len();
        counts[NOT_DRAWN] = admissible - kept;
        Ok(kept)
    }

    /// Finds the excluded documents of a row, and asks for what a later row will read.
    ///
    /// A hit is a branch that cannot be foreseen and that waits for the ids; they must be under way long before.
    #[inline]
    fn find_excluded(&mut self, row: usize, list: &List<'_>) {
        if row + AHEAD < self.rows {
            let later = self.lists.lists.range(self.queries.list(row + AHEAD));
            prefetch(&self.lists.lists.ids()[later.clone()], 2048);
            // A draw reads all scores, a cut only those near the front.
            prefetch(&self.lists.scores[later], if self.plan.choice.law.is_some() { 1024 } else { 192 });
        }
        let wanted = self.queries.excluded.range(list.query);
        let kinds = self.queries.kinds.map(|kinds| &kinds[wanted.clone()]);
        let wanted = &self.queries.excluded.ids()[wanted];
        hits::find(self.exec.isa(), list.ids, wanted, kinds, &mut self.sorted, &mut self.hits);
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
        if u32::try_from(list.ids.len()).is_err() {
            let problem = format!("query {query} has {} candidates, expected fewer than 2^32", list.ids.len());
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
                let first_inside = |index: usize| ranks[index] as usize - 1 - hits::before(&self.hits, index) >= wanted;
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

    /// Number of candidates in a stretch of the list, excluded ones left out.
    fn free(&self, low: usize, high: usize) -> usize {
        high - low - (hits::before(&self.hits, high) - hits::before(&self.hits, low))
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
        counts[OUTSIDE_WINDOW] = self.free(0, low) + self.free(high, list.ids.len());
        counts[ABOVE_CEILING] = self.free(low, first);
        counts[BELOW_FLOOR] = self.free(end, high);
        Span::Stretch(first, end)
    }

    /// The survivors under [`Ceiling::Anchored`], which looks at each candidate.
    fn candidate_by_candidate(&mut self, list: &List<'_>, counts: &mut Counts) -> Result<Span> {
        let (low, high) = self.raw_window(list);
        counts[OUTSIDE_WINDOW] = self.free(0, low) + self.free(high, list.ids.len());
        let ceiling = score_ceiling(self.plan.ceilings, list.p);
        let floor = self.plan.floor.unwrap_or(f32::NEG_INFINITY);
        let anchors = self.lists.anchors.map_or(&[][..], |anchors| &anchors[list.start..][..list.ids.len()]);
        if let Some(anchor) = anchors.iter().find(|anchor| !anchor.is_finite()) {
            let problem = format!("{anchor} for query {}, expected finite numbers", list.query);
            return Err(Error::Value { argument: "anchor_scores", problem });
        }
        self.positions.clear();
        let mut hits = self.hits[hits::before(&self.hits, low)..].iter().peekable();
        for (at, (&score, &anchor)) in (low..high).zip(list.scores[low..high].iter().zip(&anchors[low..high])) {
            if hits.next_if(|hit| hit.at == at).is_some() {
                continue;
            }
            let (exact, anchor) = (f64::from(score), f64::from(anchor));
            let holds = |rule: &Ceiling| match *rule {
                Ceiling::Anchored { weight, .. } => exact + weight * anchor <= rule.bound(list.p),
                _ => true,
            };
            if score > ceiling || !self.anchored.iter().all(holds) {
                counts[ABOVE_CEILING] += 1;
            } else if score < floor {
                counts[BELOW_FLOOR] += 1;
            } else {
                self.positions.push(at as u32);
            }
        }
        Ok(Span::Listed(0, self.positions.len()))
    }

    fn len(&self, span: Span) -> usize {
        match span {
            Span::Stretch(low, high) => self.free(low, high),
            Span::Listed(low, high) => high - low,
        }
    }

    /// Survivors `min..max` of the span.
    fn cut(&self, span: Span, min: usize, max: Option<usize>) -> Span {
        match span {
            Span::Stretch(low, high) => {
                let end = max.map_or(high, |max| hits::nth(&self.hits, low, max, high));
                Span::Stretch(if min == 0 { low } else { hits::nth(&self.hits, low, min, end) }, end)
            }
            Span::Listed(low, high) => {
                let end = max.map_or(high, |max| low.saturating_add(max).min(high));
                Span::Listed(low.saturating_add(min).min(end), end)
            }
        }
    }

    /// Writes the chosen out of the span.
    fn choose(&mut self, list: &List<'_>, span: Span, part: &mut Part<'_>) -> Result<()> {
        let n = self.plan.n;
        let Some(law) = self.plan.choice.law else {
            self.emit(list, self.cut(span, 0, Some(n)), part);
            return Ok(());
        };
        let top = self.plan.choice.top.min(n);
        if top > 0 {
            self.emit(list, self.cut(span, 0, Some(top)), part);
        }
        let rest = self.cut(span, top, None);
        if n == top || self.len(rest) == 0 {
            return Ok(());
        }
        let source = match rest {
            Span::Stretch(low, high) => {
                let (first, end) = (hits::before(&self.hits, low), hits::before(&self.hits, high));
                Source::Stretch(low, high, first, &self.hits[first..end])
            }
            Span::Listed(low, high) => Source::Listed(&self.positions[low..high], &self.hits),
        };
        let keys = self.plan.document_keys;
        let drawn = self.weighed.draw(self.exec, &mut self.picker, law, keys, list, source, n - top)?;
        for &index in drawn {
            let (at, removed) = source.locate(index as usize);
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

    /// Deals with a row of `kept` negatives, fewer than wanted; tells whether the row stays.
    fn mend(&mut self, list: &List<'_>, kept: usize, part: &mut Part<'_>) -> Result<bool> {
        let n = self.plan.n;
        match self.plan.shortage {
            Shortage::Keep => Ok(true),
            Shortage::Drop => Ok(false),
            Shortage::Error => {
                let problem =
                    format!("query {} has {kept} admissible candidates in its window, wanted {n}", list.query);
                Err(Error::Value { argument: "on_shortage", problem })
            }
            Shortage::Fill(documents) => {
                let excluded = self.queries.excluded.row(list.query);
                for &id in self.filler.draw(list.key, documents, excluded, list.ids, n - kept) {
                    part.push(id, f32::NAN, 0);
                }
                Ok(true)
            }
        }
    }
}

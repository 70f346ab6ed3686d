//! Candidate lists of several shards of one corpus into those of the whole corpus.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::BinaryHeap;

use crate::csr::{concat, offsets_of, Csr};
use crate::error::{try_reserve, Error, Result};
use crate::order::Score;
use crate::pool::{self, Execution};
use crate::sort;

/// Queries of one task.
const TASK_ROWS: usize = 128;
/// Candidates that are merged between two questions whether to go on.
const STRETCH: usize = 1 << 16;

/// The lists that one shard gave, and its columns, aligned with the ids.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'a> {
    /// Documents per query, best first.
    pub ids: Csr<'a>,
    /// Scores, no NaN.
    pub scores: &'a [f32],
    /// What is added to the ids.
    pub first_document: i64,
    /// Rank of each before the ceiling; its position is its rank without them.
    pub ranks: Option<&'a [i32]>,
    /// Documents that the ceiling removed per query; none without them.
    pub above_ceiling: Option<&'a [i64]>,
    /// Teacher of each.
    pub sources: Option<&'a [i16]>,
    /// Anchor score of each.
    pub anchors: Option<&'a [f32]>,
}

/// The lists of the whole corpus.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    /// Query r owns `offsets[r]..offsets[r + 1]`.
    pub offsets: Vec<i64>,
    /// Documents.
    pub ids: Vec<i64>,
    /// Scores, by the total order of (score, id).
    pub scores: Vec<f32>,
    /// Ranks before the ceiling, where it removed anything anywhere.
    pub ranks: Option<Vec<i32>>,
    /// Teachers, where every shard that has candidates has them.
    pub sources: Option<Vec<i16>>,
    /// Anchor scores, likewise.
    pub anchors: Option<Vec<f32>>,
}

/// Merges the lists of every query and keeps the `k` best.
///
/// A ceiling removes the top of a ranking, so a document's rank in the whole is its position behind all that the ceiling
/// removed in all shards.
///
/// # Errors
/// Shards of different numbers of queries or with columns of other lengths; a document in two shards; ranks that do not
/// follow from what the ceiling removed, or that int32 cannot hold; NaN; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn merge(exec: &Execution<'_>, shards: &[Shard<'_>], k: usize) -> Result<Merged> {
    let rows = shards.first().map_or(0, |shard| shard.ids.rows());
    for shard in shards {
        check(shard, rows)?;
    }
    let with = Columns {
        ranks: shards.iter().filter_map(|shard| shard.above_ceiling).flatten().any(|&count| count > 0),
        sources: all(shards, |shard| shard.sources.is_some()),
        anchors: all(shards, |shard| shard.anchors.is_some()),
    };
    let tasks = (0..rows).step_by(TASK_ROWS).map(|start| start..(start + TASK_ROWS).min(rows));
    let parts = pool::map(exec, tasks, Worker::default, |worker, _, task| {
        let mut part = Part::default();
        for row in task {
            exec.check()?;
            worker.read(exec, shards, row)?;
            worker.refuse_repeats(exec, row)?;
            worker.merge(exec, k)?;
            if with.ranks {
                refuse_giant_ranks(row, worker.merged.len(), worker.above)?;
            }
            part.push(shards, &worker.merged, worker.above, with)?;
        }
        Ok(part)
    })?;
    close(rows, parts, with)
}

fn check(shard: &Shard<'_>, rows: usize) -> Result<()> {
    let items = shard.ids.ids().len();
    let lengths = [
        ("runs", shard.ids.rows(), rows),
        ("scores", shard.scores.len(), items),
        ("ranks", shard.ranks.map_or(items, <[i32]>::len), items),
        ("above_ceiling", shard.above_ceiling.map_or(rows, <[i64]>::len), rows),
        ("sources", shard.sources.map_or(items, <[i16]>::len), items),
        ("anchor_scores", shard.anchors.map_or(items, <[f32]>::len), items),
    ];
    match lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
        Some((argument, found, wanted)) => Err(Error::Length { argument, found, wanted }),
        None => Ok(()),
    }
}

/// Whether every shard has a column; one without candidates has every column.
fn all(shards: &[Shard<'_>], has: impl Fn(&Shard<'_>) -> bool) -> bool {
    shards.iter().any(&has) && shards.iter().all(|shard| shard.ids.ids().is_empty() || has(shard))
}

/// Which columns the result has.
#[derive(Clone, Copy)]
struct Columns {
    ranks: bool,
    sources: bool,
    anchors: bool,
}

/// A candidate of one shard.
#[derive(Debug, Clone, Copy)]
struct Found {
    key: Reverse<u32>,
    id: i64,
    shard: u32,
    /// Where it stands in the columns of the shard.
    at: usize,
    /// The score itself, since both zeros have one key.
    score: u32,
}

impl Found {
    /// What comes first ranks first; no two candidates are alike.
    fn order(&self) -> Order {
        (self.key, self.id, self.shard, self.at)
    }
}

type Order = (Reverse<u32>, i64, u32, usize);

/// Scratch space for one query. What the lists hold is read once, into `found`.
#[derive(Default)]
struct Worker {
    /// Candidates of all shards, shard after shard.
    found: Vec<Found>,
    /// Where the list of each shard ends in `found`.
    ends: Vec<usize>,
    /// (id, shard), where they have to be compared.
    numbers: Vec<(i64, u32)>,
    /// (least id, greatest id) of each shard.
    ranges: Vec<(i64, i64)>,
    /// (the best that is left of a shard, where it stands in `found`).
    heads: BinaryHeap<Reverse<(Order, usize)>>,
    merged: Vec<Found>,
    /// Documents of the query that the ceiling removed.
    above: i64,
}

impl Worker {
    fn read(&mut self, exec: &Execution<'_>, shards: &[Shard<'_>], row: usize) -> Result<()> {
        self.found.clear();
        self.ends.clear();
        self.ranges.clear();
        self.above = 0;
        for (number, shard) in (0u32..).zip(shards) {
            let range = shard.ids.range(row);
            let above = shard.above_ceiling.map_or(0, |counts| counts[row]);
            if let Some(ranks) = shard.ranks {
                check_ranks(&ranks[range.clone()], above, number, row)?;
            }
            self.above = self.above.saturating_add(above);
            let start = self.found.len();
            let mut list = std::mem::take(&mut self.found);
            read_list(shard, number, range, &mut list)?;
            self.found = list;
            let list = &mut self.found[start..];
            if !list.is_sorted_by_key(Found::order) {
                let mut own = Vec::new();
                try_reserve(&mut own, list.len())?;
                own.extend_from_slice(list);
                sort::sort_by_key(exec, &mut own, Found::order)?;
                list.copy_from_slice(&own);
            }
            if let Some(least) = list.iter().map(|found| found.id).min() {
                let greatest = list.iter().map(|found| found.id).max().unwrap_or(least);
                self.ranges.push((least, greatest));
            }
            self.ends.push(self.found.len());
        }
        Ok(())
    }

    /// Refuses a document that two shards hold. Shards whose numbers do not overlap, as is usual, cost nothing.
    fn refuse_repeats(&mut self, exec: &Execution<'_>, row: usize) -> Result<()> {
        self.ranges.sort_unstable();
        if self.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0) {
            return Ok(());
        }
        self.numbers.clear();
        try_reserve(&mut self.numbers, self.found.len())?;
        self.numbers.extend(self.found.iter().map(|found| (found.id, found.shard)));
        sort::sort_by_key(exec, &mut self.numbers, |number| *number)?;
        match self.numbers.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            None => Ok(()),
            Some(pair) => Err(Error::Value {
                argument: "runs",
                problem: format!(
                    "document {} of query {row} is in runs[{}] and in runs[{}], expected shards that share no document \
                     (give document_offsets where ids count from 0 in every shard)",
                    pair[0].0, pair[0].1, pair[1].1
                ),
            }),
        }
    }

    /// The `k` best of all lists.
    fn merge(&mut self, exec: &Execution<'_>, k: usize) -> Result<()> {
        let wanted = k.min(self.found.len());
        self.merged.clear();
        try_reserve(&mut self.merged, wanted)?;
        self.heads.clear();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let full = starts.zip(&self.ends).filter(|(start, end)| start < *end);
        self.heads.extend(full.map(|(start, _)| Reverse((self.found[start].order(), start))));
        while self.merged.len() < wanted {
            let Some(mut head) = self.heads.peek_mut() else { break };
            let at = head.0 .1;
            let best = self.found[at];
            self.merged.push(best);
            if at + 1 < self.ends[best.shard as usize] {
                *head = Reverse((self.found[at + 1].order(), at + 1));
            } else {
                PeekMut::pop(head);
            }
            if self.merged.len().is_multiple_of(STRETCH) {
                exec.check()?;
            }
        }
        Ok(())
    }
}

fn read_list(shard: &Shard<'_>, number: u32, range: std::ops::Range<usize>, found: &mut Vec<Found>) -> Result<()> {
    try_reserve(found, range.len())?;
    for at in range {
        let (id, score) = (shard.ids.ids()[at], shard.scores[at]);
        if score.is_nan() {
            return Err(Error::NotANumber { argument: "runs", row: number as usize, column: at });
        }
        let Some(id) = id.checked_add(shard.first_document) else {
            let problem = format!("id {id} of runs[{number}] plus its document offset is beyond 2^63 - 1");
            return Err(Error::Value { argument: "document_offsets", problem });
        };
        found.push(Found { key: Reverse(score.key()), id, shard: number, at, score: score.to_bits() });
    }
    Ok(())
}

fn check_ranks(ranks: &[i32], above: i64, shard: u32, query: usize) -> Result<()> {
    match (1i64..).zip(ranks).find(|(position, rank)| position.saturating_add(above) != i64::from(**rank)) {
        None => Ok(()),
        Some((position, rank)) => Err(Error::Value {
            argument: "runs",
            problem: format!(
                "rank {rank} of candidate {position} of query {query} in runs[{shard}], expected {} as reasons[\"above_ceiling\"] \
                 says; the ranks of a list that anything else was removed from cannot be those of a whole",
                position.saturating_add(above)
            ),
        }),
    }
}

/// Ranks are int32.
fn refuse_giant_ranks(query: usize, len: usize, above: i64) -> Result<()> {
    let last = above.saturating_add(len as i64);
    if len == 0 || i32::try_from(last).is_ok() {
        return Ok(());
    }
    let problem = format!(
        "{above} documents of query {query} stand above the ceiling, so that ranks reach {last}, beyond int32; merge runs \
         under a higher ceiling or none"
    );
    Err(Error::Value { argument: "runs", problem })
}

/// The lists of some queries.
#[derive(Default)]
struct Part {
    lengths: Vec<i64>,
    ids: Vec<i64>,
    scores: Vec<f32>,
    ranks: Vec<i32>,
    sources: Vec<i16>,
    anchors: Vec<f32>,
}

impl Part {
    fn push(&mut self, shards: &[Shard<'_>], merged: &[Found], above: i64, with: Columns) -> Result<()> {
        let len = merged.len();
        let shard = |found: &Found| shards[found.shard as usize];
        extend(&mut self.lengths, 1, std::iter::once(len as i64))?;
        extend(&mut self.ids, len, merged.iter().map(|found| found.id))?;
        extend(&mut self.scores, len, merged.iter().map(|found| f32::from_bits(found.score)))?;
        if with.ranks {
            extend(&mut self.ranks, len, (1i64..).take(len).map(|place| (place + above) as i32))?;
        }
        if with.sources {
            extend(
                &mut self.sources,
                len,
                merged.iter().map(|found| shard(found).sources.map_or(0, |of| of[found.at])),
            )?;
        }
        if with.anchors {
            extend(
                &mut self.anchors,
                len,
                merged.iter().map(|found| shard(found).anchors.map_or(0.0, |of| of[found.at])),
            )?;
        }
        Ok(())
    }
}

fn extend<T>(column: &mut Vec<T>, len: usize, values: impl Iterator<Item = T>) -> Result<()> {
    try_reserve(column, len)?;
    column.extend(values);
    Ok(())
}

fn close(rows: usize, mut parts: Vec<Part>, with: Columns) -> Result<Merged> {
    fn column<T: Copy>(parts: &mut [Part], of: impl Fn(&mut Part) -> &mut Vec<T>) -> Result<Vec<T>> {
        concat(parts.iter_mut().map(|part| std::mem::take(of(part))).collect())
    }
    let offsets = offsets_of(rows, parts.iter().flat_map(|part| &part.lengths).copied())?;
    let parts = &mut parts[..];
    Ok(Merged {
        offsets,
        ids: column(parts, |part| &mut part.ids)?,
        scores: column(parts, |part| &mut part.scores)?,
        ranks: with.ranks.then(|| column(parts, |part| &mut part.ranks)).transpose()?,
        sources: with.sources.then(|| column(parts, |part| &mut part.sources)).transpose()?,
        anchors: with.anchors.then(|| column(parts, |part| &mut part.anchors)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::Isa;

    fn shard<'a>(offsets: &'a [i64], ids: &'a [i64], scores: &'a [f32], first_document: i64) -> Shard<'a> {
        let ids = Csr::new("runs", offsets, ids, offsets.len() - 1, None).unwrap();
        Shard { ids, scores, first_document, ranks: None, above_ceiling: None, sources: None, anchors: None }
    }

    fn run(shards: &[Shard<'_>], k: usize) -> Result<Merged> {
        merge(&Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false), shards, k)
    }

    #[test]
    fn ties_go_to_the_lower_document_of_the_whole() {
        let first = shard(&[0, 2], &[4, 0], &[0.5, 0.0], 10);
        let second = shard(&[0, 3], &[1, 2, 3], &[0.5, 0.5, -0.0], 0);
        let merged = run(&[first, second], 9).unwrap();
        assert_eq!(merged.ids, [1, 2, 14, 3, 10]);
        assert!(merged.scores[3].is_sign_negative() && merged.scores[4].is_sign_positive());
        assert_eq!(run(&[second, first], 3).unwrap().ids, [1, 2, 14]);
        assert_eq!((merged.ranks, merged.sources), (None, None));
    }

    #[test]
    fn ranks_stand_behind_all_that_the_ceiling_removed() {
        let first =
            Shard { above_ceiling: Some(&[2, 0]), ranks: Some(&[3, 4]), ..shard(&[0, 2, 2], &[0, 1], &[0.5, 0.25], 0) };
        let second = Shard { above_ceiling: Some(&[1, 1]), ..shard(&[0, 0, 1], &[7], &[0.5], 0) };
        assert_eq!(run(&[first, second], 9).unwrap().ranks, Some(vec![4, 5, 2]));
        let wrong = Shard { ranks: Some(&[3, 5]), ..first };
        let message = run(&[wrong], 9).unwrap_err().to_string();
        assert!(message.starts_with("runs: rank 5 of candidate 2 of query 0 in runs[0], expected 4"), "{message}");
    }

    #[test]
    fn ranks_beyond_int32_are_refused_and_do_not_wrap() {
        let plain = shard(&[0, 1], &[0], &[0.5], 0);
        let last = Shard { above_ceiling: Some(&[(1 << 31) - 2]), ..plain };
        assert_eq!(run(&[last], 9).unwrap().ranks, Some(vec![i32::MAX]));
        for above in [(1i64 << 31) - 1, 1 << 32, i64::MAX] {
            let message = run(&[Shard { above_ceiling: Some(&[above]), ..plain }], 9).unwrap_err().to_string();
            assert!(message.starts_with(&format!("runs: {above} documents of query 0 stand above")), "{message}");
            let wrapped =
                Shard { above_ceiling: Some(&[above]), ranks: Some(&[above.wrapping_add(1) as i32]), ..plain };
            let message = run(&[wrapped], 9).unwrap_err().to_string();
            assert!(message.starts_with("runs: rank "), "{message}");
        }
        // Nothing is kept, so nothing has a rank.
        assert_eq!(run(&[Shard { above_ceiling: Some(&[i64::MAX]), ..plain }], 0).unwrap().ranks, Some(vec![]));
    }

    #[test]
    fn a_document_in_two_shards_is_refused_wherever_it_ranks() {
        let first = shard(&[0, 2], &[5, 0], &[0.9, 0.1], 0);
        let second = shard(&[0, 2], &[3, 0], &[0.8, 0.7], 0);
        let message = run(&[first, second], 1).unwrap_err().to_string();
        assert!(message.starts_with("runs: document 0 of query 0 is in runs[0] and in runs[1]"), "{message}");
    }

    #[test]
    fn lists_in_another_order_among_ties_are_put_in_order() {
        let first = shard(&[0, 3], &[9, 2, 5], &[0.5, 0.5, 0.25], 0);
        assert_eq!(run(&[first], 9).unwrap().ids, [2, 9, 5]);
        assert_eq!(run(&[], 9).unwrap().offsets, [0]);
        assert!(run(&[shard(&[0, 1], &[i64::MAX], &[0.5], 1)], 1).is_err());
        assert!(run(&[shard(&[0, 1], &[1], &[f32::NAN], 0)], 1).is_err());
    }
}

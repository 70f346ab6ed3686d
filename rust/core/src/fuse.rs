//! Candidate lists of several teachers into one list per query.

use std::cmp::Reverse;
use std::ops::Range;

use crate::csr::{concat, offsets_of, Csr};
use crate::error::{try_reserve, Error, Result};
use crate::order::Score;
use crate::pool::{self, Execution};
use crate::sort;

/// Queries that one task fuses.
const TASK_ROWS: usize = 64;
/// Rounds of turns between two questions whether to go on.
const SOME_ROUNDS: usize = 1 << 14;

/// One teacher's lists, best first.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// Documents per query.
    pub ids: Csr<'a>,
    /// Scores, aligned with the ids.
    pub scores: &'a [f32],
    /// What the teacher counts for.
    pub weight: f64,
}

/// How a document's places in several lists become one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// Sum of weight / (constant + rank), rank from 1.
    ReciprocalRank(f64),
    /// The first of each list in turn, then the second: documents already taken give way to the next of their list. The
    /// score is 1 / place.
    RoundRobin,
    /// The number of lists that hold the document, plus its reciprocal ranks as a fraction below one to settle ties.
    Vote,
    /// Weighted mean of the scores in standard deviations of their list; a list that lacks the document counts its lowest.
    ZScore,
    /// 1 / the best rank in any list.
    Union,
}

/// Fused lists: like candidates, with the list that ranks each document best.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fused {
    /// Query r owns `offsets[r]..offsets[r + 1]`.
    pub offsets: Vec<i64>,
    /// Documents.
    pub ids: Vec<i64>,
    /// Fused scores, never rising inside a query.
    pub scores: Vec<f32>,
    /// The list that ranks the document best, the first among equals.
    pub sources: Vec<i16>,
}

/// The constant of reciprocal ranks where they only settle ties.
const TIE_CONSTANT: f64 = 60.0;

/// Fuses the lists of every query and keeps the `k` best. A document held by fewer than `min_votes` lists is left out. A
/// document repeated inside one list counts once, at its best place.
///
/// # Errors
/// Lists of different numbers of queries, whose scores do not fit their ids, or too long; [`Error::OutOfMemory`];
/// [`Error::Interrupted`].
pub fn fuse(
    exec: &Execution<'_>,
    teachers: &[Teacher<'_>],
    fusion: Fusion,
    min_votes: usize,
    k: usize,
) -> Result<Fused> {
    if teachers.len() > i16::MAX as usize {
        return Err(Error::Length { argument: "runs", found: teachers.len(), wanted: i16::MAX as usize });
    }
    let rows = teachers.first().map_or(0, |teacher| teacher.ids.rows());
    for teacher in teachers {
        let pairs = [(teacher.ids.rows(), rows), (teacher.scores.len(), teacher.ids.ids().len())];
        if let Some(&(found, wanted)) = pairs.iter().find(|(found, wanted)| found != wanted) {
            return Err(Error::Length { argument: "runs", found, wanted });
        }
    }
    let tasks = (0..rows.div_ceil(TASK_ROWS)).map(|task| task * TASK_ROWS..rows.min((task + 1) * TASK_ROWS));
    let rule = Rule { teachers, fusion, min_votes };
    let parts = pool::map(exec, tasks, Worker::default, |worker, _, task| {
        let mut part = Part::default();
        for row in task {
            exec.check()?;
            worker.read(exec, teachers, row)?;
            worker.fuse(exec, &rule)?;
            part.push(&worker.fused[..k.min(worker.fused.len())])?;
        }
        Ok(part)
    })?;
    let offsets = offsets_of(rows, parts.iter().flat_map(|part| &part.lengths).copied())?;
    let (mut ids, mut scores, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    try_reserve(&mut ids, parts.len()).and_then(|()| try_reserve(&mut scores, parts.len()))?;
    try_reserve(&mut sources, parts.len())?;
    for part in parts {
        ids.push(part.ids);
        scores.push(part.scores);
        sources.push(part.sources);
    }
    Ok(Fused { offsets, ids: concat(ids)?, scores: concat(scores)?, sources: concat(sources)? })
}

/// The fused lists of some queries.
#[derive(Default)]
struct Part {
    lengths: Vec<i64>,
    ids: Vec<i64>,
    scores: Vec<f32>,
    sources: Vec<i16>,
}

impl Part {
    fn push(&mut self, fused: &[Placed]) -> Result<()> {
        try_reserve(&mut self.lengths, 1)?;
        try_reserve(&mut self.ids, fused.len())?;
        try_reserve(&mut self.scores, fused.len())?;
        try_reserve(&mut self.sources, fused.len())?;
        self.lengths.push(fused.len() as i64);
        for placed in fused {
            self.ids.push(placed.id);
            self.scores.push(placed.score);
            self.sources.push(placed.source);
        }
        Ok(())
    }
}

/// Where a list holds a document.
#[derive(Debug, Clone, Copy)]
struct Place {
    id: i64,
    teacher: u16,
    position: u32,
    score: f32,
}

/// A document in the fused list.
#[derive(Debug, Clone, Copy)]
struct Placed {
    id: i64,
    score: f32,
    /// The teacher that placed it.
    source: i16,
}

struct Rule<'a> {
    teachers: &'a [Teacher<'a>],
    fusion: Fusion,
    min_votes: usize,
}

/// Scratch space for one query. What the lists hold is read once, into `places`: another thread may write to them
/// meanwhile, and what was compared must not change.
#[derive(Default)]
struct Worker {
    places: Vec<Place>,
    scales: Vec<Scale>,
    fused: Vec<Placed>,
    turns: Vec<Turn>,
    queues: Vec<Range<usize>>,
    taken: Vec<bool>,
}

/// A document where it waits for the turn of a teacher.
#[derive(Debug, Clone, Copy)]
struct Turn {
    teacher: u16,
    position: u32,
    /// Its place in the fused list before it is ordered.
    document: u32,
}

impl Worker {
    /// All places of a query, by document, then teacher; the best one of each teacher.
    fn read(&mut self, exec: &Execution<'_>, teachers: &[Teacher<'_>], row: usize) -> Result<()> {
        self.places.clear();
        self.scales.clear();
        for (teacher, lists) in (0u16..).zip(teachers) {
            let range = lists.ids.range(row);
            if u32::try_from(self.places.len() + range.len()).is_err() {
                let problem = format!("query {row} has {} candidates or more, expected fewer than 2^32", range.len());
                return Err(Error::Value { argument: "runs", problem });
            }
            try_reserve(&mut self.places, range.len())?;
            let start = self.places.len();
            let both = lists.ids.ids()[range.clone()].iter().zip(&lists.scores[range]);
            self.places.extend((0u32..).zip(both).map(|(position, (&id, &score))| Place {
                id,
                teacher,
                position,
                score,
            }));
            self.scales.push(Scale::of(&self.places[start..]));
        }
        sort::sort_by_key(exec, &mut self.places, |place| (place.id, place.teacher, place.position))?;
        self.places.dedup_by_key(|place| (place.id, place.teacher));
        Ok(())
    }

    /// Makes the fused list, best first.
    fn fuse(&mut self, exec: &Execution<'_>, rule: &Rule<'_>) -> Result<()> {
        self.fused.clear();
        let documents = || self.places.chunk_by(|a, b| a.id == b.id).filter(|held| held.len() >= rule.min_votes);
        try_reserve(&mut self.fused, documents().count())?;
        self.fused.extend(documents().map(|held| Placed {
            id: held[0].id,
            score: rule.score(held, &self.scales) as f32,
            source: best(held).teacher as i16,
        }));
        if rule.fusion == Fusion::RoundRobin {
            return self.in_turn(exec, rule);
        }
        sort::sort_by_key(exec, &mut self.fused, |placed| (Reverse(placed.score.key()), placed.id))
    }

    /// Orders the fused list, which is in order of ids, by turns; a document's source becomes the teacher whose turn it was.
    fn in_turn(&mut self, exec: &Execution<'_>, rule: &Rule<'_>) -> Result<()> {
        let documents = self.places.chunk_by(|a, b| a.id == b.id).filter(|held| held.len() >= rule.min_votes);
        self.turns.clear();
        try_reserve(&mut self.turns, self.places.len())?;
        self.turns.extend((0u32..).zip(documents).flat_map(|(document, held)| {
            held.iter().map(move |place| Turn { teacher: place.teacher, position: place.position, document })
        }));
        sort::sort_by_key(exec, &mut self.turns, |turn| (turn.teacher, turn.position))?;
        self.queues.clear();
        let mut end = 0;
        self.queues.extend(self.turns.chunk_by(|a, b| a.teacher == b.teacher).map(|queue| {
            end += queue.len();
            end - queue.len()..end
        }));
        self.taken.clear();
        try_reserve(&mut self.taken, self.fused.len())?;
        self.taken.resize(self.fused.len(), false);

        let mut ordered = Vec::new();
        try_reserve(&mut ordered, self.fused.len())?;
        // Every document waits in some queue, and every round takes from every queue until it is empty.
        let mut rounds = 0usize;
        while self.queues.iter().any(|queue| !queue.is_empty()) {
            rounds += 1;
            if rounds.is_multiple_of(SOME_ROUNDS) {
                exec.check()?;
            }
            for queue in &mut self.queues {
                let next =
                    queue.find(|&at| !std::mem::replace(&mut self.taken[self.turns[at].document as usize], true));
                if let Some(at) = next {
                    let turn = self.turns[at];
                    let id = self.fused[turn.document as usize].id;
                    let score = (1.0 / (1.0 + ordered.len() as f64)) as f32;
                    ordered.push(Placed { id, score, source: turn.teacher as i16 });
                }
            }
        }
        self.fused = ordered;
        Ok(())
    }
}

impl Rule<'_> {
    /// Score of a document from its places.
    fn score(&self, held: &[Place], scales: &[Scale]) -> f64 {
        let total = || self.teachers.iter().map(|teacher| teacher.weight).sum::<f64>();
        match self.fusion {
            Fusion::ReciprocalRank(constant) => self.reciprocal(constant, held),
            Fusion::Vote => held.len() as f64 + self.reciprocal(TIE_CONSTANT, held) / (1.0 + total()),
            Fusion::Union => 1.0 / (1.0 + f64::from(best(held).position)),
            Fusion::ZScore => {
                let mut held = held.iter().peekable();
                let of_teacher = |(number, (teacher, scale)): (usize, (&Teacher<'_>, &Scale))| {
                    let place = held.next_if(|place| usize::from(place.teacher) == number);
                    teacher.weight * place.map_or(scale.lowest, |place| scale.z(place.score))
                };
                self.teachers.iter().zip(scales).enumerate().map(of_teacher).sum::<f64>() / total()
            }
            Fusion::RoundRobin => 0.0,
        }
    }

    fn reciprocal(&self, constant: f64, held: &[Place]) -> f64 {
        let share = |place: &Place| {
            self.teachers[usize::from(place.teacher)].weight / (constant + 1.0 + f64::from(place.position))
        };
        held.iter().map(share).sum()
    }
}

fn best(held: &[Place]) -> Place {
    *held.iter().min_by_key(|place| (place.position, place.teacher)).expect("a document has a place")
}

/// Mean and deviation of a list's scores.
struct Scale {
    mean: f64,
    deviation: f64,
    lowest: f64,
}

impl Scale {
    /// `places` is the list in its order.
    fn of(places: &[Place]) -> Self {
        let scores = || places.iter().map(|place| f64::from(place.score));
        let count = places.len().max(1) as f64;
        let mean = scores().sum::<f64>() / count;
        let variance = scores().map(|score| (score - mean) * (score - mean)).sum::<f64>() / count;
        let mut scale = Scale { mean, deviation: variance.sqrt(), lowest: 0.0 };
        scale.lowest = places.last().map_or(0.0, |place| scale.z(place.score));
        scale
    }

    /// Standard deviations above the mean; 0 where all scores are equal.
    fn z(&self, score: f32) -> f64 {
        if self.deviation > 0.0 {
            (f64::from(score) - self.mean) / self.deviation
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use std::num::NonZeroUsize;

    /// Two teachers, one query: 7 and 5 swap places, 9 and 3 are known to one each.
    fn fused(fusion: Fusion, min_votes: usize, k: usize) -> (Vec<i64>, Vec<f32>, Vec<i16>) {
        let first = Csr::new("runs", &[0, 3], &[7, 5, 9], 1, None).unwrap();
        let second = Csr::new("runs", &[0, 3], &[5, 3, 7], 1, None).unwrap();
        let lists = [
            Teacher { ids: first, scores: &[3.0, 2.0, 1.0], weight: 1.0 },
            Teacher { ids: second, scores: &[0.5, 0.5, 0.5], weight: 1.0 },
        ];
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false);
        let fused = fuse(&exec, &lists, fusion, min_votes, k).unwrap();
        assert_eq!(fused.offsets, [0, fused.ids.len() as i64]);
        (fused.ids, fused.scores, fused.sources)
    }

    #[test]
    fn each_method_by_hand() {
        let (ids, scores, sources) = fused(Fusion::ReciprocalRank(1.0), 1, 9);
        assert_eq!((ids, sources), (vec![5, 7, 3, 9], vec![1, 0, 1, 0]));
        assert_eq!(scores, [5.0 / 6.0, 0.75, 1.0 / 3.0, 0.25]);

        let (ids, scores, sources) = fused(Fusion::RoundRobin, 1, 9);
        assert_eq!((ids, sources), (vec![7, 5, 9, 3], vec![0, 1, 0, 1]));
        assert_eq!(scores, [1.0, 0.5, 1.0 / 3.0, 0.25]);

        let (ids, scores, _) = fused(Fusion::Vote, 1, 9);
        assert_eq!(ids, [5, 7, 3, 9]);
        assert!(scores[..2].iter().all(|s| *s > 2.0 && *s < 2.1) && scores[2..].iter().all(|s| *s > 1.0 && *s < 1.1));

        // The second teacher's scores are all equal: nobody stands out.
        let (ids, scores, _) = fused(Fusion::ZScore, 1, 9);
        assert_eq!(ids, [7, 5, 3, 9]);
        assert_eq!((scores[1], scores[2]), (0.0, scores[3]));

        let (ids, scores, _) = fused(Fusion::Union, 1, 9);
        assert_eq!((ids, scores), (vec![5, 7, 3, 9], vec![1.0, 1.0, 0.5, 1.0 / 3.0]));
    }

    #[test]
    fn votes_and_k_cut() {
        assert_eq!(fused(Fusion::Union, 2, 9).0, [5, 7]);
        assert_eq!(fused(Fusion::RoundRobin, 2, 9).0, [7, 5]);
        assert_eq!(fused(Fusion::ReciprocalRank(1.0), 1, 3).0, [5, 7, 3]);
        assert!(fused(Fusion::Vote, 3, 9).0.is_empty());
    }
}

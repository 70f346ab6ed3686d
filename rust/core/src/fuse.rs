//! Candidate lists of several teachers into one list per query.

use std::cmp::Reverse;

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::order::Score;
use crate::pool::{self, Execution};

/// Queries that one task fuses.
const TASK_ROWS: usize = 64;

/// One teacher's lists, best first.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
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
/// Lists of different numbers of queries, or whose scores do not fit their ids; [`Error::Interrupted`].
pub fn fuse(exec: &Execution<'_>, lists: &[Lists<'_>], fusion: Fusion, min_votes: usize, k: usize) -> Result<Fused> {
    let rows = lists.first().map_or(0, |list| list.ids.rows());
    for list in lists {
        let pairs = [(list.ids.rows(), rows), (list.scores.len(), list.ids.ids().len())];
        if let Some(&(found, wanted)) = pairs.iter().find(|(found, wanted)| found != wanted) {
            return Err(Error::Length { argument: "runs", found, wanted });
        }
    }
    let tasks = (0..rows.div_ceil(TASK_ROWS)).map(|task| task * TASK_ROWS..rows.min((task + 1) * TASK_ROWS));
    let parts = pool::map(exec, tasks, Vec::new, |places, _, task| {
        let mut part = Fused::default();
        for row in task {
            gather(lists, row, places);
            let mut fused = fuse_row(lists, row, fusion, min_votes, places);
            fused.truncate(k);
            part.offsets.push(fused.len() as i64);
            for (id, score, source) in fused {
                part.ids.push(id);
                part.scores.push(score);
                part.sources.push(source);
            }
        }
        Ok(part)
    })?;
    let mut all = Fused { offsets: vec![0], ..Fused::default() };
    for part in parts {
        for length in part.offsets {
            all.offsets.push(all.offsets[all.offsets.len() - 1] + length);
        }
        all.ids.extend(part.ids);
        all.scores.extend(part.scores);
        all.sources.extend(part.sources);
    }
    Ok(all)
}

/// Where a list holds a document.
#[derive(Debug, Clone, Copy)]
struct Place {
    id: i64,
    list: usize,
    position: usize,
}

/// All places of a query, by document, then list; the best one of each list.
fn gather(lists: &[Lists<'_>], row: usize, places: &mut Vec<Place>) {
    places.clear();
    for (list, of) in lists.iter().enumerate() {
        places.extend(of.ids.row(row).iter().enumerate().map(|(position, &id)| Place { id, list, position }));
    }
    places.sort_unstable_by_key(|place| (place.id, place.list, place.position));
    places.dedup_by_key(|place| (place.id, place.list));
}

fn fuse_row(
    lists: &[Lists<'_>],
    row: usize,
    fusion: Fusion,
    min_votes: usize,
    places: &[Place],
) -> Vec<(i64, f32, i16)> {
    let documents = || places.chunk_by(|a, b| a.id == b.id).filter(|places| places.len() >= min_votes);
    let reciprocal = |constant: f64, places: &[Place]| -> f64 {
        places.iter().map(|place| lists[place.list].weight / (constant + 1.0 + place.position as f64)).sum()
    };
    let scales: Vec<Scale> = match fusion {
        Fusion::ZScore => lists.iter().map(|list| Scale::of(&list.scores[list.ids.range(row)])).collect(),
        _ => Vec::new(),
    };
    let total: f64 = lists.iter().map(|list| list.weight).sum();
    let score = |places: &[Place]| match fusion {
        Fusion::ReciprocalRank(constant) => reciprocal(constant, places),
        Fusion::Vote => places.len() as f64 + reciprocal(TIE_CONSTANT, places) / (1.0 + total),
        Fusion::Union => 1.0 / (1.0 + best(places).position as f64),
        Fusion::ZScore => {
            let mut places = places.iter().peekable();
            let of_list = |(list, scale): (usize, &Scale)| {
                let place = places.next_if(|place| place.list == list);
                let lists = &lists[list];
                let z = place
                    .map_or(scale.lowest, |place| scale.z(lists.scores[lists.ids.range(row).start + place.position]));
                lists.weight * z
            };
            scales.iter().enumerate().map(of_list).sum::<f64>() / total
        }
        Fusion::RoundRobin => 0.0,
    };
    let mut fused: Vec<(i64, f32, i16)> =
        documents().map(|places| (places[0].id, score(places) as f32, best(places).list as i16)).collect();
    if fusion == Fusion::RoundRobin {
        return in_turn(lists, row, &fused);
    }
    fused.sort_unstable_by_key(|&(id, score, _)| (Reverse(score.key()), id));
    fused
}

fn best(places: &[Place]) -> Place {
    *places.iter().min_by_key(|place| (place.position, place.list)).expect("a document has a place")
}

/// `open` by ascending id; its source becomes the list whose turn took the document.
fn in_turn(lists: &[Lists<'_>], row: usize, open: &[(i64, f32, i16)]) -> Vec<(i64, f32, i16)> {
    let mut taken = vec![false; open.len()];
    let mut queues: Vec<_> = lists.iter().map(|list| list.ids.row(row).iter()).collect();
    let mut order = Vec::with_capacity(open.len());
    while order.len() < open.len() {
        for (source, queue) in queues.iter_mut().enumerate() {
            let next = queue.find_map(|id| {
                let at = open.binary_search_by_key(id, |(id, _, _)| *id).ok()?;
                (!std::mem::replace(&mut taken[at], true)).then_some(*id)
            });
            if let Some(id) = next {
                order.push((id, (1.0 / (1.0 + order.len() as f64)) as f32, source as i16));
            }
        }
    }
    order
}

/// Mean and deviation of a list's scores.
struct Scale {
    mean: f64,
    deviation: f64,
    lowest: f64,
}

impl Scale {
    fn of(scores: &[f32]) -> Self {
        let count = scores.len().max(1) as f64;
        let mean = scores.iter().map(|&s| f64::from(s)).sum::<f64>() / count;
        let variance = scores.iter().map(|&s| (f64::from(s) - mean) * (f64::from(s) - mean)).sum::<f64>() / count;
        let mut scale = Scale { mean, deviation: variance.sqrt(), lowest: 0.0 };
        scale.lowest = scores.last().map_or(0.0, |&score| scale.z(score));
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
            Lists { ids: first, scores: &[3.0, 2.0, 1.0], weight: 1.0 },
            Lists { ids: second, scores: &[0.5, 0.5, 0.5], weight: 1.0 },
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

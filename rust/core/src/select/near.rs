//! Near-duplicates: documents of one group, and documents whose embeddings have a cosine at or above a bound.

use crate::error::{try_reserve, Error, Result};
use crate::id_set::IdSet;
use crate::pool::Execution;
use crate::search::exact::{dot, norm, Similarity};
use crate::search::{check_finite, Embeddings, RowScratch};

/// Cosines between two questions whether to go on.
const SOME: usize = 256;

/// What makes two documents near-duplicates; either is enough.
#[derive(Debug, Clone, Copy)]
pub struct Near<'a> {
    /// Group of every document, at least 0: documents of one group are near-duplicates.
    pub groups: Option<&'a [i64]>,
    /// Embeddings of all documents, and the least cosine of near-duplicates.
    pub cosine: Option<Cosine<'a>>,
}

/// When embeddings make near-duplicates.
#[derive(Debug, Clone, Copy)]
pub struct Cosine<'a> {
    /// One embedding per document.
    pub embeddings: Embeddings<'a>,
    /// At this cosine and above, the score of [`crate::search::pair_scores`].
    pub least: f32,
}

impl Near<'_> {
    /// The numbers of documents that it knows.
    pub(super) fn documents(&self) -> impl Iterator<Item = usize> {
        let rows = self.cosine.map(|cosine| cosine.embeddings.rows());
        self.groups.map(<[i64]>::len).into_iter().chain(rows)
    }
}

/// Tells which documents resemble one of those that were taken; one per thread, since it owns the scratch space.
pub struct Judge<'a> {
    near: Near<'a>,
    groups: IdSet,
    /// What was taken, with its norm.
    taken: Vec<(usize, f64)>,
    rows: [RowScratch; 2],
}

impl<'a> Judge<'a> {
    /// A judge that has seen nothing.
    pub fn new(near: Near<'a>) -> Result<Self> {
        let mut rows = [RowScratch::default(), RowScratch::default()];
        if let Some(cosine) = &near.cosine {
            for scratch in &mut rows {
                scratch.reserve(&cosine.embeddings)?;
            }
        }
        Ok(Judge { near, groups: IdSet::new(), taken: Vec::new(), rows })
    }

    /// Forgets all that was taken.
    pub fn start(&mut self) {
        self.groups.clear();
        self.taken.clear();
    }

    /// From now on, what resembles `document` is known.
    pub fn take(&mut self, exec: &Execution<'_>, document: i64) -> Result<()> {
        if let Some(groups) = self.near.groups {
            self.groups.reserve(exec, 1)?;
            self.groups.insert(groups[place("near_groups", document, groups.len())?] & i64::MAX);
        }
        if let Some(Cosine { embeddings, .. }) = &self.near.cosine {
            let row = place("document_embeddings", document, embeddings.rows())?;
            let own = finite_norm(exec, row, embeddings.row(row, &mut self.rows[0]))?;
            try_reserve(&mut self.taken, 1)?;
            self.taken.push((row, own));
        }
        Ok(())
    }

    /// Whether `document` resembles anything that was taken.
    pub fn resembles(&mut self, exec: &Execution<'_>, document: i64) -> Result<bool> {
        if let Some(groups) = self.near.groups {
            if self.groups.contains(groups[place("near_groups", document, groups.len())?] & i64::MAX) {
                return Ok(true);
            }
        }
        let Some(Cosine { embeddings, least }) = &self.near.cosine else { return Ok(false) };
        if self.taken.is_empty() {
            return Ok(false);
        }
        let row = place("document_embeddings", document, embeddings.rows())?;
        let [own, other] = &mut self.rows;
        let own = embeddings.row(row, own);
        let own_norm = finite_norm(exec, row, own)?;
        for (number, &(taken, taken_norm)) in self.taken.iter().enumerate() {
            if number % SOME == SOME - 1 {
                exec.check()?;
            }
            let product = dot(exec.isa(), own, embeddings.row(taken, other));
            if Similarity::Cosine.score(product, own_norm, taken_norm) >= *least {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where a document stands. It was checked; another thread may have written since.
fn place(argument: &'static str, id: i64, documents: usize) -> Result<usize> {
    let at = usize::try_from(id).ok().filter(|at| *at < documents);
    at.ok_or(Error::IdOutOfRange { argument, row: 0, id, limit: documents as i64 })
}

/// The norm of an embedding of finite numbers: their squares cannot overflow in float64.
fn finite_norm(exec: &Execution<'_>, row: usize, values: &[f32]) -> Result<f64> {
    let found = norm(exec.isa(), values);
    if !found.is_finite() {
        check_finite("document_embeddings", row, values)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::tests::{going, stopped};
    use crate::Matrix;

    #[test]
    fn groups_and_cosines_at_the_bound_count_and_start_forgets() {
        let values = [3.0f32, 4.0, 4.0, 3.0, 0.0, 0.0, -3.0, -4.0];
        let embeddings = Embeddings::F32(Matrix::from_slice(&values, 4, 2));
        let cosine = Some(Cosine { embeddings, least: 0.96 });
        let mut judge = Judge::new(Near { groups: Some(&[5, 6, 7, 5]), cosine }).unwrap();
        assert!(!judge.resembles(&going(), 0).unwrap());
        judge.take(&going(), 0).unwrap();
        let found: Vec<bool> = (0..4).map(|id| judge.resembles(&going(), id).unwrap()).collect();
        assert_eq!(found, [true, true, false, true]); // itself, by cosine 24 / 25, not at all, by its group alone
        judge.start();
        assert!(!judge.resembles(&going(), 1).unwrap());
        assert!(matches!(judge.take(&going(), 4), Err(Error::IdOutOfRange { id: 4, .. })));
    }

    #[test]
    fn many_cosines_end_when_asked() {
        let values: Vec<f32> = (0..=SOME * 2).flat_map(|row| [row as f32, 1.0]).collect();
        let embeddings = Embeddings::F32(Matrix::from_slice(&values, values.len() / 2, 2));
        let mut judge = Judge::new(Near { groups: None, cosine: Some(Cosine { embeddings, least: 2.0 }) }).unwrap();
        (0..SOME as i64).for_each(|id| judge.take(&going(), id).unwrap());
        assert!(!judge.resembles(&going(), 300).unwrap());
        assert_eq!(judge.resembles(&stopped(), 300), Err(Error::Interrupted));
    }
}

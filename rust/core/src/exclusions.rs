//! Documents that are never negatives of a query: its positives, extra exclusions, and text duplicates of its positives.

use std::collections::HashMap;

use crate::csr::Csr;
use crate::error::{Error, Result};

/// Why a document is excluded, in the order in which the reasons are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A labelled positive of the query.
    Positive,
    /// Named by the caller.
    Excluded,
    /// Same text as a positive of the query.
    DuplicateText,
}

/// The union per query, sorted by id without repeats, each id under the first reason that applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Row r owns `offsets[r]..offsets[r + 1]`.
    pub offsets: Vec<i64>,
    /// Document indices.
    pub ids: Vec<i64>,
    /// Reason of each.
    pub kinds: Vec<Kind>,
}

impl Exclusions {
    /// Builds the union for every query. `groups[document]` is equal for documents of the same text.
    pub fn new(positives: Csr<'_>, exclude: Option<Csr<'_>>, groups: Option<&[i64]>) -> Result<Self> {
        let twins = groups.map(|groups| Twins::new(positives, groups)).transpose()?;
        let mut union = Exclusions { offsets: Vec::with_capacity(positives.rows() + 1), ..Self::default() };
        union.offsets.push(0);
        let mut row: Vec<(i64, Kind)> = Vec::new();
        for query in 0..positives.rows() {
            row.clear();
            row.extend(positives.row(query).iter().map(|&id| (id, Kind::Positive)));
            if let Some(exclude) = exclude {
                row.extend(exclude.row(query).iter().map(|&id| (id, Kind::Excluded)));
            }
            if let Some(twins) = &twins {
                for &id in positives.row(query) {
                    row.extend(twins.of(id).map(|id| (id, Kind::DuplicateText)));
                }
            }
            row.sort_unstable_by_key(|&(id, kind)| (id, kind as u8));
            row.dedup_by_key(|(id, _)| *id);
            union.ids.extend(row.iter().map(|(id, _)| *id));
            union.kinds.extend(row.iter().map(|(_, kind)| *kind));
            union.offsets.push(union.ids.len() as i64);
        }
        Ok(union)
    }
}

/// Documents that share a text group with some positive, by group.
struct Twins<'a> {
    groups: &'a [i64],
    /// Where each group starts in `members`, and how many it has.
    spans: HashMap<i64, (usize, usize)>,
    members: Vec<(i64, i64)>,
}

impl<'a> Twins<'a> {
    fn new(positives: Csr<'_>, groups: &'a [i64]) -> Result<Self> {
        let mut spans = HashMap::new();
        for row in 0..positives.rows() {
            for &id in positives.row(row) {
                let group = usize::try_from(id).ok().and_then(|id| groups.get(id)).ok_or(Error::IdOutOfRange {
                    argument: "positives",
                    row,
                    id,
                    limit: groups.len() as i64,
                })?;
                spans.insert(*group, (0, 0));
            }
        }
        let mut members: Vec<(i64, i64)> = (0i64..)
            .zip(groups)
            .filter(|(_, group)| spans.contains_key(group))
            .map(|(id, &group)| (group, id))
            .collect();
        members.sort_unstable();
        for (start, &(group, _)) in members.iter().enumerate() {
            spans.entry(group).and_modify(|span| {
                if span.1 == 0 {
                    span.0 = start;
                }
                span.1 += 1;
            });
        }
        Ok(Twins { groups, spans, members })
    }

    /// All documents with the text of `id`, itself included.
    fn of(&self, id: i64) -> impl Iterator<Item = i64> + '_ {
        let (start, count) = self.spans[&self.groups[id as usize]];
        self.members[start..start + count].iter().map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind::{DuplicateText, Excluded, Positive};
    use super::*;

    #[test]
    fn the_first_reason_counts_and_rows_are_sorted() {
        let positives = Csr::new("positives", &[0, 2, 2, 3], &[4, 1, 0], 3, None).unwrap();
        let exclude = Csr::new("exclude", &[0, 3, 4, 4], &[9, 1, 5, 7], 3, None).unwrap();
        // 1, 5 and 6 share a text; so do 0 and 2.
        let groups = [20, 7, 20, 30, 31, 7, 7, 32, 33, 34];
        let union = Exclusions::new(positives, Some(exclude), Some(&groups)).unwrap();
        assert_eq!(union.offsets, [0, 5, 6, 8]);
        assert_eq!(union.ids, [1, 4, 5, 6, 9, 7, 0, 2]);
        assert_eq!(
            union.kinds,
            [Positive, Positive, Excluded, DuplicateText, Excluded, Excluded, Positive, DuplicateText]
        );
    }

    #[test]
    fn a_positive_without_a_group_is_named() {
        let positives = Csr::new("positives", &[0, 0, 1], &[4], 2, None).unwrap();
        let error = Exclusions::new(positives, None, Some(&[0, 1])).unwrap_err();
        assert_eq!(error.to_string(), "positives: id 4 of row 1 is outside 0..2");
    }
}

//! Documents that are never negatives of a query: its positives, extra exclusions, and text duplicates of its positives.
//!
//! Who has the candidates at hand compares text groups; only a scan, and a draw out of the whole corpus, need the
//! duplicates by number.

use crate::csr::{concat, offsets_of, Csr};
use crate::error::{try_reserve, Error, Result};
use crate::pool::{self, Execution};
use crate::sort;

/// Rows of one task.
const TASK_ROWS: usize = 256;
/// Documents of one task.
const TASK_DOCUMENTS: usize = 1 << 15;

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
    /// Near-duplicate of a positive of the query; only who has the candidates at hand looks for these.
    NearDuplicate,
}

/// The text groups of some documents, sorted, without repeats. `groups[document]` is equal for documents of the same text.
pub fn groups_of(documents: &[i64], groups: &[i64], found: &mut Vec<i64>) -> Result<()> {
    found.clear();
    try_reserve(found, documents.len())?;
    found.extend(documents.iter().filter_map(|&document| groups.get(document as usize)));
    found.sort_unstable();
    found.dedup();
    Ok(())
}

/// The documents of every text group that holds a positive of some query.
pub struct Twins<'a> {
    groups: &'a [i64],
    /// Sorted, without repeats.
    wanted: Vec<i64>,
    /// Group `wanted[i]` owns `starts[i]..starts[i + 1]` of `members`.
    starts: Vec<usize>,
    /// Documents, rising inside a group.
    members: Vec<i64>,
}

impl<'a> Twins<'a> {
    /// Finds them; `positives` must be documents that `groups` knows.
    pub fn new(exec: &Execution<'_>, positives: Csr<'_>, groups: &'a [i64]) -> Result<Self> {
        let tasks = positives.ids().chunks(TASK_DOCUMENTS);
        let parts = pool::map(
            exec,
            tasks,
            || (),
            |(), _, ids| {
                let mut found = Vec::new();
                groups_of(ids, groups, &mut found)?;
                Ok(found)
            },
        )?;
        let mut wanted = concat(parts)?;
        sort::sort_by_key(exec, &mut wanted, |group| *group)?;
        wanted.dedup();

        let found = pool::map(
            exec,
            groups.chunks(TASK_DOCUMENTS).enumerate(),
            || (),
            |(), _, (task, groups)| {
                let mut found = Vec::new();
                for (document, group) in (task * TASK_DOCUMENTS..).zip(groups) {
                    if let Ok(place) = wanted.binary_search(group) {
                        try_reserve(&mut found, 1)?;
                        found.push((place, document as i64));
                    }
                }
                Ok(found)
            },
        )?;
        let mut ends = crate::error::try_vec::<usize>(wanted.len() + 1)?;
        for part in &found {
            exec.check()?;
            for (place, _) in part {
                ends[place + 1] += 1;
            }
        }
        for place in 0..wanted.len() {
            ends[place + 1] += ends[place];
        }
        let starts = ends.clone();
        let mut members = crate::error::try_vec::<i64>(ends[wanted.len()])?;
        for part in found {
            exec.check()?;
            for (place, document) in part {
                members[ends[place]] = document;
                ends[place] += 1;
            }
        }
        Ok(Twins { groups, wanted, starts, members })
    }

    /// Appends all documents with the text of one of `documents`, these included: each once, rising inside a group.
    pub fn extend(&self, documents: &[i64], scratch: &mut Vec<i64>, twins: &mut Vec<i64>) -> Result<()> {
        groups_of(documents, self.groups, scratch)?;
        for group in scratch {
            if let Ok(place) = self.wanted.binary_search(group) {
                let members = &self.members[self.starts[place]..self.starts[place + 1]];
                try_reserve(twins, members.len())?;
                twins.extend_from_slice(members);
            }
        }
        Ok(())
    }
}

/// The union per query, as a scan takes it: sorted by id without repeats, and how many documents fall under each reason,
/// counted under the first that applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Row r owns `offsets[r]..offsets[r + 1]`.
    pub offsets: Vec<i64>,
    /// Document indices.
    pub ids: Vec<i64>,
    /// Per [`Kind`] but the last, in its order: one count per row.
    pub counts: [Vec<i64>; 3],
}

impl Exclusions {
    /// Builds the union for every query. Every positive must be a document that `groups` knows.
    pub fn new(
        exec: &Execution<'_>,
        positives: Csr<'_>,
        exclude: Option<Csr<'_>>,
        groups: Option<&[i64]>,
    ) -> Result<Self> {
        if let Some(exclude) = exclude.filter(|exclude| exclude.rows() != positives.rows()) {
            return Err(Error::Length { argument: "exclude", found: exclude.rows(), wanted: positives.rows() });
        }
        let twins = groups.map(|groups| Twins::new(exec, positives, groups)).transpose()?;
        let rows = positives.rows();
        let tasks = (0..rows).step_by(TASK_ROWS).map(|start| start..(start + TASK_ROWS).min(rows));
        let mut parts = pool::map(exec, tasks, Union::default, |union, _, task| {
            let mut part = Part::default();
            for row in task {
                exec.check()?;
                union.gather(
                    exec,
                    positives.row(row),
                    exclude.map_or(&[], |exclude| exclude.row(row)),
                    twins.as_ref(),
                )?;
                union.write(&mut part)?;
            }
            Ok(part)
        })?;
        let mut counts: [Vec<i64>; 3] = Default::default();
        for (kind, column) in counts.iter_mut().enumerate() {
            try_reserve(column, rows)?;
            column.extend(parts.iter().flat_map(|part| &part.counts).map(|counts| counts[kind]));
        }
        let lengths = (0..rows).map(|row| counts.iter().map(|column| column[row]).sum());
        let offsets = offsets_of(rows, lengths)?;
        Ok(Exclusions {
            offsets,
            ids: concat(parts.iter_mut().map(|part| std::mem::take(&mut part.ids)).collect())?,
            counts,
        })
    }
}

/// The unions of some rows.
#[derive(Default)]
struct Part {
    ids: Vec<i64>,
    counts: Vec<[i64; 3]>,
}

/// Scratch space for the union of a row.
#[derive(Default)]
struct Union {
    named: Vec<(i64, Kind)>,
    twins: Vec<i64>,
    groups: Vec<i64>,
}

impl Union {
    /// Collects who is excluded by number and who by text, either sorted; repeats of a number under its first reason.
    fn gather(
        &mut self,
        exec: &Execution<'_>,
        positives: &[i64],
        exclude: &[i64],
        twins: Option<&Twins<'_>>,
    ) -> Result<()> {
        self.named.clear();
        try_reserve(&mut self.named, positives.len() + exclude.len())?;
        self.named.extend(positives.iter().map(|&id| (id, Kind::Positive)));
        self.named.extend(exclude.iter().map(|&id| (id, Kind::Excluded)));
        sort::sort_by_key(exec, &mut self.named, |&(id, kind)| (id, kind as u8))?;
        self.named.dedup_by_key(|(id, _)| *id);
        self.twins.clear();
        if let Some(twins) = twins {
            twins.extend(positives, &mut self.groups, &mut self.twins)?;
            if self.groups.len() > 1 {
                sort::sort_by_key(exec, &mut self.twins, |id| *id)?;
            }
        }
        Ok(())
    }

    /// Merges the two into `part`.
    fn write(&self, part: &mut Part) -> Result<()> {
        try_reserve(&mut part.ids, self.named.len() + self.twins.len())?;
        let mut counts = [0; 3];
        let mut named = self.named.iter().peekable();
        let mut push = |id, kind: Kind| {
            part.ids.push(id);
            counts[kind as usize] += 1;
        };
        for &twin in &self.twins {
            while let Some(&(id, kind)) = named.next_if(|(id, _)| *id < twin) {
                push(id, kind);
            }
            match named.next_if(|(id, _)| *id == twin) {
                Some(&(id, kind)) => push(id, kind),
                None => push(twin, Kind::DuplicateText),
            }
        }
        named.for_each(|&(id, kind)| push(id, kind));
        try_reserve(&mut part.counts, 1)?;
        part.counts.push(counts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::Isa;

    fn union(positives: Csr<'_>, exclude: Option<Csr<'_>>, groups: Option<&[i64]>) -> Exclusions {
        let of = |threads| {
            let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), Isa::Portable, &|| false);
            Exclusions::new(&exec, positives, exclude, groups).unwrap()
        };
        assert_eq!(of(1), of(3));
        of(1)
    }

    #[test]
    fn the_first_reason_counts_and_rows_are_sorted() {
        let positives = Csr::new("positives", &[0, 2, 2, 3], &[4, 1, 0], 3, None).unwrap();
        let exclude = Csr::new("exclude", &[0, 3, 4, 4], &[9, 1, 5, 7], 3, None).unwrap();
        // 1, 5 and 6 share a text; so do 0 and 2.
        let groups = [20, 7, 20, 30, 31, 7, 7, 32, 33, 34];
        let found = union(positives, Some(exclude), Some(&groups));
        assert_eq!(found.offsets, [0, 5, 6, 8]);
        assert_eq!(found.ids, [1, 4, 5, 6, 9, 7, 0, 2]);
        assert_eq!(found.counts, [[2, 0, 1], [2, 1, 0], [1, 0, 1]]);
    }

    #[test]
    fn many_rows_and_groups_agree_with_the_obvious() {
        let rows = 3 * TASK_ROWS + 5;
        let documents = TASK_DOCUMENTS + 100;
        let random = |i: usize, below: usize| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 17) % below;
        let groups: Vec<i64> = (0..documents).map(|i| random(i, documents / 2) as i64 - 100).collect();
        let ids: Vec<i64> = (0..3 * rows).map(|i| random(i + 7, documents) as i64).collect();
        let offsets: Vec<i64> = (0..=rows as i64).map(|row| 3 * row).collect();
        let positives = Csr::new("positives", &offsets, &ids, rows, Some(documents)).unwrap();
        let found = union(positives, None, Some(&groups));
        for row in (0..rows).step_by(50) {
            let own: Vec<i64> = positives.row(row).iter().map(|&id| groups[id as usize]).collect();
            let expected: Vec<i64> = (0..documents as i64).filter(|&id| own.contains(&groups[id as usize])).collect();
            assert_eq!(found.ids[found.offsets[row] as usize..found.offsets[row + 1] as usize], expected);
        }
    }

    #[test]
    fn positives_of_one_text_list_its_documents_once() {
        let ids: Vec<i64> = (0..8000).collect();
        let positives = Csr::new("positives", &[0, 8000], &ids, 1, None).unwrap();
        let found = union(positives, None, Some(&vec![5; 20_000]));
        assert_eq!(found.ids.len(), 20_000);
        assert_eq!(found.counts, [[8000], [0], [12_000]]);
    }
}

//! Groups of near-duplicates: candidates by bands of min-wise hashes, each pair verified by its shingles.
//!
//! Documents of one hash in a band share a bucket. First come buckets of equal sets, of which one document each goes on.
//! Inside a bucket a document is compared with at most [`KEPT`] that stand before it, so that no bucket takes more than
//! linear time, whoever made it. Buckets of a band do not know of each other, only of the groups that the bands before
//! them left: that is why the result does not depend on threads.

use std::ops::Range;

use crate::error::{try_collect, try_reserve, try_vec, Error, Result};
use crate::pool::{self, Execution};
use crate::shingles::minhash::{bands, Permutations};
use crate::shingles::sets::{fold, jaccard, Shingler};
use crate::shingles::{Texts, TASK_ROWS};
use crate::sort;
use crate::steps::in_steps;

/// Documents of a bucket that a later one is compared with.
const KEPT: usize = 64;
/// Documents in the buckets of one task, about.
const TASK_MEMBERS: usize = 512;

/// How near-duplicates are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Least similarity of near-duplicates.
    pub threshold: f32,
    /// Words of a shingle.
    pub size: usize,
    /// Bands, and hashes in each.
    pub bands: usize,
    /// See `bands`.
    pub rows: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

/// Group of every text: the number of its first member. Who shares a group is linked by pairs that are similar enough.
pub fn near_duplicate_groups(exec: &Execution<'_>, texts: &Texts<'_>, settings: Settings) -> Result<Vec<i64>> {
    let rows = texts.rows();
    if u32::try_from(rows).is_err() {
        let problem = format!("{rows} of them, expected at most {}", u32::MAX);
        return Err(Error::Value { argument: "texts", problem });
    }
    let keys = Keys::new(exec, texts, settings)?;
    let mut roots = Roots::new(exec, rows)?;
    let mut members: Vec<u32> = try_collect((0..rows as u32).map(Ok))?;
    for band in 0..=settings.bands {
        let pairs = keys.sorted(exec, band, &members)?;
        roots.unite_buckets(exec, texts, settings, &pairs)?;
        if band == 0 {
            // Whose set is equal to that of an earlier one, its neighbours are the neighbours of that.
            members.retain(|member| roots.0[*member as usize] == *member);
        }
    }
    try_collect(roots.0.iter().map(|root| Ok(i64::from(*root))))
}

/// Of every text the hash of its set, then those of its bands.
struct Keys {
    width: usize,
    keys: Vec<u64>,
}

impl Keys {
    fn new(exec: &Execution<'_>, texts: &Texts<'_>, settings: Settings) -> Result<Self> {
        let width = settings.bands + 1;
        let size = texts.rows().checked_mul(width).ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
        let mut keys = try_vec::<u64>(size)?;
        let permutations = Permutations::new(settings.seed, settings.bands * settings.rows);
        let scratch = || (Shingler::new(settings.size), Vec::new(), vec![0; settings.bands * settings.rows]);
        pool::map(exec, keys.chunks_mut(TASK_ROWS * width), scratch, |(shingler, set, signature), task, out| {
            for (row, out) in (task * TASK_ROWS..).zip(out.chunks_exact_mut(width)) {
                exec.check()?;
                shingler.set_of(exec, texts.text(row), set)?;
                out[0] = set.iter().fold(set.len() as u64, |hash, shingle| fold(hash, *shingle));
                permutations.signature(exec, set, signature)?;
                bands(signature, settings.rows, &mut out[1..]);
            }
            Ok(())
        })?;
        Ok(Keys { width, keys })
    }

    /// (hash, member) of a band, in order.
    fn sorted(&self, exec: &Execution<'_>, band: usize, members: &[u32]) -> Result<Vec<(u64, u32)>> {
        let mut pairs = Vec::new();
        try_reserve(&mut pairs, members.len())?;
        in_steps(exec, members.len(), |some| {
            pairs.extend(members[some].iter().map(|&member| (self.keys[member as usize * self.width + band], member)));
            Ok(())
        })?;
        let place = |&(key, member): &(u64, u32)| u128::from(key) << u32::BITS | u128::from(member);
        sort::sort(exec, &mut pairs, place, 0, &mut Vec::new())?;
        Ok(pairs)
    }
}

/// The first member of the group of every document.
struct Roots(Vec<u32>);

impl Roots {
    fn new(exec: &Execution<'_>, rows: usize) -> Result<Self> {
        let mut roots = try_vec::<u32>(rows)?;
        in_steps(exec, rows, |some| {
            some.for_each(|row| roots[row] = row as u32);
            Ok(())
        })?;
        Ok(Roots(roots))
    }

    /// Unites who is similar inside a bucket of pairs.
    fn unite_buckets(
        &mut self,
        exec: &Execution<'_>,
        texts: &Texts<'_>,
        settings: Settings,
        pairs: &[(u64, u32)],
    ) -> Result<()> {
        let worker = || Bucket::new(texts, settings, &self.0);
        let found = pool::map(exec, tasks(pairs), worker, |bucket, _, task| {
            let mut links = Vec::new();
            for members in pairs[task].chunk_by(|a, b| a.0 == b.0).filter(|members| members.len() > 1) {
                bucket.link(exec, members, &mut links)?;
            }
            Ok(links)
        })?;
        for (number, &(a, b)) in found.iter().flatten().enumerate() {
            if number % TASK_ROWS == 0 {
                exec.check()?;
            }
            self.unite(a, b);
        }
        // A root is not above its members: after the first, each step finds the final one.
        in_steps(exec, self.0.len(), |some| {
            some.for_each(|row| self.0[row] = self.0[self.0[row] as usize]);
            Ok(())
        })
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    fn find(&mut self, mut member: u32) -> u32 {
        while self.0[member as usize] != member {
            let next = self.0[self.0[member as usize] as usize];
            self.0[member as usize] = next;
            member = next;
        }
        member
    }
}

/// Stretches of pairs of about the same length, no bucket cut.
fn tasks(pairs: &[(u64, u32)]) -> Vec<Range<usize>> {
    let mut tasks = Vec::new();
    let mut start = 0;
    while start < pairs.len() {
        let mut end = (start + TASK_MEMBERS).min(pairs.len());
        end += pairs[end..].partition_point(|pair| pair.0 == pairs[end - 1].0);
        tasks.push(start..end);
        start = end;
    }
    tasks
}

/// Finds links inside one bucket after the other; one per thread, since it owns the scratch space.
struct Bucket<'a> {
    texts: &'a Texts<'a>,
    threshold: f32,
    /// Groups that earlier bands left.
    roots: &'a [u32],
    shingler: Shingler,
    kept: Vec<Member>,
    /// Sets that are no longer needed.
    spare: Vec<Vec<u64>>,
}

/// A document of the bucket that later ones are compared with.
struct Member {
    document: u32,
    /// Equal for members that are linked already.
    group: u32,
    set: Option<Vec<u64>>,
}

impl<'a> Bucket<'a> {
    fn new(texts: &'a Texts<'a>, settings: Settings, roots: &'a [u32]) -> Self {
        let shingler = Shingler::new(settings.size);
        Bucket { texts, threshold: settings.threshold, roots, shingler, kept: Vec::new(), spare: Vec::new() }
    }

    /// Appends links between members, which rise.
    fn link(&mut self, exec: &Execution<'_>, members: &[(u64, u32)], links: &mut Vec<(u32, u32)>) -> Result<()> {
        self.forget_all();
        for &(_, document) in members {
            exec.check()?;
            let mut own = Member { document, group: self.roots[document as usize], set: None };
            for at in 0..self.kept.len() {
                if self.kept[at].group != own.group && self.resemble(exec, at, &mut own)? {
                    try_reserve(links, 1)?;
                    links.push((self.kept[at].document, document));
                    let (old, new) = (own.group, self.kept[at].group);
                    self.kept.iter_mut().filter(|member| member.group == old).for_each(|member| member.group = new);
                    own.group = new;
                }
            }
            self.keep(own);
        }
        Ok(())
    }

    fn resemble(&mut self, exec: &Execution<'_>, at: usize, own: &mut Member) -> Result<bool> {
        let Bucket { texts, threshold, shingler, kept, spare, .. } = self;
        let other = &mut kept[at];
        if texts.text(own.document as usize) == texts.text(other.document as usize) {
            return Ok(true);
        }
        for member in [&mut *own, &mut *other] {
            if member.set.is_none() {
                let mut set = spare.pop().unwrap_or_default();
                shingler.set_of(exec, texts.text(member.document as usize), &mut set)?;
                member.set = Some(set);
            }
        }
        let (Some(own), Some(other)) = (&own.set, &other.set) else { return Ok(false) };
        Ok(jaccard(exec, own, other)? >= *threshold)
    }

    /// Keeps a member; where there are too many, the first goes whose group another stands for, or else the first.
    fn keep(&mut self, own: Member) {
        self.kept.push(own);
        if self.kept.len() > KEPT {
            let stands_alone = |at: &usize| {
                let group = self.kept[*at].group;
                !self.kept[at + 1..].iter().any(|member| member.group == group)
            };
            let at = (0..self.kept.len()).find(|at| !stands_alone(at)).unwrap_or(0);
            let gone = self.kept.remove(at);
            self.spare.extend(gone.set);
        }
    }

    fn forget_all(&mut self) {
        self.spare.extend(self.kept.drain(..).filter_map(|member| member.set));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::isa::Isa;
    use crate::steps::tests::{going, stopped};

    const SETTINGS: Settings = Settings { threshold: 0.5, size: 1, bands: 40, rows: 2, seed: 3 };

    fn offsets_of(texts: &[String]) -> Vec<i64> {
        let mut offsets = vec![0];
        for text in texts {
            offsets.push(offsets[offsets.len() - 1] + text.len() as i64);
        }
        offsets
    }

    fn groups(texts: &[String], threads: usize, settings: Settings) -> Vec<i64> {
        let (offsets, data) = (offsets_of(texts), texts.concat());
        let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), Isa::detect(), &|| false);
        let texts = Texts::new("texts", &offsets, data.as_bytes()).unwrap();
        near_duplicate_groups(&exec, &texts, settings).unwrap()
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn chains_are_one_group_and_strangers_are_alone() {
        let texts = owned(&["a b c d", "x y", "c d e f g", "b c d e", "", "A  b\tc d", " ", "y x"]);
        // "a b c d" and "c d e f g" share 2 of 7, but "b c d e" stands between them: 3 of 5 and 3 of 6.
        assert_eq!(groups(&texts, 1, SETTINGS), [0, 1, 0, 0, 4, 0, 4, 1]);
    }

    /// Strangers that share a bucket, as texts made for the purpose would: each is compared with so many, and no more are
    /// kept.
    #[test]
    fn a_giant_bucket_takes_linear_time() {
        let texts: Vec<String> = (0..5000).map(|i| format!("common a{i} b{i}")).collect();
        let (offsets, data) = (offsets_of(&texts), texts.concat());
        let texts = Texts::new("texts", &offsets, data.as_bytes()).unwrap();
        let roots: Vec<u32> = (0..5000).collect();
        let mut bucket = Bucket::new(&texts, SETTINGS, &roots);
        let members: Vec<(u64, u32)> = (0..5000).map(|i| (7, i)).collect();
        let mut links = Vec::new();
        bucket.link(&going(), &members, &mut links).unwrap();
        assert!(links.is_empty());
        assert_eq!(bucket.kept.len(), KEPT);
        assert!(bucket.kept.len() + bucket.spare.len() <= KEPT + 1);
    }

    #[test]
    fn groups_that_alternate_in_a_giant_bucket_stay_known() {
        let texts: Vec<String> = (0..600).map(|i| format!("g{0} h{0} i{0} {1}", i % 60, i)).collect();
        let expected: Vec<i64> = (0..600).map(|i| i % 60).collect();
        for threads in [1, 4] {
            assert_eq!(groups(&texts, threads, Settings { bands: 128, rows: 1, ..SETTINGS }), expected);
        }
    }

    #[test]
    fn tasks_cut_no_bucket() {
        let pairs: Vec<(u64, u32)> = (0..5000).map(|i| (u64::from(i / 700), i)).collect();
        let found = tasks(&pairs);
        assert_eq!(found.iter().map(ExactSizeIterator::len).sum::<usize>(), 5000);
        assert!(found.iter().all(|task| task.start % 700 == 0));
    }

    #[test]
    fn stopping_is_noticed() {
        let texts = Texts::new("texts", &[0, 1, 2], b"ab").unwrap();
        assert_eq!(near_duplicate_groups(&stopped(), &texts, SETTINGS), Err(Error::Interrupted));
    }
}

//! Uniform draws of items, each row with its own exclusions.

use crate::csr::Csr;
use crate::draw::marks::Marks;
use crate::draw::noise::Noise;
use crate::draw::rows::{chunks_of_rows, fill, Keys};
use crate::draw::words::{Below, Below32, Words};
use crate::error::{try_reserve, try_zeros, Error, Result};
use crate::pool::{self, Execution};
use crate::steps::{in_steps, STEP};

/// Steps that one task makes.
const TASK_STEPS: usize = 1 << 15;

/// A request for `n` items for each of `rows` rows.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Draws for each row.
    pub n: usize,
    /// Whether a row may get an item more than once.
    pub replace: bool,
    /// Items that a row never gets, in any order, repeats allowed; checked against the number of items.
    pub exclude: Option<Csr<'a>>,
    /// Noise of the draws.
    pub noise: Noise,
    /// One key for each row, its index where there is none.
    pub keys: Keys<'a>,
}

impl Request<'_> {
    /// Runs `task(scratch, row, out)` for every row, where `cost` is about the steps of a row.
    pub(super) fn for_each_row<S>(
        &self,
        exec: &Execution<'_>,
        cost: usize,
        scratch: impl Fn() -> S + Sync,
        task: impl Fn(&mut S, usize, &mut [i64]) -> Result<()> + Sync,
    ) -> Result<Vec<i64>> {
        self.keys.check_rows(self.rows)?;
        let cells = self.rows.checked_mul(self.n).ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
        let mut out = try_zeros(cells)?;
        if self.n == 0 {
            return Ok(out);
        }
        let rows_of_task = (TASK_STEPS / cost.max(1)).clamp(1, self.rows.max(1));
        let parts = (0..self.rows.div_ceil(rows_of_task)).zip(chunks_of_rows(&mut out, rows_of_task, self.n));
        pool::map(exec, parts, scratch, |scratch, _, (part, out)| {
            let first = part * rows_of_task;
            for row in first..(first + rows_of_task).min(self.rows) {
                task(scratch, row, &mut out[(row - first) * self.n..][..self.n])?;
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Copies the exclusions of a row and checks the copy: the caller's memory may change during the call.
    pub(super) fn read_excluded(
        &self,
        exec: &Execution<'_>,
        row: usize,
        num_items: u64,
        to: &mut Vec<i64>,
    ) -> Result<()> {
        let excluded = self.exclude.map_or(&[][..], |exclude| exclude.row(row));
        to.clear();
        try_reserve(to, excluded.len())?;
        let limit = i64::try_from(num_items).unwrap_or(i64::MAX);
        in_steps(exec, excluded.len(), |some| {
            let start = to.len();
            to.extend_from_slice(&excluded[some]);
            match to[start..].iter().find(|id| !(0..limit).contains(*id)) {
                Some(&id) => Err(Error::IdOutOfRange { argument: "exclude", row, id, limit }),
                None => Ok(()),
            }
        })
    }
}

/// Draws from the items `0..num_items`, row after row, in the order of the draws, -1 where a row has no more to give.
///
/// The work for a row is proportional to n and the number of its exclusions, not to the number of items.
pub fn sample_uniform(exec: &Execution<'_>, num_items: u64, request: &Request<'_>) -> Result<Vec<i64>> {
    let scratch = || Sampler {
        num_items,
        words: Words::new(exec.isa(), request.noise.key()),
        marks: Marks::new(num_items),
        excluded: Vec::new(),
        left: Vec::new(),
    };
    request.for_each_row(exec, request.n, scratch, |sampler, row, out| {
        request.read_excluded(exec, row, num_items, &mut sampler.excluded)?;
        sampler.row(exec, request.keys.row(row), request.replace, out)
    })
}

struct Sampler {
    num_items: u64,
    words: Words,
    marks: Marks,
    excluded: Vec<i64>,
    left: Vec<u64>,
}

impl Sampler {
    fn row(&mut self, exec: &Execution<'_>, row_key: u64, replace: bool, out: &mut [i64]) -> Result<()> {
        self.words.start(row_key);
        let gone = self.marks.mark_all(exec, &self.excluded)?;
        let left = self.num_items - gone;
        let wanted = if replace { 0 } else { out.len() as u64 };
        if left == 0 {
            fill(exec, out)?;
        } else if gone + wanted <= self.num_items / 2 {
            // At least every second attempt is accepted.
            self.by_rejection(exec, replace, out)?;
        } else {
            self.draw_the_rest(exec, left, replace, out)?;
        }
        self.marks.clear();
        Ok(())
    }

    /// Items as they come; those marked are passed over, and without replacement those drawn are marked.
    fn by_rejection(&mut self, exec: &Execution<'_>, replace: bool, out: &mut [i64]) -> Result<()> {
        let (words, marks) = (&mut self.words, &mut self.marks);
        if let Ok(range) = u32::try_from(self.num_items) {
            let bound = Below32::new(range);
            let halves = |word: u64| [word as u32, (word >> 32) as u32].map(|bits| bound.of(bits).map(u64::from));
            fill_by_rejection(exec, words, marks, replace, out, halves)
        } else {
            let bound = Below::new(self.num_items);
            fill_by_rejection(exec, words, marks, replace, out, |word| [bound.of(word)])
        }
    }

    /// From the list of what is left: few items, or most of them wanted.
    fn draw_the_rest(&mut self, exec: &Execution<'_>, left: u64, replace: bool, out: &mut [i64]) -> Result<()> {
        let (Ok(items), Ok(total)) = (usize::try_from(self.num_items), usize::try_from(left)) else {
            return Err(Error::OutOfMemory { bytes: usize::MAX });
        };
        self.left.clear();
        try_reserve(&mut self.left, total)?;
        in_steps(exec, items, |some| {
            let numbers = some.start as u64..some.end as u64;
            self.left.extend(numbers.filter(|item| !self.marks.contains(*item)));
            Ok(())
        })?;
        let drawn = if replace { out.len() } else { out.len().min(total) };
        in_steps(exec, drawn, |some| {
            for (drawn, out) in some.clone().zip(&mut out[some]) {
                if replace {
                    *out = self.left[self.words.below(total as u64) as usize] as i64;
                } else {
                    let other = drawn + self.words.below((total - drawn) as u64) as usize;
                    self.left.swap(drawn, other);
                    *out = self.left[drawn] as i64;
                }
            }
            Ok(())
        })?;
        fill(exec, &mut out[drawn..])
    }
}

/// `candidates` makes a few candidates, or refusals, of every 64 bits.
#[inline]
fn fill_by_rejection<const N: usize>(
    exec: &Execution<'_>,
    words: &mut Words,
    marks: &mut Marks,
    replace: bool,
    out: &mut [i64],
    candidates: impl Fn(u64) -> [Option<u64>; N],
) -> Result<()> {
    const WORDS: usize = 16;
    let mut drawn = 0;
    loop {
        if !replace {
            marks.reserve(exec, STEP.min(out.len() - drawn))?;
        }
        for _ in 0..STEP / (WORDS * N) {
            for word in words.next_array::<WORDS>() {
                for item in candidates(word).into_iter().flatten() {
                    if drawn == out.len() {
                        return Ok(());
                    }
                    out[drawn] = item as i64;
                    drawn += usize::from(if replace { !marks.contains(item) } else { marks.mark(item) });
                }
            }
        }
        exec.check()?;
    }
}

//! Weighted draws of items in constant time each: the alias method.

use crate::draw::largest::Pair;
use crate::draw::logarithm::ln_any;
use crate::draw::marks::Marks;
use crate::draw::noise::unit;
use crate::draw::picker::{check_width, Picker};
use crate::draw::rows::{fill, number};
use crate::draw::uniform::Request;
use crate::draw::words::{Below, Words};
use crate::error::{check_room, try_reserve, Error, Result};
use crate::pool::Execution;
use crate::sort;
use crate::steps::{self, in_steps, STEP};

/// 2^64, the scale of thresholds.
const SCALE: f64 = 18_446_744_073_709_551_616.0;

/// Attempts that are expected to take as long as a look at one item, where all items are looked at.
const ATTEMPTS_PER_ITEM: f64 = 0.0625;

/// Share of the weight, below which the rest is too small for the table to tell its items apart.
const LEAST_SHARE: f64 = 1.0 / 1_099_511_627_776.0;

/// A table from which an item is drawn, in proportion to its weight, with one look (Vose, IEEE TSE 17(9), 1991).
#[derive(Debug, Clone)]
pub struct AliasTable {
    weights: Vec<f64>,
    largest: f64,
    /// Sum of all weights, divided by the largest.
    total: f64,
    cells: Vec<Cell>,
}

/// A column of the table: its own item below the threshold, the alias above.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    threshold: u64,
    alias: u32,
}

impl AliasTable {
    /// Builds the table, always the same for the same weights. They must be finite, not negative and not all zero.
    pub fn new(exec: &Execution<'_>, weights: &[f64]) -> Result<Self> {
        check_width("weights", weights.len())?;
        let refuse = |problem: String| Error::Value { argument: "weights", problem };
        let mut own = Vec::new();
        steps::copy(exec, &mut own, weights)?;
        let mut largest = 0.0;
        in_steps(exec, own.len(), |some| {
            let start = some.start;
            let some = &own[some];
            if let Some(at) = some.iter().position(|weight| !(0.0..f64::INFINITY).contains(weight)) {
                let found = some[at];
                let problem = format!("{found} at index {}, expected a finite number of at least 0", start + at);
                return Err(refuse(problem));
            }
            largest = some.iter().fold(largest, |a, &b| f64::max(a, b));
            Ok(())
        })?;
        if largest == 0.0 {
            return Err(refuse(format!("none of {} is above 0, expected at least one", own.len())));
        }
        let total = sum(exec, own.iter().map(|weight| weight / largest))?;
        let cells = build(exec, &own, largest, total)?;
        Ok(AliasTable { weights: own, largest, total, cells })
    }

    /// Number of items.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Draws items, row after row, in the order of the draws, -1 where a row has no more to give. Exclusions must be checked
    /// against [`AliasTable::len`].
    pub fn sample(&self, exec: &Execution<'_>, request: &Request<'_>) -> Result<Vec<i64>> {
        let whole = if request.replace { None } else { Some(Whole::new(exec, self)?) };
        let cost = if request.replace { request.n } else { request.n.saturating_add(self.len()) };
        let scratch = || Sampler {
            table: self,
            words: Words::new(exec.isa(), request.noise.key()),
            marks: Marks::new(self.len() as u64),
            excluded: Vec::new(),
            sums: Vec::new(),
            log_weights: Vec::new(),
            picker: Picker::new(request.noise),
            ordered: Vec::new(),
        };
        request.for_each_row(exec, cost, scratch, |sampler, row, out| {
            request.read_excluded(exec, row, self.len() as u64, &mut sampler.excluded)?;
            // Sorted, so that the order in which exclusions are given changes no rounding below.
            sort::sort_by_key(exec, &mut sampler.excluded, |item| *item)?;
            sampler.excluded.dedup();
            let row_key = request.keys.row(row);
            match &whole {
                None => sampler.with_replacement(exec, row_key, out),
                Some(whole) => sampler.without_replacement(exec, whole, row_key, out),
            }
        })
    }
}

/// A sum whose error does not grow with the number of terms (Neumaier, ZAMM 54, 1974).
fn sum(exec: &Execution<'_>, mut terms: impl ExactSizeIterator<Item = f64>) -> Result<f64> {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    in_steps(exec, terms.len(), |some| {
        for term in terms.by_ref().take(some.len()) {
            let next = sum + term;
            lost += if sum >= term { (sum - next) + term } else { (term - next) + sum };
            sum = next;
        }
        Ok(())
    })?;
    Ok(sum + lost)
}

fn build(exec: &Execution<'_>, weights: &[f64], largest: f64, total: f64) -> Result<Vec<Cell>> {
    let len = weights.len();
    let mut cells: Vec<Cell> = Vec::new();
    let mut share: Vec<f64> = Vec::new();
    // Two stacks in one vector, for an item is in one of them at most: the small grow from its front, the large from its
    // back.
    let mut stacks: Vec<u32> = Vec::new();
    try_reserve(&mut cells, len)?;
    try_reserve(&mut share, len)?;
    try_reserve(&mut stacks, len)?;
    let scale = len as f64 / total;
    let mut heaviest = None;
    in_steps(exec, len, |some| {
        cells.resize(some.end, Cell::default());
        stacks.resize(some.end, 0);
        share.extend(weights[some.clone()].iter().map(|weight| weight / largest * scale));
        if heaviest.is_none() {
            heaviest = some.clone().find(|&index| weights[index] == largest);
        }
        Ok(())
    })?;
    let heaviest = heaviest.map_or(0, |index| index as u32);
    let (mut small, mut large) = (0, len);
    in_steps(exec, len, |some| {
        for index in some {
            if share[index] < 1.0 {
                stacks[small] = index as u32;
                small += 1;
            } else {
                large -= 1;
                stacks[large] = index as u32;
            }
        }
        Ok(())
    })?;
    // Every turn fills a cell.
    in_steps(exec, len, |some| {
        for _ in some {
            if small == 0 || large == len {
                break;
            }
            let (low, high) = (stacks[small - 1], stacks[large]);
            small -= 1;
            let below = share[low as usize];
            cells[low as usize] = Cell { threshold: (below * SCALE) as u64, alias: high };
            let left = &mut share[high as usize];
            *left -= 1.0 - below;
            if *left < 1.0 {
                large += 1;
                stacks[small] = high;
                small += 1;
            }
        }
        Ok(())
    })?;
    // Rounding leaves a few on one side. What an item lacks of a whole cell goes to the heaviest one, which feels it least.
    for &index in stacks[..small].iter().chain(&stacks[large..]) {
        let own = (share[index as usize] * SCALE) as u64;
        cells[index as usize] = Cell { threshold: own, alias: if own == u64::MAX { index } else { heaviest } };
    }
    Ok(cells)
}

/// What draws without replacement need: every item's key and log-weight.
struct Whole {
    keys: Vec<u64>,
    log_weights: Vec<f64>,
}

impl Whole {
    fn new(exec: &Execution<'_>, table: &AliasTable) -> Result<Self> {
        // One row at work, as in `draw`.
        check_room::<[u64; 4]>(table.len())?;
        let (mut keys, mut log_weights) = (Vec::new(), Vec::new());
        number(exec, table.len(), &mut keys)?;
        try_reserve(&mut log_weights, table.len())?;
        in_steps(exec, table.len(), |some| {
            log_weights.extend(table.weights[some].iter().map(|&weight| ln_any(weight)));
            Ok(())
        })?;
        Ok(Whole { keys, log_weights })
    }
}

struct Sampler<'a> {
    table: &'a AliasTable,
    words: Words,
    marks: Marks,
    /// Sorted, without repeats.
    excluded: Vec<i64>,
    sums: Vec<(f64, u32)>,
    log_weights: Vec<f64>,
    picker: Picker,
    ordered: Vec<Pair>,
}

impl Sampler<'_> {
    fn with_replacement(&mut self, exec: &Execution<'_>, row_key: u64, out: &mut [i64]) -> Result<()> {
        let table = self.table;
        self.words.start(row_key);
        let gone = sum(exec, self.excluded.iter().map(|&item| table.weights[item as usize] / table.largest))?;
        let share = (table.total - gone) / table.total;
        // Both ways are exact; the one that is expected to be faster is taken, so no exclusion is a cliff.
        let attempts = out.len() as f64 / share;
        if gone <= 0.75 * table.total || (share > LEAST_SHARE && attempts <= ATTEMPTS_PER_ITEM * table.len() as f64) {
            self.by_rejection(exec, out)
        } else {
            self.draw_the_rest(exec, out)
        }
    }

    fn by_rejection(&mut self, exec: &Execution<'_>, out: &mut [i64]) -> Result<()> {
        self.marks.mark_all(exec, &self.excluded)?;
        let bound = Below::new(self.table.len() as u64);
        let none = self.excluded.is_empty();
        let mut drawn = 0;
        while drawn < out.len() {
            for _ in 0..STEP {
                if drawn == out.len() {
                    break;
                }
                let [place, coin] = self.words.next_array();
                let Some(column) = bound.of(place) else { continue };
                let cell = self.table.cells[column as usize];
                let item = if coin < cell.threshold { column } else { u64::from(cell.alias) };
                out[drawn] = item as i64;
                drawn += usize::from(none || !self.marks.contains(item));
            }
            if drawn < out.len() {
                exec.check()?;
            }
        }
        self.marks.clear();
        Ok(())
    }

    /// Where nearly all of the weight is excluded: the inverse of the running sum over what is left, as a share of the
    /// largest there, for it may be of another order than the rest.
    fn draw_the_rest(&mut self, exec: &Execution<'_>, out: &mut [i64]) -> Result<()> {
        let weights = &self.table.weights;
        self.sums.clear();
        let left = weights.len() - self.excluded.len();
        try_reserve(&mut self.sums, left)?;
        let mut excluded = self.excluded.iter().copied().peekable();
        let mut largest = 0.0f64;
        in_steps(exec, weights.len(), |some| {
            for (item, &weight) in (some.start as u32..).zip(&weights[some]) {
                let gone = excluded.next_if_eq(&i64::from(item)).is_some();
                if !gone && weight > 0.0 {
                    largest = largest.max(weight);
                    self.sums.push((weight, item));
                }
            }
            Ok(())
        })?;
        let mut sum = 0.0;
        in_steps(exec, self.sums.len(), |some| {
            for (weight, _) in &mut self.sums[some] {
                sum += *weight / largest;
                *weight = sum;
            }
            Ok(())
        })?;
        if self.sums.is_empty() {
            return fill(exec, out);
        }
        in_steps(exec, out.len(), |some| {
            for out in &mut out[some] {
                let [bits, _] = self.words.next_array();
                let at = unit(bits) * sum;
                let found = self.sums.partition_point(|&(sum, _)| sum <= at).min(self.sums.len() - 1);
                *out = i64::from(self.sums[found].1);
            }
            Ok(())
        })
    }

    fn without_replacement(
        &mut self,
        exec: &Execution<'_>,
        whole: &Whole,
        row_key: u64,
        out: &mut [i64],
    ) -> Result<()> {
        let log_weights = if self.excluded.is_empty() {
            &whole.log_weights
        } else {
            if self.log_weights.is_empty() {
                steps::copy(exec, &mut self.log_weights, &whole.log_weights)?;
            }
            self.excluded.iter().for_each(|&item| self.log_weights[item as usize] = f64::NEG_INFINITY);
            &self.log_weights
        };
        self.picker.pick_in_order(exec, row_key, &whole.keys, log_weights, out.len(), &mut self.ordered)?;
        if !self.excluded.is_empty() {
            for &item in &self.excluded {
                self.log_weights[item as usize] = whole.log_weights[item as usize];
            }
        }
        let drawn = self.ordered.len();
        in_steps(exec, drawn, |some| {
            for (out, &(_, item)) in out[some.clone()].iter_mut().zip(&self.ordered[some]) {
                *out = i64::from(item);
            }
            Ok(())
        })?;
        fill(exec, &mut out[drawn..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;
    use crate::draw::rows::Keys;
    use crate::draw::{Domain, Noise};
    use crate::isa::Isa;
    use crate::steps::tests::alone;

    /// A share of the weight excluded is met by so many more attempts, never by a look at all items while those are fewer.
    #[test]
    fn a_heavy_exclusion_is_no_cliff() {
        let exec = alone(Isa::detect());
        for share in [0.5f64, 0.74, 0.76, 0.9, 0.99, 0.999] {
            let mut weights = vec![1.0; 100_000];
            weights[7] = 99_999.0 * share / (1.0 - share);
            let table = AliasTable::new(&exec, &weights).unwrap();
            let noise = Noise::new(0, 0, Domain::Alias);
            let mut sampler = Sampler {
                table: &table,
                words: Words::new(exec.isa(), noise.key()),
                marks: Marks::new(table.len() as u64),
                excluded: vec![7],
                sums: Vec::new(),
                log_weights: Vec::new(),
                picker: Picker::new(noise),
                ordered: Vec::new(),
            };
            let mut out = [7; 5];
            sampler.with_replacement(&exec, 3, &mut out).unwrap();
            assert!(!out.contains(&7));
            assert_eq!(sampler.sums.capacity(), 0, "all items were looked at for a share of {share}");
        }
    }

    /// Every item's share of the cells, as the table tells it, is its share of the weight.
    #[test]
    fn cells_add_up_to_the_weights() {
        let exec = alone(Isa::Portable);
        let steep: Vec<f64> = (0..300).map(|i| 10f64.powi(-i)).collect();
        let many: Vec<f64> = (0..40_000u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) % 1000)).collect();
        for weights in [vec![1.0; 7], vec![0.0, 1.0, 0.0], vec![1e308, 1e308, 5e-324], steep, many] {
            let table = AliasTable::new(&exec, &weights).unwrap();
            let mut found = vec![0.0; weights.len()];
            for (index, cell) in table.cells.iter().enumerate() {
                let own = cell.threshold as f64 / SCALE;
                found[index] += own;
                found[cell.alias as usize] += 1.0 - own;
            }
            let scale = weights.len() as f64 / table.total;
            for (found, weight) in found.iter().zip(&weights) {
                let expected = weight / table.largest * scale;
                assert!((found - expected).abs() <= 1e-9 * expected + 1e-19, "{found:e}, not {expected:e}");
            }
        }
    }

    #[test]
    fn wrong_exclusions_are_refused_where_they_are_read() {
        let exec = alone(Isa::Portable);
        let table = AliasTable::new(&exec, &[1.0, 2.0]).unwrap();
        let exclude = Some(Csr::new("exclude", &[0, 0, 1], &[2], 2, None).unwrap());
        let (noise, keys) = (Noise::new(0, 0, Domain::Alias), Keys { rows: None, columns: None });
        for replace in [false, true] {
            let request = Request { rows: 2, n: 1, replace, exclude, noise, keys };
            let error = table.sample(&exec, &request).unwrap_err();
            assert_eq!(error, Error::IdOutOfRange { argument: "exclude", row: 1, id: 2, limit: 2 });
        }
    }
}

//! Weighted draws of items in constant time each: the alias method.

use crate::draw::logarithm::ln_any;
use crate::draw::marks::Marks;
use crate::draw::noise::unit;
use crate::draw::picker::Picker;
use crate::draw::uniform::Request;
use crate::draw::words::{Below, Words};
use crate::error::{try_vec, Error, Result};
use crate::pool::Execution;

/// 2^64, the scale of thresholds.
const SCALE: f64 = 18_446_744_073_709_551_616.0;

/// A table from which an item is drawn, in proportion to its weight, with one look (Vose, IEEE TSE 17(9), 1991).
#[derive(Debug, Clone)]
pub struct AliasTable {
    /// Divided by the largest.
    weights: Vec<f64>,
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
    pub fn new(weights: &[f64]) -> Result<Self> {
        let refuse = |problem: String| Err(Error::Value { argument: "weights", problem });
        if let Some(at) = weights.iter().position(|weight| !(0.0..f64::INFINITY).contains(weight)) {
            return refuse(format!("{} at index {at}, expected a finite number of at least 0", weights[at]));
        }
        if u32::try_from(weights.len()).is_err() {
            return refuse(format!("{} of them, expected at most {}", weights.len(), u32::MAX));
        }
        let largest = weights.iter().fold(0.0, |a, &b| f64::max(a, b));
        if largest == 0.0 {
            return refuse(format!("none of {} is above 0, expected at least one", weights.len()));
        }
        let mut scaled: Vec<f64> = try_vec(weights.len())?;
        scaled.iter_mut().zip(weights).for_each(|(to, weight)| *to = weight / largest);
        let total = accurate_sum(scaled.iter().copied());
        let cells = build(&scaled, total)?;
        Ok(AliasTable { weights: scaled, total, cells })
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
        let (isa, noise) = (exec.isa(), request.noise);
        let whole = if request.replace { None } else { Some(Whole::new(self)?) };
        let cost = if request.replace { request.n } else { request.n + self.len() };
        let scratch = || Sampler {
            table: self,
            words: Words::new(isa, noise.key()),
            marks: Marks::new(self.len() as u64),
            excluded: Vec::new(),
            sums: Vec::new(),
            whole: whole.clone(),
            picker: Picker::new(isa, noise),
            ordered: Vec::new(),
        };
        request.for_each_row(exec, cost, scratch, |sampler, row, out| {
            sampler.exclude(request.excluded(row));
            sampler.row(request.keys.row(row), out);
        })
    }
}

/// A sum whose error does not grow with the number of terms (Neumaier, ZAMM 54, 1974).
fn accurate_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for term in terms {
        let next = sum + term;
        lost += if sum >= term { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}

fn build(weights: &[f64], total: f64) -> Result<Vec<Cell>> {
    let mut cells: Vec<Cell> = try_vec(weights.len())?;
    let mut share: Vec<f64> = try_vec(weights.len())?;
    let scale = weights.len() as f64 / total;
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for (index, (share, &weight)) in (0u32..).zip(share.iter_mut().zip(weights)) {
        *share = weight * scale;
        if *share < 1.0 {
            small.push(index);
        } else {
            large.push(index);
        }
    }
    // Rounding may leave a few at the end. The heaviest item takes what an item of weight zero would get of them.
    let heaviest = (0u32..).zip(weights).find(|(_, weight)| **weight == 1.0).map_or(0, |(index, _)| index);
    while let (Some(&low), Some(&high)) = (small.last(), large.last()) {
        small.pop();
        cells[low as usize] = Cell { threshold: (share[low as usize] * SCALE) as u64, alias: high };
        share[high as usize] -= 1.0 - share[low as usize];
        if share[high as usize] < 1.0 {
            large.pop();
            small.push(high);
        }
    }
    for index in small.into_iter().chain(large) {
        let own = weights[index as usize] > 0.0;
        cells[index as usize] = Cell { threshold: 0, alias: if own { index } else { heaviest } };
    }
    Ok(cells)
}

/// What draws without replacement need: every item's log-weight.
#[derive(Debug, Clone)]
struct Whole {
    keys: Vec<u64>,
    log_weights: Vec<f64>,
}

impl Whole {
    fn new(table: &AliasTable) -> Result<Self> {
        let mut log_weights: Vec<f64> = try_vec(table.len())?;
        log_weights.iter_mut().zip(&table.weights).for_each(|(to, &weight)| *to = ln_any(weight));
        Ok(Whole { keys: (0..table.len() as u64).collect(), log_weights })
    }
}

struct Sampler<'a> {
    table: &'a AliasTable,
    words: Words,
    marks: Marks,
    excluded: Vec<i64>,
    sums: Vec<(f64, u32)>,
    whole: Option<Whole>,
    picker: Picker,
    ordered: Vec<(f64, u32)>,
}

impl Sampler<'_> {
    /// Sorted, so that the order in which exclusions are given changes no rounding below.
    fn exclude(&mut self, excluded: &[i64]) {
        self.excluded.clear();
        self.excluded.extend_from_slice(excluded);
        self.excluded.sort_unstable();
        self.excluded.dedup();
    }

    fn row(&mut self, row_key: u64, out: &mut [i64]) {
        self.words.start(row_key);
        if self.whole.is_some() {
            return self.without_replacement(row_key, out);
        }
        let gone = accurate_sum(self.excluded.iter().map(|&item| self.table.weights[item as usize]));
        if gone <= 0.75 * self.table.total {
            self.by_rejection(out);
        } else {
            self.draw_the_rest(out);
        }
    }

    fn by_rejection(&mut self, out: &mut [i64]) {
        for &item in &self.excluded {
            self.marks.mark(item as u64);
        }
        let bound = Below::new(self.table.len() as u64);
        let none = self.excluded.is_empty();
        let mut drawn = 0;
        while drawn < out.len() {
            let [place, coin] = self.words.next_array();
            let Some(column) = bound.of(place) else { continue };
            let cell = self.table.cells[column as usize];
            let item = if coin < cell.threshold { column } else { u64::from(cell.alias) };
            out[drawn] = item as i64;
            drawn += usize::from(none || !self.marks.contains(item));
        }
        self.marks.clear(self.excluded.iter().copied());
    }

    /// Where nearly all of the weight is excluded: the inverse of the running sum over what is left.
    fn draw_the_rest(&mut self, out: &mut [i64]) {
        let mut excluded = self.excluded.iter().copied().peekable();
        let mut sum = 0.0;
        self.sums.clear();
        for (item, &weight) in (0u32..).zip(&self.table.weights) {
            let gone = excluded.next_if_eq(&i64::from(item)).is_some();
            if !gone && weight > 0.0 {
                sum += weight;
                self.sums.push((sum, item));
            }
        }
        for out in out {
            let [bits, _] = self.words.next_array();
            let at = unit(bits) * sum;
            let found = self.sums.partition_point(|&(sum, _)| sum <= at).min(self.sums.len().saturating_sub(1));
            *out = self.sums.get(found).map_or(-1, |&(_, item)| i64::from(item));
        }
    }

    fn without_replacement(&mut self, row_key: u64, out: &mut [i64]) {
        let Some(whole) = &mut self.whole else { return };
        for &item in &self.excluded {
            whole.log_weights[item as usize] = f64::NEG_INFINITY;
        }
        self.picker.pick_in_order(row_key, &whole.keys, &whole.log_weights, out.len(), &mut self.ordered);
        out.fill(-1);
        for (out, &(_, item)) in out.iter_mut().zip(&self.ordered) {
            *out = i64::from(item);
        }
        for &item in &self.excluded {
            whole.log_weights[item as usize] = ln_any(self.table.weights[item as usize]);
        }
    }
}

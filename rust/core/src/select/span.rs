//! Stretches of a candidate list, with the excluded documents left out of every count.

use crate::select::hits::{self, Hit};

/// Candidates of a list, in ranking order.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// List positions low..high, excluded documents left out.
    Stretch(usize, usize),
    /// Entries low..high of a list of positions that are not excluded.
    Listed(usize, usize),
}

/// Number of candidates in a stretch of the list, excluded ones left out.
pub fn free(hits: &[Hit], low: usize, high: usize) -> usize {
    high - low - (hits::before(hits, high) - hits::before(hits, low))
}

impl Span {
    /// Number of candidates.
    pub fn len(self, hits: &[Hit]) -> usize {
        match self {
            Span::Stretch(low, high) => free(hits, low, high),
            Span::Listed(low, high) => high - low,
        }
    }

    /// Candidates `min..max` of the span.
    pub fn cut(self, hits: &[Hit], min: usize, max: Option<usize>) -> Span {
        match self {
            Span::Stretch(low, high) => {
                let end = max.map_or(high, |max| hits::nth(hits, low, max, high));
                Span::Stretch(if min == 0 { low } else { hits::nth(hits, low, min, end) }, end)
            }
            Span::Listed(low, high) => {
                let end = max.map_or(high, |max| low.saturating_add(max).min(high));
                Span::Listed(low.saturating_add(min).min(end), end)
            }
        }
    }
}

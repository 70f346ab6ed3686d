//! What a kernel is told of a query, and what it tells.

use crate::search::block::BLOCK;

/// Most queries of a group.
pub const GROUP: usize = 6;

/// What the kernel knows of a query besides its codes: all bounds divided by the query's scale and moved by its product
/// with the centre of the documents, so that they compare with `sum * scale(d) +- (a * residual(d) + b * length(d))`.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What the sums start at: it takes back the 128 that was added to every code of the documents.
    pub start: i32,
    /// Factor of the document's residual.
    pub residual: f32,
    /// Factor of the document's length.
    pub length: f32,
    /// What ends below this is not among the best. Not below `below`.
    pub theta: f32,
    /// What begins above this is above the ceiling.
    pub above: f32,
    /// What does not surely end by here may be above the ceiling.
    pub within: f32,
    /// What ends below this is below the floor.
    pub below: f32,
    /// What does not surely begin here may be below the floor.
    pub from: f32,
}

impl Line {
    /// What ends below this is not listed, above or below: one comparison says so of nearly every document. NaN, which
    /// nothing ends below, where there is a floor: then every document below it is counted.
    #[inline]
    #[must_use]
    pub fn bar(&self) -> f32 {
        if self.below == f32::NEG_INFINITY {
            self.theta.min(self.within)
        } else {
            f32::NAN
        }
    }
}

/// What a call found, one entry per query of the group; bit j stands for document j of the block.
#[derive(Debug, Clone)]
pub struct Found {
    /// Documents that need a closer look.
    pub listed: [u64; GROUP],
    /// Documents surely above the ceiling; none without limits.
    pub above: [u64; GROUP],
    /// Documents surely below the floor and not above the ceiling; none without limits.
    pub below: [u64; GROUP],
    /// Inner products of the codes, for the queries that have anything listed.
    pub sums: [[i32; BLOCK]; GROUP],
}

impl Default for Found {
    fn default() -> Self {
        Found { listed: [0; GROUP], above: [0; GROUP], below: [0; GROUP], sums: [[0; BLOCK]; GROUP] }
    }
}

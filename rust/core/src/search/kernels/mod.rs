//! The kernel of the scan over codes: inner products of a few queries with 64 documents, compared with the queries'
//! thresholds while they are in registers. What leaves it is one bit per pair, and the sums of the few pairs that need a
//! closer look.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::isa::Isa;

use super::codes::{BlockView, BLOCK, STEP};

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

/// Which queries a level likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Queries per group.
    pub group: usize,
    /// Codes of a query lie in `-levels..=levels`.
    pub levels: i32,
}

/// The shape of a level.
#[must_use]
pub fn shape(isa: Isa) -> Shape {
    match isa {
        Isa::Portable => Shape { group: 4, levels: 127 },
        // Two products of an unsigned byte up to 255 and a code up to 63 add up to at most 32,130: they fit 16 bits, in which
        // the instruction would saturate.
        level if !level.has_byte_products() => Shape { group: 4, levels: 63 },
        _ => Shape { group: GROUP, levels: 127 },
    }
}

/// Compares the documents of a block with up to a group of queries, whose codes lie step after step, in each step query
/// after query. Without `LIMITED` there is neither ceiling nor floor.
///
/// # Panics
/// If the codes do not fit the block, or there are more queries than the level's group holds.
#[inline]
pub fn compare<const LIMITED: bool>(isa: Isa, block: &BlockView<'_>, codes: &[i32], lines: &[Line], found: &mut Found) {
    assert!(!lines.is_empty() && lines.len() <= shape(isa).group);
    assert!(codes.len() * STEP * BLOCK == block.codes.len() * lines.len());
    by_isa!(
        isa,
        avx512vnni: avx512::compare::<LIMITED>(block, codes, lines, found),
        avx512: avx2::compare::<LIMITED>(block, codes, lines, found),
        avx2: avx2::compare::<LIMITED>(block, codes, lines, found),
        portable: portable::compare::<LIMITED>(block, codes, lines, found),
    );
}

/// What the kernel says of one query whose sums were kept: listed, above, below.
#[inline]
#[must_use]
pub fn review<const LIMITED: bool>(isa: Isa, block: &BlockView<'_>, sums: &[i32; BLOCK], line: &Line) -> [u64; 3] {
    by_isa!(
        isa,
        avx512vnni: avx512::review::<LIMITED>(block, sums, line),
        avx512: avx2::review::<LIMITED>(block, sums, line),
        avx2: avx2::review::<LIMITED>(block, sums, line),
        portable: portable::review::<LIMITED>(block, sums, line),
    )
}

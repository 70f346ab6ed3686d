//! The kernel of the scan over codes: inner products of a few queries with 64 documents, compared with the queries'
//! thresholds while they are in registers. What leaves it is one bit per pair, and the sums of the few pairs that need a
//! closer look.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod told;

pub use told::{Found, Line, GROUP};

use crate::isa::Isa;

use super::block::{BlockView, BLOCK, STEP};

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
        avxvnni: avx2::compare_dots::<LIMITED>(block, codes, lines, found),
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
        avxvnni: avx2::review::<LIMITED>(block, sums, line),
        avx2: avx2::review::<LIMITED>(block, sums, line),
        portable: portable::review::<LIMITED>(block, sums, line),
    )
}

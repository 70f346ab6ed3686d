//! A score and its document as one integer whose ascending order is the ranking order.

use crate::sort::Word;

/// Inverted key of the score above, document below: the smaller entry ranks first, and ties go to the lower document.
pub trait Packed: Word + Send + Sync + 'static {
    /// Bits below the key.
    const ID_BITS: u32;
    /// Ranks after every document: no threshold yet.
    const LAST: Self;

    /// Entry of a document that this type has room for.
    fn pack(rank: u64, id: i64) -> Self;
    /// Its document.
    fn id(self) -> i64;
    /// The rank it was packed with.
    fn rank(self) -> u64;
}

/// The entry that has room for every score type and every document.
pub(super) type Entry = u128;

macro_rules! packed {
    ($entry:ty, $half:ty, $bits:expr) => {
        impl Packed for $entry {
            const ID_BITS: u32 = $bits;
            const LAST: Self = <$entry>::MAX;

            #[inline(always)]
            fn pack(rank: u64, id: i64) -> Self {
                (<$entry>::from(!rank as $half) << $bits) | <$entry>::from(id as $half)
            }
            #[inline(always)]
            fn id(self) -> i64 {
                i64::from_ne_bytes(u64::from(self as $half).to_ne_bytes())
            }
            #[inline(always)]
            fn rank(self) -> u64 {
                u64::from(!((self >> $bits) as $half))
            }
        }
    };
}

packed!(u64, u32, 32);
packed!(u128, u64, 64);

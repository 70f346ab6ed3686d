//! Result columns that many tasks write at once: each task owns a stretch, and the stretches close up afterwards.
//!
//! The memory is not cleared first: clearing would cost as much as the whole selection.

use std::mem::MaybeUninit;

use crate::error::{Error, Result};

/// A column under construction.
pub struct Column<T> {
    storage: Vec<T>,
    capacity: usize,
}

/// What is left of a column to hand out.
pub struct Cutter<'a, T> {
    rest: &'a mut [MaybeUninit<T>],
}

impl<'a, T> Cutter<'a, T> {
    /// The next stretch of the given size; the sizes must not exceed the column's capacity together.
    pub fn cut(&mut self, size: usize) -> Stretch<'a, T> {
        let (space, rest) = std::mem::take(&mut self.rest).split_at_mut(size);
        self.rest = rest;
        Stretch { space, used: 0 }
    }
}

/// The stretch of a column that one task fills from the front.
pub struct Stretch<'a, T> {
    space: &'a mut [MaybeUninit<T>],
    used: usize,
}

/// How far a stretch was filled. Only [`Stretch::finish`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    size: usize,
    used: usize,
}

impl<T: Copy> Column<T> {
    /// A column with room for `capacity` values.
    pub fn new(capacity: usize) -> Result<Self> {
        let mut storage = Vec::new();
        let bytes = capacity.saturating_mul(size_of::<T>());
        storage.try_reserve_exact(capacity).map_err(|_| Error::OutOfMemory { bytes })?;
        Ok(Column { storage, capacity })
    }

    /// Hands out the stretches of the column, one after another.
    pub fn cutter(&mut self) -> Cutter<'_, T> {
        Cutter { rest: &mut self.storage.spare_capacity_mut()[..self.capacity] }
    }

    /// The column, with the unused ends of the stretches closed up.
    ///
    /// # Safety
    /// `filled` must be, in order, what [`Stretch::finish`] returned for every stretch cut by the one cutter of this column,
    /// or for stretches of other columns of the same sizes that were filled as far.
    pub unsafe fn close(mut self, filled: impl Iterator<Item = Filled>) -> Vec<T> {
        let (mut read, mut write) = (0, 0);
        let base = self.storage.as_mut_ptr();
        for Filled { size, used } in filled {
            debug_assert!(used <= size && read + size <= self.capacity);
            if read != write {
                // SAFETY: both ends lie inside the capacity, `write` never overtakes `read`, and the `used` values at
                // `read` were written by the stretch.
                unsafe { std::ptr::copy(base.add(read), base.add(write), used) };
            }
            read += size;
            write += used;
        }
        // SAFETY: the first `write` values have been written by the stretches, or moved there above.
        unsafe { self.storage.set_len(write) };
        self.storage
    }
}

impl<T: Copy> Stretch<'_, T> {
    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: T) {
        self.space[self.used].write(value);
        self.used += 1;
    }

    /// Appends all values, of which there must be exactly `count`.
    #[inline]
    pub fn extend(&mut self, count: usize, values: impl Iterator<Item = T>) {
        let mut written = 0;
        for (slot, value) in self.space[self.used..self.used + count].iter_mut().zip(values) {
            slot.write(value);
            written += 1;
        }
        assert_eq!(written, count, "a stretch was promised more values");
        self.used += count;
    }

    /// Forgets all but the first `len` values.
    pub fn truncate(&mut self, len: usize) {
        self.used = self.used.min(len);
    }

    /// Number of values so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Ends the writing.
    pub fn finish(self) -> Filled {
        Filled { size: self.space.len(), used: self.used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_close_up() {
        let mut column = Column::<i64>::new(10).unwrap();
        let mut filled = Vec::new();
        let mut cutter = column.cutter();
        for (index, size) in [3, 0, 4, 3].into_iter().enumerate() {
            let mut stretch = cutter.cut(size);
            for value in 0..[2, 0, 4, 1][index] {
                stretch.push(value + 10 * index as i64);
            }
            filled.push(stretch.finish());
        }
        // SAFETY: every stretch, in order.
        let values = unsafe { column.close(filled.into_iter()) };
        assert_eq!(values, [0, 1, 20, 21, 22, 23, 30]);
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        assert_eq!(Column::<i64>::new(1 << 60).err(), Some(Error::OutOfMemory { bytes: 1 << 63 }));
    }
}

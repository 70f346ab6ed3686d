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

/// The stretch of a column that one task fills from the front.
pub type Stretch<'a, T> = &'a mut [MaybeUninit<T>];

/// What is left of a column to hand out.
pub struct Cutter<'a, T> {
    rest: Stretch<'a, T>,
}

impl<'a, T> Cutter<'a, T> {
    /// The next stretch of the given size; the sizes must not exceed the column's capacity together.
    pub fn cut(&mut self, size: usize) -> Stretch<'a, T> {
        let (stretch, rest) = std::mem::take(&mut self.rest).split_at_mut(size);
        self.rest = rest;
        stretch
    }
}

/// How far a stretch was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Values it has room for.
    pub size: usize,
    /// Values written from the front.
    pub used: usize,
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
    /// `filled` must give, in order, the size of every stretch cut by the one cutter of this column, and how many values
    /// at its front have been written.
    pub unsafe fn close(mut self, filled: impl Iterator<Item = Filled>) -> Vec<T> {
        let (mut read, mut write) = (0, 0);
        let base = self.storage.as_mut_ptr();
        for Filled { size, used } in filled {
            debug_assert!(used <= size && read + size <= self.capacity);
            if read != write {
                // SAFETY: both ends lie inside the capacity, `write` never overtakes `read`, and the `used` values at
                // `read` have been written.
                unsafe { std::ptr::copy(base.add(read), base.add(write), used) };
            }
            read += size;
            write += used;
        }
        // SAFETY: the first `write` values have been written in place, or moved there above.
        unsafe { self.storage.set_len(write) };
        self.storage
    }
}

/// Copies `values` to the front of `stretch[at..]`.
#[inline]
pub fn copy<T: Copy>(stretch: &mut [MaybeUninit<T>], at: usize, values: &[T]) {
    for (slot, &value) in stretch[at..at + values.len()].iter_mut().zip(values) {
        slot.write(value);
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
            let used = [2, 0, 4, 1][index];
            let values: Vec<i64> = (0..used).map(|value| value + 10 * index as i64).collect();
            copy(cutter.cut(size), 0, &values);
            filled.push(Filled { size, used: values.len() });
        }
        // SAFETY: every stretch, in order, as written above.
        let values = unsafe { column.close(filled.into_iter()) };
        assert_eq!(values, [0, 1, 20, 21, 22, 23, 30]);
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        assert_eq!(Column::<i64>::new(1 << 60).err(), Some(Error::OutOfMemory { bytes: 1 << 63 }));
    }
}

//! A borrowed matrix with any strides: the kernels' view of a NumPy array, its transpose, its slice or its memory map.

use std::marker::PhantomData;

/// Rows x columns of `T`, strides in bytes (negative and zero included), never required to be contiguous.
///
/// Another thread may write to the memory during a call (it belongs to the interpreter's side). Kernels therefore copy
/// what they compare and never index with a value they read twice; the result is then any result, never a crash.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    data: *const u8,
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
    lifetime: PhantomData<&'a T>,
}

// SAFETY: a matrix only reads plain numbers; whoever builds one vouches for the memory for all of `'a`.
unsafe impl<T: Sync> Send for Matrix<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Matrix<'_, T> {}

impl<'a, T: Copy + Default> Matrix<'a, T> {
    /// Builds a view from raw parts.
    ///
    /// # Safety
    /// For all `row < rows` and `column < columns`, `data + row * row_stride + column * column_stride` must be readable
    /// for `size_of::<T>()` bytes for all of `'a`; any bit pattern must be a valid `T`. No alignment is required.
    #[must_use]
    pub unsafe fn from_raw(
        data: *const u8,
        rows: usize,
        columns: usize,
        row_stride: isize,
        column_stride: isize,
    ) -> Self {
        Matrix { data, rows, columns, row_stride, column_stride, lifetime: PhantomData }
    }

    /// View of `rows` contiguous rows.
    #[must_use]
    pub fn from_slice(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "a matrix needs rows x columns values");
        let item = size_of::<T>() as isize;
        // SAFETY: the slice holds rows x columns values back to back.
        unsafe { Self::from_raw(data.as_ptr().cast(), rows, columns, item * columns as isize, item) }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether each row lies in memory as one aligned run of `T`.
    #[must_use]
    pub fn has_contiguous_rows(&self) -> bool {
        let item = size_of::<T>() as isize;
        (self.column_stride == item || self.columns <= 1)
            && self.data.align_offset(align_of::<T>()) == 0
            && (self.row_stride % align_of::<T>() as isize == 0 || self.rows <= 1)
    }

    /// Columns `columns` of row `row`: borrowed where they lie in one aligned run, gathered into `scratch` otherwise.
    #[inline]
    pub fn row_part<'s>(&self, row: usize, columns: std::ops::Range<usize>, scratch: &'s mut Vec<T>) -> &'s [T]
    where
        'a: 's,
    {
        assert!(row < self.rows && columns.start <= columns.end && columns.end <= self.columns);
        if columns.is_empty() {
            return &[];
        }
        let first =
            self.data.wrapping_offset(row as isize * self.row_stride + columns.start as isize * self.column_stride);
        if self.has_contiguous_rows() {
            // SAFETY: in bounds by the assert, aligned and back to back by `has_contiguous_rows`.
            return unsafe { std::slice::from_raw_parts(first.cast(), columns.len()) };
        }
        scratch.clear();
        scratch.extend((0..columns.len()).map(|column| {
            // SAFETY: in bounds by the assert; `read_unaligned` asks for no alignment.
            unsafe { first.wrapping_offset(column as isize * self.column_stride).cast::<T>().read_unaligned() }
        }));
        scratch
    }

    /// Asks the processor to load the first kilobytes of row `row`, where it is one run of memory.
    #[inline]
    pub fn prefetch(&self, row: usize) {
        #[cfg(target_arch = "x86_64")]
        if self.has_contiguous_rows() {
            let first = self.data.wrapping_offset(row as isize * self.row_stride);
            for offset in (0..(self.columns * size_of::<T>()).min(4096)).step_by(64) {
                use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T1};
                // SAFETY: a prefetch of any address, mapped or not, has no effect but on the caches; SSE is part of x86-64.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(first.wrapping_add(offset).cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }

    /// Row `row`, whole; see [`Matrix::row_part`].
    #[inline]
    pub fn row<'s>(&self, row: usize, scratch: &'s mut Vec<T>) -> &'s [T]
    where
        'a: 's,
    {
        self.row_part(row, 0..self.columns, scratch)
    }

    /// Copies columns `columns` of `rows` into `out`: row i of them starts at `out[i * pitch]`. Memory is read in the
    /// order in which it lies: along the rows, or across them where columns are closer than rows.
    pub fn gather(&self, rows: &[usize], columns: std::ops::Range<usize>, out: &mut [T], pitch: usize) {
        assert!(rows.iter().all(|row| *row < self.rows) && columns.end <= self.columns && columns.len() <= pitch);
        assert!(out.len() >= rows.len() * pitch);
        let at = |row: usize, column: usize| {
            let offset = row as isize * self.row_stride + column as isize * self.column_stride;
            // SAFETY: callers below pass rows and columns checked by the assert; no alignment asked for.
            unsafe { self.data.wrapping_offset(offset).cast::<T>().read_unaligned() }
        };
        // Across the rows, some columns at a time: their cache lines then stay close until every row has had its share.
        let across = self.row_stride.unsigned_abs() < self.column_stride.unsigned_abs();
        let step = if across { 16 } else { columns.len().max(1) };
        for start in columns.clone().step_by(step) {
            let part = start..columns.end.min(start + step);
            for (out, row) in out.chunks_mut(pitch).zip(rows) {
                let out = &mut out[start - columns.start..][..part.len()];
                for (out, column) in out.iter_mut().zip(part.clone()) {
                    *out = at(*row, column);
                }
            }
        }
    }

    /// The value at (row, column).
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> T {
        assert!(row < self.rows && column < self.columns);
        let at = self.data.wrapping_offset(row as isize * self.row_stride + column as isize * self.column_stride);
        // SAFETY: in bounds by the assert; no alignment asked for.
        unsafe { at.cast::<T>().read_unaligned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_of_every_sign_and_misaligned_fields() {
        let data: Vec<f32> = (0..12u8).map(f32::from).collect();
        let plain = Matrix::from_slice(&data, 3, 4);
        let base = data.as_ptr().cast::<u8>();
        // SAFETY: all three views stay inside `data`.
        let (transposed, reversed, repeated) = unsafe {
            (
                Matrix::<f32>::from_raw(base, 4, 3, 4, 16),
                Matrix::<f32>::from_raw(base.add(44), 3, 4, -16, -4),
                Matrix::<f32>::from_raw(base, 5, 4, 0, 4),
            )
        };
        let mut scratch = Vec::new();
        assert_eq!(plain.row(1, &mut scratch), &[4.0, 5.0, 6.0, 7.0]);
        assert_eq!(transposed.row(1, &mut scratch), &[1.0, 5.0, 9.0]);
        assert_eq!(reversed.row(0, &mut scratch), &[11.0, 10.0, 9.0, 8.0]);
        assert_eq!(repeated.row(4, &mut scratch), &[0.0, 1.0, 2.0, 3.0]);
        assert_eq!(transposed.get(3, 2), 11.0);
        for view in [transposed, reversed, repeated] {
            let rows: Vec<usize> = (0..view.rows()).rev().collect();
            let mut tile = vec![0.0; rows.len() * 4];
            view.gather(&rows, 1..view.columns(), &mut tile, 4);
            for (tile, row) in tile.chunks(4).zip(rows) {
                assert_eq!(&tile[..view.columns() - 1], &view.row(row, &mut scratch)[1..]);
            }
        }

        let mut packed = [0u8; 3 * 5];
        for (i, value) in [1.5f32, 2.5, 3.5].iter().enumerate() {
            packed[i * 5 + 1..i * 5 + 5].copy_from_slice(&value.to_ne_bytes());
        }
        // SAFETY: three fields of 4 bytes, 5 bytes apart, from byte 1.
        let field = unsafe { Matrix::<f32>::from_raw(packed.as_ptr().add(1), 1, 3, 15, 5) };
        assert_eq!(field.row(0, &mut scratch), &[1.5, 2.5, 3.5]);
    }
}

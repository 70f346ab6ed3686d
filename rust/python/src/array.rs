//! Zero-copy views of NumPy arrays, any strides, for the score types that NumPy itself cannot name too.

use half::{bf16, f16};
use hardmine_core::Matrix;
use numpy::ndarray::Dimension;
use numpy::{
    Element, PyArray, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray, PyReadwriteArray, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A matrix of one of the accepted score types.
#[derive(Clone, Copy)]
pub enum AnyMatrix<'a> {
    /// IEEE half precision.
    F16(Matrix<'a, f16>),
    /// bfloat16, handed over by the Python layer as its 16-bit pattern.
    Bf16(Matrix<'a, bf16>),
    /// Single precision.
    F32(Matrix<'a, f32>),
    /// Double precision.
    F64(Matrix<'a, f64>),
}

impl<'a> AnyMatrix<'a> {
    /// View of a 2-d array whose items are of the type that `kind` names: "f16", "bf16", "f32" or "f64".
    pub fn new(argument: &str, array: &'a Bound<'_, PyUntypedArray>, kind: &str) -> PyResult<Self> {
        match kind {
            "f16" => Ok(AnyMatrix::F16(view(argument, array)?)),
            "bf16" => Ok(AnyMatrix::Bf16(view(argument, array)?)),
            "f32" => Ok(AnyMatrix::F32(view(argument, array)?)),
            "f64" => Ok(AnyMatrix::F64(view(argument, array)?)),
            _ => Err(PyTypeError::new_err(format!("{argument}: unknown item kind {kind}"))),
        }
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        match self {
            AnyMatrix::F16(m) => m.rows(),
            AnyMatrix::Bf16(m) => m.rows(),
            AnyMatrix::F32(m) => m.rows(),
            AnyMatrix::F64(m) => m.rows(),
        }
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        match self {
            AnyMatrix::F16(m) => m.columns(),
            AnyMatrix::Bf16(m) => m.columns(),
            AnyMatrix::F32(m) => m.columns(),
            AnyMatrix::F64(m) => m.columns(),
        }
    }
}

/// Calls `$body` with `$matrix` bound to the typed matrix inside `$any`.
#[macro_export]
macro_rules! with_matrix {
    ($any:expr, $matrix:ident => $body:expr) => {
        match $any {
            $crate::array::AnyMatrix::F16($matrix) => $body,
            $crate::array::AnyMatrix::Bf16($matrix) => $body,
            $crate::array::AnyMatrix::F32($matrix) => $body,
            $crate::array::AnyMatrix::F64($matrix) => $body,
        }
    };
}

fn view<'a, T: Copy + Default>(argument: &str, array: &'a Bound<'_, PyUntypedArray>) -> PyResult<Matrix<'a, T>> {
    let (&[rows, columns], &[row_stride, column_stride]) = (array.shape(), array.strides()) else {
        return Err(PyValueError::new_err(format!("{argument}: {} dimensions, expected 2", array.ndim())));
    };
    if array.dtype().itemsize() != size_of::<T>() {
        let found = array.dtype().itemsize();
        return Err(PyTypeError::new_err(format!("{argument}: items of {found} bytes, expected {}", size_of::<T>())));
    }
    // SAFETY: NumPy guarantees that every index of the shape, through the strides, lies in the array's memory, which the
    // array (borrowed for 'a) keeps alive; every bit pattern is a valid float.
    Ok(unsafe {
        let data = (*array.as_array_ptr()).fields.data.cast::<u8>();
        Matrix::from_raw(data, rows, columns, row_stride, column_stride)
    })
}

/// The values of a contiguous array, one row after another.
pub fn slice<'a, T: Element, D: Dimension>(argument: &str, array: &'a PyReadonlyArray<'_, T, D>) -> PyResult<&'a [T]> {
    if array.len() == 0 {
        return Ok(&[]);
    }
    check_aligned(argument, array)?;
    array.as_slice().map_err(|_| PyValueError::new_err(format!("{argument}: expected a contiguous array")))
}

/// As [`slice`], to be written.
pub fn slice_mut<'a, T: Element, D: Dimension>(
    argument: &str,
    array: &'a mut PyReadwriteArray<'_, T, D>,
) -> PyResult<&'a mut [T]> {
    if array.len() == 0 {
        return Ok(&mut []);
    }
    check_aligned(argument, array)?;
    array.as_slice_mut().map_err(|_| PyValueError::new_err(format!("{argument}: expected a contiguous array")))
}

/// Refuses an array whose items lie at addresses that a slice may not have, such as the field of a packed record or a view
/// into bytes: NumPy calls it contiguous all the same.
fn check_aligned<T: Element, D: Dimension>(argument: &str, array: &Bound<'_, PyArray<T, D>>) -> PyResult<()> {
    if array.data().is_aligned() {
        return Ok(());
    }
    let wanted = align_of::<T>();
    Err(PyValueError::new_err(format!(
        "{argument}: items at addresses that are no multiple of {wanted}, expected an aligned array (a copy is one)"
    )))
}

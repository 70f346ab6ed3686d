//! Rows of ragged columns and of string tables, for batches; which of them are equal.

use hardmine_core::error::try_reserve_exact;
use hardmine_core::pool::Execution;
use hardmine_core::shingles::Texts;
use hardmine_core::take::{self, Rows};
use hardmine_core::{distinct, text_codes as texts, Csr, Error, Result};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::array::slice;
use crate::door;

type Ints<'py> = PyReadonlyArray1<'py, i64>;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(first_repeat, module)?)?;
    module.add_function(wrap_pyfunction!(take_rows, module)?)?;
    module.add_function(wrap_pyfunction!(take_strings, module)?)?;
    module.add_function(wrap_pyfunction!(text_codes, module)?)?;
    Ok(())
}

/// A column of any type that ragged lists have.
#[derive(FromPyObject)]
enum Column<'py> {
    I64(Ints<'py>),
    F32(PyReadonlyArray1<'py, f32>),
    I32(PyReadonlyArray1<'py, i32>),
    F64(PyReadonlyArray1<'py, f64>),
    I16(PyReadonlyArray1<'py, i16>),
    U8(PyReadonlyArray1<'py, u8>),
}

/// The items of a column, borrowed.
enum Items<'a> {
    I64(&'a [i64]),
    F32(&'a [f32]),
    I32(&'a [i32]),
    F64(&'a [f64]),
    I16(&'a [i16]),
    U8(&'a [u8]),
}

/// The items that were taken.
enum Taken {
    I64(Vec<i64>),
    F32(Vec<f32>),
    I32(Vec<i32>),
    F64(Vec<f64>),
    I16(Vec<i16>),
    U8(Vec<u8>),
}

impl Column<'_> {
    fn items(&self) -> PyResult<Items<'_>> {
        Ok(match self {
            Column::I64(array) => Items::I64(slice("columns", array)?),
            Column::F32(array) => Items::F32(slice("columns", array)?),
            Column::I32(array) => Items::I32(slice("columns", array)?),
            Column::F64(array) => Items::F64(slice("columns", array)?),
            Column::I16(array) => Items::I16(slice("columns", array)?),
            Column::U8(array) => Items::U8(slice("columns", array)?),
        })
    }
}

impl Items<'_> {
    fn len(&self) -> usize {
        match self {
            Items::I64(items) => items.len(),
            Items::F32(items) => items.len(),
            Items::I32(items) => items.len(),
            Items::F64(items) => items.len(),
            Items::I16(items) => items.len(),
            Items::U8(items) => items.len(),
        }
    }

    fn take(&self, exec: &Execution<'_>, rows: &Rows) -> Result<Taken> {
        Ok(match self {
            Items::I64(items) => Taken::I64(rows.gather(exec, items)?),
            Items::F32(items) => Taken::F32(rows.gather(exec, items)?),
            Items::I32(items) => Taken::I32(rows.gather(exec, items)?),
            Items::F64(items) => Taken::F64(rows.gather(exec, items)?),
            Items::I16(items) => Taken::I16(rows.gather(exec, items)?),
            Items::U8(items) => Taken::U8(rows.gather(exec, items)?),
        })
    }
}

impl Taken {
    fn into_array(self, py: Python<'_>) -> Bound<'_, PyAny> {
        match self {
            Taken::I64(items) => items.into_pyarray(py).into_any(),
            Taken::F32(items) => items.into_pyarray(py).into_any(),
            Taken::I32(items) => items.into_pyarray(py).into_any(),
            Taken::F64(items) => items.into_pyarray(py).into_any(),
            Taken::I16(items) => items.into_pyarray(py).into_any(),
            Taken::U8(items) => items.into_pyarray(py).into_any(),
        }
    }
}

/// Offsets of the rows taken, and their items in each column.
type TakenArrays<'py> = (Bound<'py, PyArray1<i64>>, Vec<Bound<'py, PyAny>>);

/// Rows of ragged columns of equal length.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn take_rows<'py>(
    py: Python<'py>,
    offsets: Ints<'py>,
    columns: Vec<Column<'py>>,
    rows: Ints<'py>,
    num_threads: usize,
) -> PyResult<TakenArrays<'py>> {
    let (offsets, rows) = (slice("offsets", &offsets)?, slice("rows", &rows)?);
    let items = columns.iter().map(Column::items).collect::<PyResult<Vec<_>>>()?;
    let (offsets, taken) = door::run(py, num_threads, |exec| {
        let len = items.first().map_or(0, Items::len);
        if let Some(other) = items.iter().find(|other| other.len() != len) {
            return Err(Error::Length { argument: "columns", found: other.len(), wanted: len });
        }
        let rows = Rows::new("offsets", offsets, len, rows)?;
        let taken = items.iter().map(|column| column.take(exec, &rows)).collect::<Result<Vec<_>>>()?;
        Ok((rows.into_offsets(), taken))
    })?;
    Ok((offsets.into_pyarray(py), taken.into_iter().map(|column| column.into_array(py)).collect()))
}

/// The first row that has an id twice, and the least such id.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn first_repeat(
    py: Python<'_>,
    offsets: Ints<'_>,
    ids: Ints<'_>,
    num_threads: usize,
) -> PyResult<Option<(usize, i64)>> {
    let (offsets, ids) = (slice("offsets", &offsets)?, slice("ids", &ids)?);
    let lists =
        Csr::new("offsets", offsets, ids, offsets.len().max(1) - 1, None).map_err(|error| door::to_py(&error))?;
    door::run(py, num_threads, |exec| distinct::first_repeat(exec, lists))
}

/// Rows of a string table.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn take_strings<'py>(
    py: Python<'py>,
    offsets: Ints<'py>,
    data: PyReadonlyArray1<'py, u8>,
    rows: Ints<'py>,
) -> PyResult<Bound<'py, PyList>> {
    let (offsets, data, rows) = (slice("offsets", &offsets)?, slice("data", &data)?, slice("rows", &rows)?);
    let found = take::strings("offsets", offsets, data, rows).map_err(|error| door::to_py(&error))?;
    PyList::new(py, found.into_iter().map(|text| PyString::new(py, text)))
}

/// Numbers and first rows.
type CodeArrays<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// The number of every string among the different ones, and where each of these comes first.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn text_codes<'py>(
    py: Python<'py>,
    offsets: Ints<'py>,
    data: PyReadonlyArray1<'py, u8>,
    num_threads: usize,
) -> PyResult<CodeArrays<'py>> {
    let (offsets, data) = (slice("offsets", &offsets)?, slice("data", &data)?);
    let found = door::run(py, num_threads, |exec| {
        let mut own = Vec::new(); // a copy: another thread may write to them
        try_reserve_exact(&mut own, offsets.len())?;
        own.extend_from_slice(offsets);
        texts::text_codes(exec, &Texts::new("offsets", &own, data)?)
    })?;
    Ok((found.codes.into_pyarray(py), found.first.into_pyarray(py)))
}

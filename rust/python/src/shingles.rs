//! Doors of `hardmine_core::shingles`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::error::try_reserve;
use hardmine_core::shingles::{self as core, Settings, Texts};
use hardmine_core::Result;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::array::slice;
use crate::door;
use crate::ragged::Ints;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(shingle_similarity, module)?)?;
    module.add_function(wrap_pyfunction!(near_duplicate_groups, module)?)
}

/// The dictionary `_native.Texts`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct TextArrays<'py> {
    offsets: Ints<'py>,
    data: PyReadonlyArray1<'py, u8>,
    replaced: Ints<'py>,
    other_offsets: Ints<'py>,
    other_data: PyReadonlyArray1<'py, u8>,
}

/// What lies behind [`TextArrays`]: the numbers copied, since another thread may write to them, the bytes in place.
struct TextSlices<'a> {
    argument: &'static str,
    numbers: [&'a [i64]; 3],
    bytes: [&'a [u8]; 2],
}

impl TextArrays<'_> {
    fn slices(&self, argument: &'static str) -> PyResult<TextSlices<'_>> {
        let ints = |array| slice(argument, array);
        let numbers = [ints(&self.offsets)?, ints(&self.replaced)?, ints(&self.other_offsets)?];
        Ok(TextSlices { argument, numbers, bytes: [slice(argument, &self.data)?, slice(argument, &self.other_data)?] })
    }
}

impl<'a> TextSlices<'a> {
    fn own(&self) -> Result<[Vec<i64>; 3]> {
        let mut own = [const { Vec::new() }; 3];
        for (own, numbers) in own.iter_mut().zip(self.numbers) {
            try_reserve(own, numbers.len())?;
            own.extend_from_slice(numbers);
        }
        Ok(own)
    }

    fn texts(&self, [offsets, replaced, others]: &'a [Vec<i64>; 3]) -> Result<Texts<'a>> {
        Texts::new(self.argument, offsets, self.bytes[0])?.with_replaced(self.argument, replaced, others, self.bytes[1])
    }
}

/// Jaccard similarity of the word shingles of two columns of texts, row by row.
#[pyfunction]
fn shingle_similarity<'py>(
    py: Python<'py>,
    left: TextArrays<'py>,
    right: TextArrays<'py>,
    size: usize,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let (left, right) = (left.slices("left")?, right.slices("right")?);
    let found = door::run(py, num_threads, |exec| {
        let own = (left.own()?, right.own()?);
        core::similarity(exec, &left.texts(&own.0)?, &right.texts(&own.1)?, size)
    })?;
    Ok(found.into_pyarray(py))
}

/// Group of every text: the number of its first member.
#[pyfunction]
#[pyo3(signature = (texts, threshold, *, size, bands, rows, seed, num_threads))]
#[allow(clippy::too_many_arguments)]
fn near_duplicate_groups<'py>(
    py: Python<'py>,
    texts: TextArrays<'py>,
    threshold: f32,
    size: usize,
    bands: usize,
    rows: usize,
    seed: u64,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let texts = texts.slices("texts")?;
    let settings = Settings { threshold, size, bands, rows, seed };
    let found =
        door::run(py, num_threads, |exec| core::near_duplicate_groups(exec, &texts.texts(&texts.own()?)?, settings))?;
    Ok(found.into_pyarray(py))
}

//! `hardmine._native`: the doors between Python and `hardmine-core`, one file per core module.

mod array;
mod batch;
mod door;
mod draw;
mod fuse;
mod merge;
mod plan;
mod ragged;
mod ranked;
mod rules;
mod runtime;
mod search;
mod select;
mod shingles;
mod sparse;
mod take;
mod topk;

use pyo3::prelude::*;

// No free-threaded interpreter has run the tests yet: there, importing this module takes the GIL back.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    batch::register(module)?;
    draw::register(module)?;
    fuse::register(module)?;
    merge::register(module)?;
    rules::register(module)?;
    runtime::register(module)?;
    select::register(module)?;
    shingles::register(module)?;
    search::register(module)?;
    sparse::register(module)?;
    take::register(module)?;
    topk::register(module)?;
    Ok(())
}

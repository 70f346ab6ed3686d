//! Texts as they lie in the buffers of a table of strings.

use crate::error::{Error, Result};

/// UTF-8 bytes of many texts, some of which are replaced by others.
///
/// The bytes may change while they are read: they are compared and hashed, never taken for characters.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    column: Strings<'a>,
    /// Rows that are read elsewhere, rising, and there.
    replaced: Option<(&'a [i64], Strings<'a>)>,
}

/// Offsets and bytes. The offsets are checked once, so they must be a copy that nobody else writes to.
#[derive(Debug, Clone, Copy)]
struct Strings<'a> {
    offsets: &'a [i64],
    data: &'a [u8],
}

impl<'a> Strings<'a> {
    fn new(argument: &'static str, offsets: &'a [i64], data: &'a [u8]) -> Result<Self> {
        let rise = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        let (first, last) = (offsets.first().copied().unwrap_or(-1), offsets.last().copied().unwrap_or(-1));
        if rise && first >= 0 && last <= data.len() as i64 {
            return Ok(Strings { offsets, data });
        }
        let problem = format!("from {first} to {last} do not cut {} bytes into texts", data.len());
        Err(Error::Offsets { argument, problem })
    }

    fn text(&self, row: usize) -> &'a [u8] {
        &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
}

impl<'a> Texts<'a> {
    /// The texts that `offsets` cut out of `data`.
    pub fn new(argument: &'static str, offsets: &'a [i64], data: &'a [u8]) -> Result<Self> {
        Ok(Texts { column: Strings::new(argument, offsets, data)?, replaced: None })
    }

    /// Other texts in place of those of `rows`, which rise.
    pub fn with_replaced(
        self,
        argument: &'static str,
        rows: &'a [i64],
        offsets: &'a [i64],
        data: &'a [u8],
    ) -> Result<Self> {
        let strings = Strings::new(argument, offsets, data)?;
        if rows.len() + 1 != offsets.len() {
            return Err(Error::Length { argument, found: rows.len(), wanted: offsets.len() - 1 });
        }
        Ok(Texts { replaced: Some((rows, strings)), ..self })
    }

    /// Number of texts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.column.offsets.len() - 1
    }

    /// The bytes of a text.
    #[must_use]
    pub fn text(&self, row: usize) -> &'a [u8] {
        match &self.replaced {
            Some((rows, strings)) => match rows.binary_search(&(row as i64)) {
                Ok(place) => strings.text(place),
                Err(_) => self.column.text(row),
            },
            None => self.column.text(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_and_replaced() {
        let texts = Texts::new("texts", &[1, 3, 3, 6], b"-abcde").unwrap();
        let texts = texts.with_replaced("texts", &[1, 2], &[0, 1, 3], b"xyz").unwrap();
        assert_eq!((0..texts.rows()).map(|row| texts.text(row)).collect::<Vec<_>>(), [&b"ab"[..], b"x", b"yz"]);
    }

    #[test]
    fn offsets_that_do_not_cut_are_refused() {
        for offsets in [&[][..], &[0, 2, 1], &[-1, 1], &[0, 4]] {
            assert!(matches!(Texts::new("texts", offsets, b"abc"), Err(Error::Offsets { .. })), "{offsets:?}");
        }
        let texts = Texts::new("texts", &[0, 1], b"abc").unwrap();
        assert!(matches!(texts.with_replaced("texts", &[0], &[0], b""), Err(Error::Length { .. })));
    }
}

//! Which columns share a label.

/// What stands for "no label": it equals nothing, itself included.
pub(super) const NONE: i64 = -1;

/// Columns by label.
pub(super) struct Labels(Vec<(i64, i64)>);

impl Labels {
    /// `pairs` are (label, column).
    pub(super) fn new(pairs: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut pairs: Vec<(i64, i64)> = pairs.filter(|(label, _)| *label != NONE).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Labels(pairs)
    }

    /// Columns that carry `label`.
    pub(super) fn columns(&self, label: i64) -> impl Iterator<Item = usize> + '_ {
        let start = self.0.partition_point(|(other, _)| *other < label);
        self.0[start..].iter().take_while(move |(other, _)| *other == label).map(|(_, column)| *column as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_label_and_none_for_no_label() {
        let labels = Labels::new([7, NONE, 3, 7, NONE].into_iter().zip(0..));
        assert_eq!(labels.columns(7).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(labels.columns(3).collect::<Vec<_>>(), [2]);
        assert_eq!(labels.columns(5).count() + labels.columns(NONE).count(), 0);
    }
}

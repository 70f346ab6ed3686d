//! What becomes of a row that has fewer negatives than wanted.

use crate::error::{try_reserve, Error, Result};
use crate::select::columns::Part;
use crate::select::list::List;
use crate::select::near::Judge;
use crate::select::row::Worker;
use crate::select::Shortage;

impl<'a> Worker<'a> {
    /// Deals with a row of `kept` negatives, fewer than wanted; tells whether the row stays.
    pub(super) fn mend(
        &mut self,
        judge: Option<&mut Judge<'a>>,
        list: &List<'_>,
        kept: usize,
        part: &mut Part<'_>,
    ) -> Result<bool> {
        let n = self.plan.n;
        match self.plan.shortage {
            Shortage::Keep => Ok(true),
            Shortage::Drop => Ok(false),
            Shortage::Error => {
                let problem =
                    format!("query {} has {kept} admissible candidates in its window, wanted {n}", list.query);
                Err(Error::Value { argument: "on_shortage", problem })
            }
            Shortage::Fill(documents) => {
                self.forbid(list)?;
                match judge {
                    None => {
                        let drawn = self.filler.draw(self.exec, list.key, documents, n - kept, 0)?;
                        for &id in drawn {
                            part.push(id, f32::NAN, 0);
                        }
                    }
                    Some(judge) => self.fill_apart(judge, list, documents, n - kept, part)?,
                }
                Ok(true)
            }
        }
    }

    /// Tells the filler which documents never come: those excluded, and those of the list.
    fn forbid(&mut self, list: &List<'_>) -> Result<()> {
        let positives = self.queries.positives.row(list.query);
        let named = self.queries.exclude.map_or(&[][..], |exclude| exclude.row(list.query));
        let forbidden = self.filler.start();
        for ids in [positives, named, list.ids] {
            try_reserve(forbidden, ids.len())?;
            forbidden.extend_from_slice(ids);
        }
        self.twins.map_or(Ok(()), |twins| twins.extend(positives, &mut self.groups, forbidden))
    }
}

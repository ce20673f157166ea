//! Entries shown one after the other, without a look at the other runs between two of the same block.

use super::visible::{DbIterator, Place};
use crate::error::Result;
use crate::key::Kind;
use crate::table::VisitEnd;
use std::cell::Cell;
use std::ops::ControlFlow;

impl DbIterator {
    /// Shows the entries from the current one on, in ascending order, as key and value, until `show` breaks
    /// off or there are no more. The value is `None` where it is kept outside the tables:
    /// [`DbIterator::shared_value`] reads it.
    ///
    /// The iterator is then at the entry that was not taken. After an error, which is that of
    /// [`DbIterator::next`], all visible entries up to [`DbIterator::passed_key`] were shown, and no others.
    /// Quicker than a loop of `next` where many entries in a row come from the same table.
    pub fn visit(&mut self, mut show: impl FnMut(&[u8], Option<&[u8]>) -> ControlFlow<()>) -> Result<()> {
        while self.valid() {
            if show(self.key(), self.inline_value()).is_break() || self.visit_block(&mut show)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// From the current entry, which was shown, on to one that was not, showing what lies between.
    fn visit_block(
        &mut self,
        show: &mut impl FnMut(&[u8], Option<&[u8]>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let is_simple = self.range_deletes.is_empty() && matches!(self.place, Place::AtCursor);
        let table = self.cursor.current_table().filter(|_| is_simple);
        let Some((table, limit)) = table else {
            return self.next().map(ControlFlow::Continue);
        };
        let view = &self.view;
        let (mut steps, mut shown, mut too_old) = (0, 0, 0);
        // Of the entry to be shown.
        let number = Cell::new(0);
        let end = table.visit_block(
            limit,
            (&mut steps, &mut self.key),
            |sequence, kind, expiry| {
                number.set(sequence);
                kind == Kind::Put && sequence <= view.sequence && !view.now.is_past(expiry, sequence)
            },
            |key, value| {
                if view.horizon.as_ref().is_some_and(|horizon| horizon.hides(key, number.get())) {
                    too_old += 1;
                    return ControlFlow::Continue(());
                }
                let flow = show(key, Some(value));
                shown += u64::from(flow.is_continue());
                flow
            },
        );
        self.meter.records_read += shown;
        self.meter.records_expired += too_old;
        let end = end.inspect_err(|_| self.place = Place::Nowhere)?;
        if steps > 0 {
            self.cursor.note_steps(steps);
        }
        match end {
            VisitEnd::AtLimit => {
                self.charge_passed(too_old)?;
                self.find_behind_key()?;
            }
            VisitEnd::Through => {
                self.note_key();
                self.charge_passed(too_old)?;
                self.next()?;
            }
            VisitEnd::Refused => {
                self.note_key();
                self.meter.records_read += 1;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn charge_passed(&mut self, passes: u64) -> Result<()> {
        self.charge(passes).inspect_err(|_| self.place = Place::Nowhere)
    }

    /// Key of the current entry, or of the last one that was passed.
    pub fn passed_key(&self) -> &[u8] {
        &self.key
    }
}

//! What an opening writes, and when: after a clean close nothing before the first write or edit.
//!
//! A close in order syncs the log to its end, and says so in the manifest last (`clean`). Whoever opens such
//! a directory only reads it. What the manifest says holds as long as nothing is written, so that a crash
//! leaves what was there before the opening. Before the first commit, log segment or edit, the manifest is
//! synced as it was read, since whoever closed it may have been killed before its own sync of it, and an edit
//! says, durably, that the database is open: from then on the log need not end with the mark of a close.

use crate::error::Result;
use crate::inner::Inner;
use crate::key::TreeId;
use crate::recovery::FIRST_SEGMENT;
use crate::version::State;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the manifest says that the database is open.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// It does not, and nothing may be written before it does.
    is_unfinished: AtomicBool,
    /// Held by the thread that has the manifest say so.
    finishing: Mutex<()>,
}

impl Opening {
    /// What is written from now on has to wait for [`Inner::finish_opening`].
    pub(crate) fn begin(&self) {
        self.is_unfinished.store(true, Ordering::Release);
    }

    pub(crate) fn is_unfinished(&self) -> bool {
        self.is_unfinished.load(Ordering::Acquire)
    }
}

impl Inner {
    /// Says in the manifest that the database is open, unless it says so already. Before that nothing else
    /// may be written that counts: the manifest may vouch for the end of the log. Costs two syncs, once.
    pub(crate) fn finish_opening(&self) -> Result<()> {
        if !self.opening.is_unfinished() {
            return Ok(());
        }
        let _alone = self.opening.finishing.lock();
        if self.opening.is_unfinished() {
            self.record_opening()?;
            self.opening.is_unfinished.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// The same for an opening that should have done so, and found no space. One after a clean close waits
    /// for something to write.
    pub(crate) fn finish_overdue_opening(&self) -> Result<()> {
        let is_overdue = self.opening.is_unfinished() && !self.version.lock().state.clean;
        if is_overdue { self.finish_opening() } else { Ok(()) }
    }

    /// Says in the manifest that the database is open, and which trees it has. A tree that has nothing left
    /// of what it has forgotten, neither in tables nor in what came from the log, need not know of it any
    /// more: nothing can come back, and what is written from now on may be as old.
    fn record_opening(&self) -> Result<()> {
        let State { trees: known, oldest_log, .. } = self.version.lock().state.clone();
        let edit = self.new_edit().clean_close(false).oldest_log(oldest_log.max(FIRST_SEGMENT));
        let new = self.options.trees.iter().filter(|tree| !known.contains_key(&tree.id));
        let edit = new.fold(edit, |edit, tree| edit.tree(tree.id, &tree.name));
        let unused = self.unused_values().into_iter();
        let edit = unused.fold(edit, |edit, (tree, id)| edit.remove_value_file(tree, id));
        let less: Vec<_> =
            self.trees.iter().filter_map(|tree| Some((tree, tree.still_forgotten()?))).collect();
        self.record_edit(
            &less.iter().fold(edit, |edit, (tree, left)| edit.forgotten(tree.options.id, left.clone())),
        )?;
        less.into_iter().for_each(|(tree, left)| tree.forget(left));
        Ok(())
    }

    /// No edit of ours leaves a value file without a table; what a repair took away may.
    fn unused_values(&self) -> Vec<(TreeId, u64)> {
        let named = self.version.lock().state.value_files.clone();
        let is_used = |(tree, id): &(TreeId, u64)| {
            self.tree(*tree).is_ok_and(|tree| tree.view().shelves.value_file(*id).is_some())
        };
        named.into_keys().filter(|key| !is_used(key)).collect()
    }

    /// True if finishing the opening takes files away.
    pub(crate) fn has_unused_values(&self) -> bool {
        !self.unused_values().is_empty()
    }
}

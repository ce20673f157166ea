//! What a workload asks of an engine, and the engines.

#[cfg(feature = "fjall")]
mod fjall;
mod flowdb;
mod flowdb_series;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "reference")]
mod reference;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use crate::data::{self, Key, Record};
use std::path::PathBuf;

pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The kernel has it: it outlives the process. redb knows no such state; there it is a commit that needs
    /// a later, synced one.
    Kernel,
    /// It is on stable storage.
    Synced,
}

/// What is kept: flowdb has a layout of its own for time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Records,
    Series,
}

/// How to open a database. Where nothing is said, an engine's own defaults hold.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) dir: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) cache_bytes: u64,
    /// Writes that are kept in memory before they go to a table.
    pub(crate) buffer_bytes: Option<usize>,
    /// The durability of the writes to come, for engines that fix it when they open.
    #[cfg_attr(not(feature = "reference"), expect(dead_code, reason = "only the crate flowdb 0.8.3 does"))]
    pub(crate) durability: Durability,
}

/// From the first key up to, and without, the second.
pub(crate) type KeyRange = (Vec<u8>, Vec<u8>);

/// Which series to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Selection {
    One(u64),
    /// All, of which there are so many.
    All(u64),
}

pub(crate) trait Engine: Send + Sync {
    /// One atomic commit.
    fn write(&self, batch: &[Record], durability: Durability) -> Result<()>;

    /// Gives the value of `key` to `found`, if it has one.
    fn get(&self, key: &Key, found: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// Gives the records of one range after the other to `sink`, all of one moment.
    fn scan(&self, ranges: &[KeyRange], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<()>;

    /// Points with times from `first` up to, and without, `end`, ordered by series and time.
    fn window(
        &self,
        series: Selection,
        (first, end): (i64, i64),
        sink: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let range = |series| {
            let name = data::series_name(series);
            (data::with_time(name, first).to_vec(), data::with_time(name, end).to_vec())
        };
        match series {
            Selection::One(series) => self.scan(&[range(series)], sink),
            Selection::All(count) => self.scan(&(0..count).map(range).collect::<Vec<_>>(), sink),
        }
    }

    /// Rewrites everything into its final form and waits for it.
    fn compact(&mut self) -> Result<()>;

    /// Flushes what is in memory to tables, and closes.
    fn close(self: Box<Self>) -> Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Flowdb,
    #[cfg(feature = "fjall")]
    Fjall,
    #[cfg(feature = "redb")]
    Redb,
    #[cfg(feature = "rocksdb")]
    Rocksdb,
    #[cfg(feature = "reference")]
    Reference,
}

impl Kind {
    pub(crate) const ALL: &[Kind] = &[
        Kind::Flowdb,
        #[cfg(feature = "fjall")]
        Kind::Fjall,
        #[cfg(feature = "redb")]
        Kind::Redb,
        #[cfg(feature = "rocksdb")]
        Kind::Rocksdb,
        #[cfg(feature = "reference")]
        Kind::Reference,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Flowdb => "flowdb",
            #[cfg(feature = "fjall")]
            Kind::Fjall => "fjall",
            #[cfg(feature = "redb")]
            Kind::Redb => "redb",
            #[cfg(feature = "rocksdb")]
            Kind::Rocksdb => "rocksdb",
            #[cfg(feature = "reference")]
            Kind::Reference => "flowdb-0.8.3",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    pub(crate) fn open(self, setup: &Setup) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Kind::Flowdb if setup.layout == Layout::Series => {
                Box::new(flowdb_series::FlowdbSeries::open(setup)?)
            }
            Kind::Flowdb => Box::new(flowdb::Flowdb::open(setup)?),
            #[cfg(feature = "fjall")]
            Kind::Fjall => Box::new(fjall::Fjall::open(setup)?),
            #[cfg(feature = "redb")]
            Kind::Redb => Box::new(redb::Redb::open(setup)?),
            #[cfg(feature = "rocksdb")]
            Kind::Rocksdb => Box::new(rocksdb::Rocksdb::open(setup)?),
            #[cfg(feature = "reference")]
            Kind::Reference => Box::new(reference::Reference::open(setup)?),
        })
    }
}

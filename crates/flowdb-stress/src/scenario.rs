//! The steps, in their order.

use crate::arguments::{Arguments, Scenario};
use crate::mixed_load::Mixed;
use crate::report::{Failure, Report, Tally};
use crate::series_load::Set;
use flowdb_store::{Store, keyspace};

/// Points, bytes of a value and points of a batch of the writes in sequence, where the largest step has
/// 50 000 records.
const SEQUENCES: [(u64, usize, u64); 3] = [(50_000, 64, 100), (20_000, 512, 50), (5_000, 4096, 10)];
const LARGEST: u64 = 50_000;
const WRITERS: [u64; 4] = [1, 4, 8, 16];
const READERS: [u64; 3] = [1, 4, 8];
const MIXES: [u64; 3] = [20, 50, 80];

/// Runs what the command line asks for.
pub(crate) fn run(store: &Store, arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    match arguments.scenario {
        Scenario::Full => full(store, arguments, report),
        Scenario::Mixed => mixed(store, arguments, report, arguments.mix.unwrap_or(50)),
    }?;
    report.finish(store.db().stats().trees.iter().map(|tree| tree.table_bytes).sum());
    Ok(())
}

fn full(store: &Store, arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    let sets = write(store, arguments, report)?;
    report.step("flush", |_| Ok(store.db().flush().map(|()| Tally::default())?))?;
    query(store, &sets, report)?;
    for readers in READERS {
        report.step(&format!("prefix reads, {readers} threads"), |report| {
            sets[0].read_prefixes(store, report, readers)
        })?;
    }
    for percent in arguments.mix.map_or(MIXES.to_vec(), |percent| vec![percent]) {
        mixed(store, arguments, report, percent)?;
    }
    report.step("compaction", |_| {
        store.db().compact(keyspace::KV)?;
        store.db().compact(keyspace::SERIES)?;
        Ok(Tally::default())
    })?;
    query(store, &sets, report)
}

fn write(store: &Store, arguments: &Arguments, report: &mut Report) -> Result<Vec<Set>, Failure> {
    let set = |name: String, count: u64, value_bytes: usize| {
        let count = (count * arguments.records / LARGEST).max(1);
        Set { name, count, value_bytes, seed: arguments.seed }
    };
    let mut sets = Vec::new();
    for (count, bytes, batch) in SEQUENCES {
        let set = set(format!("sequence-{bytes}"), count, bytes);
        let name = format!("write in sequence, {bytes} B, batch {batch}");
        report.step(&name, |report| set.write(store, report, 1, batch))?;
        sets.push(set);
    }
    for writers in WRITERS {
        let set = set(format!("writers-{writers}"), LARGEST, 64);
        let name = format!("write, {writers} threads, 64 B, batch 100");
        report.step(&name, |report| set.write(store, report, writers, 100))?;
        sets.push(set);
    }
    Ok(sets)
}

fn query(store: &Store, sets: &[Set], report: &mut Report) -> Result<(), Failure> {
    report.step("prefix queries", |report| {
        sets.iter().try_fold(Tally::default(), |mut sum, set| {
            sum.add(set.read_prefixes(store, report, 1)?);
            Ok(sum)
        })
    })?;
    report.step("key and time range queries, latest", |report| {
        sets.iter().try_fold(Tally::default(), |mut sum, set| {
            sum.add(set.read_windows(store, report)?);
            Ok(sum)
        })
    })
}

fn mixed(store: &Store, arguments: &Arguments, report: &mut Report, percent: u64) -> Result<(), Failure> {
    let mixed = Mixed { name: format!("mixed-{percent}"), arguments, percent };
    let name = format!("mixed, {percent} % writes, {} threads", arguments.threads);
    report.step(&name, |report| mixed.run(store, report))
}

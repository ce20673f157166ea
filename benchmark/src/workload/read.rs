//! Reads from a million records that arrived in random order. The files are in the kernel's cache.

use super::{Measured, Rate, Task, put, scan_everything};
use crate::answer::{Answer, ScanAnswer};
use crate::data::{GROUP_RECORDS, Key, Order, Records, choices, group_prefix};
use crate::engine::{Engine, KeyRange, Layout, Result};
use crate::process::peak_memory_mib;
use std::time::{Duration, Instant};

const GETS: u64 = 200_000;
/// Not measured: they fill the cache.
const WARMING_GETS: u64 = 100_000;
const HOT_KEYS: u64 = 1_000;
const PREFIX_SCANS: u64 = 2_000;

/// Everything, with a cache that holds all blocks.
pub(super) fn run(task: &Task, cache_bytes: u64) -> Result<Measured> {
    let mut measured = Measured::new();
    let start = Instant::now();
    let engine = task.open(Layout::Records, cache_bytes)?;
    put(&mut measured, "open", start.elapsed().as_secs_f64() * 1e3, &Ok(()));
    let records = task.records(Order::Random);
    gets(task, &*engine, &records, &mut measured)?;
    scans(task, &*engine, &records, &mut measured)?;
    put(&mut measured, "read-memory", peak_memory_mib()?, &Ok(()));
    engine.close()?;
    Ok(measured)
}

/// Random gets, with a cache that holds few of the blocks.
pub(super) fn run_small(task: &Task, cache_bytes: u64) -> Result<Measured> {
    let mut measured = Measured::new();
    let engine = task.open(Layout::Records, cache_bytes)?;
    let records = task.records(Order::Random);
    get(&*engine, &records, choices(task.seed + 1, records.count).take(WARMING_GETS as usize))?;
    let rate = get(&*engine, &records, choices(task.seed, records.count).take(GETS as usize))?;
    rate.put(&mut measured, "get-random-small");
    put(&mut measured, "get-random-small-memory", peak_memory_mib()?, &rate.checked);
    engine.close()?;
    Ok(measured)
}

fn gets(task: &Task, engine: &dyn Engine, records: &Records, measured: &mut Measured) -> Result<()> {
    let hot: Vec<_> = choices(task.seed + 2, records.count).take(HOT_KEYS as usize).collect();
    get(engine, records, hot.iter().copied())?;
    let again = choices(task.seed, HOT_KEYS).take(GETS as usize).map(|index| hot[index as usize]);
    get(engine, records, again)?.put(measured, "get-hot");

    get(engine, records, choices(task.seed + 1, records.count).take(WARMING_GETS as usize))?;
    let random = choices(task.seed, records.count).take(GETS as usize);
    get(engine, records, random)?.put(measured, "get-random");

    let missing: Vec<_> = choices(task.seed, records.count)
        .take(GETS as usize)
        .map(|number| records.missing_key(number))
        .collect();
    let (time, answer) = get_keys(engine, &missing)?;
    Rate::new(GETS, time, answer.check(&Answer::default())).put(measured, "get-missing");
    Ok(())
}

/// Gets of these records, per second.
pub(super) fn get(
    engine: &dyn Engine,
    records: &Records,
    numbers: impl Iterator<Item = u64>,
) -> Result<Rate> {
    let mut expected = Answer::default();
    let keys: Vec<_> = numbers
        .map(|number| {
            let record = records.record(number);
            expected.add_value(&record.value);
            record.key
        })
        .collect();
    let (time, answer) = get_keys(engine, &keys)?;
    Ok(Rate::new(keys.len() as u64, time, answer.check(&expected)))
}

fn get_keys(engine: &dyn Engine, keys: &[Key]) -> Result<(Duration, Answer)> {
    let mut answer = Answer::default();
    let start = Instant::now();
    for key in keys {
        engine.get(key, &mut |value| answer.add_value(value))?;
    }
    Ok((start.elapsed(), answer))
}

fn scans(task: &Task, engine: &dyn Engine, records: &Records, measured: &mut Measured) -> Result<()> {
    prefix_scans(engine, records, task.seed + 1, PREFIX_SCANS / 4)?;
    prefix_scans(engine, records, task.seed, PREFIX_SCANS)?.put(measured, "prefix-scan");

    let mut expected = Answer::default();
    (0..records.count).for_each(|number| expected.add_record(&records.record(number)));
    let start = Instant::now();
    let answer = scan_everything(engine)?;
    Rate::new(records.count, start.elapsed(), answer.check(&expected)).put(measured, "full-scan");
    Ok(())
}

/// Scans of the 200 records that share a prefix, per second.
pub(super) fn prefix_scans(engine: &dyn Engine, records: &Records, seed: u64, scans: u64) -> Result<Rate> {
    let groups: Vec<_> = choices(seed, records.count / GROUP_RECORDS).take(scans as usize).collect();
    let mut expected = Answer::default();
    for number in groups.iter().flat_map(|group| group * GROUP_RECORDS..(group + 1) * GROUP_RECORDS) {
        expected.add_record(&records.record(number));
    }
    let ranges: Vec<_> = groups.iter().map(|group| prefix_range(*group)).collect();
    let mut answer = ScanAnswer::default();
    let start = Instant::now();
    for range in &ranges {
        answer.restart();
        engine.scan(std::slice::from_ref(range), &mut |key, value| answer.add(key, value))?;
    }
    Ok(Rate::new(scans, start.elapsed(), answer.check(&expected)))
}

fn prefix_range(group: u64) -> KeyRange {
    let start = group_prefix(group).to_vec();
    let mut end = start.clone();
    // The alphabet of keys ends before 255.
    end[start.len() - 1] += 1;
    (start, end)
}

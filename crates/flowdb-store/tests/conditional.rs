//! Goal: conditional writes are atomic against all other writers, and say truly what they did. Method:
//! threads that count, swap, insert and take, beside plain puts and range deletes, while memtables are
//! flushed and tables compacted under them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use flowdb_engine::{Error, ErrorKind, ReadTier, WriteOptions};
use flowdb_store::keyspace::KV;
use flowdb_store::value::Number;
use flowdb_store::{
    ATTEMPTS_MAX, Change, Form, KeyRange, Notation, Record, RecordId, Shape, Store, StoreHandle,
    StoreOptions, Ttl,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const THREADS: u64 = 6;
const ROUNDS: u64 = 300;

fn store() -> StoreHandle {
    Store::memory(&StoreOptions { write_buffer_bytes: Some(64 << 10), ..StoreOptions::default() }).unwrap()
}

fn options() -> WriteOptions {
    WriteOptions::default()
}

fn text(number: u64) -> Record {
    Record::new(Form::Text, number.to_string().as_bytes())
}

fn number(record: &Record) -> u64 {
    std::str::from_utf8(record.contents()).unwrap().parse().unwrap()
}

/// Runs `work` in [`THREADS`] threads, for each of [`ROUNDS`] rounds, while flushes and compactions go on.
fn in_threads(store: &Store, work: impl Fn(u64, u64) + Sync) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let maintenance = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.db().flush().unwrap();
                store.db().compact(KV).unwrap();
                thread::yield_now();
            }
        });
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let work = &work;
                scope.spawn(move || (0..ROUNDS).for_each(|round| work(thread, round)));
            }
        });
        done.store(true, Ordering::Relaxed);
        maintenance.join().unwrap();
    });
}

#[test]
fn counters_add_up() {
    let store = store();
    for id in [RecordId::Kv(b"count"), RecordId::Series(b"count", 7)] {
        in_threads(&store, |thread, _| {
            let delta = if thread % 2 == 0 { 1 } else { 3 };
            store.increment(id, Number::Integer(delta), Notation::Value, None, options()).unwrap();
        });
        let sum = store.increment(id, Number::Integer(0), Notation::Value, None, options()).unwrap();
        assert_eq!(sum, Number::Integer(i64::try_from(THREADS / 2 * ROUNDS * 4).unwrap()));
    }
}

/// Each value is swapped for the next one by exactly one thread.
#[test]
fn every_swap_has_one_winner() {
    let store = store();
    let id = RecordId::Kv(b"turn");
    let won = AtomicU64::new(0);
    in_threads(&store, |_, _| {
        let seen = store.kv().get(b"turn").unwrap();
        let next = text(seen.as_ref().map_or(0, number) + 1);
        let swapped = store.compare_and_set(id, seen.as_ref(), Some(&next), None, options()).unwrap();
        won.fetch_add(u64::from(swapped), Ordering::Relaxed);
    });
    assert_eq!(number(&store.kv().get(b"turn").unwrap().unwrap()), won.into_inner());
}

#[test]
fn of_many_who_insert_one_does() {
    let store = store();
    let (inserted, made) = (AtomicU64::new(0), AtomicU64::new(0));
    in_threads(&store, |thread, round| {
        let key = round.to_be_bytes();
        let absent = store.put_if_absent(RecordId::Kv(&key), &text(thread), None, options()).unwrap();
        inserted.fetch_add(u64::from(absent.is_none()), Ordering::Relaxed);
        // All see the same one, whoever made it.
        let make = || {
            made.fetch_add(1, Ordering::Relaxed);
            Ok(text(thread))
        };
        let id = RecordId::Series(&key, 1);
        let first = store.get_or_insert(id, None, options(), make).unwrap();
        assert_eq!(store.series().get(&key, 1).unwrap(), Some(first));
    });
    assert_eq!(inserted.into_inner(), ROUNDS);
    assert!(made.into_inner() >= ROUNDS);
}

/// Money goes from account to account; whoever looks sees all of it, and whole.
#[test]
fn a_transfer_is_seen_whole_or_not_at_all() {
    const ACCOUNTS: u64 = 5;
    let store = store();
    let accounts: Vec<_> = (0..ACCOUNTS).map(|account| format!("account/{account}").into_bytes()).collect();
    let mut batch = store.batch();
    accounts.iter().for_each(|key| batch.put(RecordId::Kv(key), &text(100), None).unwrap());
    batch.write(options()).unwrap();
    in_threads(&store, |thread, round| {
        let from = &accounts[usize::try_from((thread + round) % ACCOUNTS).unwrap()];
        let to = &accounts[usize::try_from((thread * 2 + round * 3 + 1) % ACCOUNTS).unwrap()];
        if from != to {
            store
                .transact(options(), |attempt| {
                    let money = number(&attempt.get(RecordId::Kv(from))?.unwrap().record);
                    let there = number(&attempt.get(RecordId::Kv(to))?.unwrap().record);
                    let sum = money.min(10);
                    attempt.batch().put(RecordId::Kv(from), &text(money - sum), None)?;
                    attempt.batch().put(RecordId::Kv(to), &text(there + sum), None)
                })
                .unwrap();
        }
        let all = store.kv().scan(&KeyRange::Prefix("account/".into()), flowdb_store::Direction::Forward);
        let sum: u64 = all.map(|entry| number(&entry.unwrap().record)).sum();
        assert_eq!(sum, ACCOUNTS * 100);
    });
}

/// Whoever takes a ticket deletes it; plain writers clear the box and put new ones in. None is taken twice.
#[test]
fn plain_writes_and_range_deletes_count_as_changes() {
    let store = store();
    let issued = AtomicU64::new(0);
    let taken = parking_lot::Mutex::new(Vec::new());
    let id = RecordId::Kv(b"ticket");
    in_threads(&store, |thread, round| {
        if thread == 0 {
            let mut batch = store.batch();
            if round % 3 == 0 {
                batch.clear(Shape::Kv).unwrap();
            }
            batch.put(id, &text(issued.fetch_add(1, Ordering::Relaxed)), None).unwrap();
            batch.write(options()).unwrap();
        } else if let Some(ticket) = store.update(id, options(), |_| Ok(Change::Delete)).unwrap() {
            taken.lock().push(number(&ticket.record));
        }
    });
    let mut taken = taken.into_inner();
    let count = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), count);
}

#[test]
fn who_always_loses_is_told() {
    let store = store();
    let mut tries = 0;
    let error = store
        .update(RecordId::Kv(b"busy"), options(), |_| {
            tries += 1;
            let mut batch = store.batch();
            batch.put(RecordId::Kv(b"busy"), &text(1), None)?;
            batch.write(options())?;
            Ok(Change::Delete)
        })
        .unwrap_err();
    assert_eq!((error.kind(), tries), (ErrorKind::Conflict, ATTEMPTS_MAX));
    assert!(store.kv().get(b"busy").unwrap().is_some());
}

#[test]
fn an_error_of_the_caller_ends_it_and_writes_nothing() {
    let store = store();
    let result: Result<(), _> = store.transact(options(), |attempt| {
        attempt.batch().put(RecordId::Kv(b"k"), &text(1), None)?;
        Err(Error::invalid("no"))
    });
    assert_eq!(result.unwrap_err().message(), "no");
    assert_eq!(store.kv().get(b"k").unwrap(), None);
}

#[test]
fn sums_out_of_range_and_other_values_are_refused_and_kept() {
    let store = store();
    let id = RecordId::Kv(b"n");
    store.increment(id, Number::Integer(i64::MAX), Notation::Value, None, options()).unwrap();
    for delta in [Number::Integer(1), Number::Float(1.0)] {
        let error = store.increment(id, delta, Notation::Value, None, options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(
        store.increment(id, Number::Integer(0), Notation::Value, None, options()).unwrap(),
        Number::Integer(i64::MAX)
    );
    store.put_if_absent(RecordId::Kv(b"text"), &text(5), None, options()).unwrap();
    let error = store
        .increment(RecordId::Kv(b"text"), Number::Float(1.0), Notation::Value, None, options())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_swap_keeps_the_expiry_unless_there_is_a_new_one() {
    let store = store();
    let id = RecordId::Kv(b"k");
    let far = store.now() + 60_000_000;
    assert!(!store.swap(id, &text(1), &text(2), None, options()).unwrap(), "nothing is there");
    store.put_if_absent(id, &text(1), Some(Ttl::Until(far)), options()).unwrap();
    assert!(!store.swap(id, &text(2), &text(3), None, options()).unwrap());
    assert!(store.swap(id, &text(1), &text(2), None, options()).unwrap());
    assert_eq!(store.kv().expiry(b"k").unwrap(), Some(far));
    assert!(store.swap(id, &text(2), &text(3), Some(Ttl::Until(far + 5)), options()).unwrap());
    assert_eq!(store.kv().expiry(b"k").unwrap(), Some(far + 5));
    assert_eq!(store.kv().get(b"k").unwrap(), Some(text(3)));
}

#[test]
fn what_was_loaded_is_put_unless_someone_touched_the_record_since() {
    let store = store();
    let (id, other) = (RecordId::Kv(b"k"), RecordId::Kv(b"other"));
    let write = |work: &dyn Fn(&mut flowdb_store::RecordBatch<'_>)| {
        let mut batch = store.batch();
        work(&mut batch);
        batch.write(options()).unwrap();
    };
    let value = || store.kv().get(b"k").unwrap().map(|record| number(&record));
    let touches: [(&str, &dyn Fn()); 4] = [
        ("delete", &|| write(&|batch| batch.delete(id).unwrap())),
        ("put and delete", &|| {
            write(&|batch| batch.put(id, &text(7), None).unwrap());
            write(&|batch| batch.delete(id).unwrap());
        }),
        ("range delete", &|| {
            write(&|batch| batch.delete_range(Shape::Kv, &KeyRange::Prefix(b"k"[..].into())).unwrap());
        }),
        ("expired put", &|| write(&|batch| batch.put(id, &text(7), Some(Ttl::Until(1))).unwrap())),
    ];
    for (name, touch) in touches {
        for is_compacted in [false, true] {
            let since = store.snapshot();
            touch();
            if is_compacted {
                store.db().flush().unwrap();
                store.db().compact(KV).unwrap();
            }
            assert!(!store.is_untouched(&since, id, ReadTier::Disk).unwrap(), "{name}");
            assert_eq!(store.put_if_untouched(&since, id, &text(1), None, options()).unwrap(), None);
            assert_eq!(value(), None, "{name}: deleted is deleted");
        }
    }
    let since = store.snapshot();
    write(&|batch| batch.put(other, &text(7), None).unwrap());
    store.db().flush().unwrap();
    assert!(store.is_untouched(&since, id, ReadTier::Memory).unwrap());
    assert_eq!(store.put_if_untouched(&since, id, &text(1), None, options()).unwrap(), None);
    assert_eq!(value(), Some(1));
    assert!(!store.is_untouched(&since, id, ReadTier::Memory).unwrap());
    let in_the_way = store.put_if_untouched(&since, id, &text(2), None, options()).unwrap();
    assert_eq!((in_the_way.map(|current| number(&current.record)), value()), (Some(1), Some(1)));
}

#[test]
fn what_only_a_file_knows_does_not_keep_a_loaded_value_from_being_put() {
    // Without filters, a table between whose first and last key it is may hold any.
    let options_of_store =
        StoreOptions { filter_bits_per_key: Some(0), cache_bytes: Some(0), ..StoreOptions::default() };
    let store = Store::memory(&options_of_store).unwrap();
    let id = RecordId::Kv(b"k");
    let write = |work: &dyn Fn(&mut flowdb_store::RecordBatch<'_>)| {
        let mut batch = store.batch();
        work(&mut batch);
        batch.write(options()).unwrap();
    };
    let put_others = || {
        write(&|batch| {
            for key in [b"a", b"z"] {
                batch.put(RecordId::Kv(key), &text(7), None).unwrap();
            }
        });
        store.db().flush().unwrap();
    };
    let since = store.snapshot();
    put_others();
    let error = store.is_untouched(&since, id, ReadTier::Memory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(store.is_untouched(&since, id, ReadTier::Disk).unwrap());
    assert_eq!(store.put_if_untouched(&since, id, &text(1), None, options()).unwrap(), None);
    assert_eq!(store.kv().get(b"k").unwrap(), Some(text(1)));
    let since = store.snapshot();
    write(&|batch| batch.delete(id).unwrap());
    put_others();
    assert!(!store.is_untouched(&since, id, ReadTier::Disk).unwrap());
    assert_eq!(store.put_if_untouched(&since, id, &text(2), None, options()).unwrap(), None);
    assert_eq!(store.kv().get(b"k").unwrap(), None);
}

'use strict';

// https://w3c.github.io/IndexedDB/#transaction-lifecycle, #transaction-scheduling, #commit-transaction, #abort-transaction,
// #async-execute-request, #fire-success-event, #fire-error-event

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { domException, finished, openDatabase, result } = require('./support.js');

const createStores = (db) => ['a', 'b', 'c'].forEach((name) => db.createObjectStore(name));
const nextTurn = () => new Promise((resolve) => { setImmediate(resolve); });

/** Uncaught exceptions of listeners, for as long as the test runs. */
function reported(t) {
  const errors = [];
  globalThis.reportError = (error) => errors.push(error);
  t.after(() => { delete globalThis.reportError; });
  return errors;
}

/**
 * Starts transactions one after the other and tells how many ran beside each other.
 * @param {IDBDatabase} db
 * @param {[string, string[], IDBTransactionMode][]} list
 */
async function schedule(db, list) {
  const log = [];
  await Promise.all(list.map(([name, stores, mode]) => {
    const transaction = db.transaction(stores, mode);
    const store = transaction.objectStore(stores[0]);
    let turns = 0;
    const again = () => {
      if (turns === 0) log.push(`+${name}`);
      turns += 1;
      if (turns < 6) store.get(0).onsuccess = again;
      else log.push(`-${name}`);
    };
    store.get(0).onsuccess = again;
    return finished(transaction);
  }));
  return log.join(' ');
}

test('2.7.2 scheduling: readers run beside each other, writers of one store one after the other', async () => {
  const db = await openDatabase(createStores);
  assert.match(await schedule(db, [['r1', ['a'], 'readonly'], ['r2', ['a'], 'readonly']]), /^\+r1 \+r2/);
  assert.equal(await schedule(db, [['w1', ['a'], 'readwrite'], ['w2', ['a'], 'readwrite']]), '+w1 -w1 +w2 -w2');
  assert.match(await schedule(db, [['w1', ['a'], 'readwrite'], ['w2', ['b'], 'readwrite']]), /^\+w1 \+w2/);
  assert.equal(await schedule(db, [['w1', ['a', 'b'], 'readwrite'], ['w2', ['b', 'c'], 'readwrite']]), '+w1 -w1 +w2 -w2');
});

test('2.7.2 scheduling: a reader waits for an earlier writer, a writer behind a waiting writer does not overtake', async () => {
  const db = await openDatabase(createStores);
  assert.equal(await schedule(db, [['w', ['a'], 'readwrite'], ['r', ['a'], 'readonly']]), '+w -w +r -r');
  const log = await schedule(db, [['w1', ['a'], 'readwrite'], ['w2', ['a', 'b'], 'readwrite'], ['w3', ['b'], 'readwrite'], ['w4', ['c'], 'readwrite']]);
  assert.equal(log.indexOf('+w4') < log.indexOf('-w1'), true, log);
  assert.deepEqual(log.split(' ').filter((each) => !each.endsWith('w4')), ['+w1', '-w1', '+w2', '-w2', '+w3', '-w3']);
});

test('2.7.2 scheduling: it spans the connections of a database, not several databases', async () => {
  const { IDBFactory } = require('../../index.js');
  const factory = new IDBFactory();
  const [first, second, other] = [await openDatabase(createStores, { factory }), await openDatabase(undefined, { factory }),
    await openDatabase(createStores, { factory, name: 'other' })];
  const log = [];
  const write = (db, name) => {
    const transaction = db.transaction('a', 'readwrite');
    const store = transaction.objectStore('a');
    let turns = 0;
    const again = () => { turns += 1; if (turns < 10) store.get(0).onsuccess = again; };
    store.get(0).onsuccess = () => { log.push(`+${name}`); again(); };
    transaction.oncomplete = () => log.push(`-${name}`);
    return finished(transaction);
  };
  await Promise.all([write(first, 'first'), write(second, 'second'), write(other, 'other')]);
  assert.deepEqual(log.filter((each) => !each.endsWith('other')), ['+first', '-first', '+second', '-second']);
  assert.equal(log.indexOf('+other') < log.indexOf('-first'), true);
});

test('2.7.2 scheduling: an aborted transaction lets the next one go on, one that waits too', async () => {
  const db = await openDatabase(createStores);
  const first = db.transaction('a', 'readwrite');
  const second = db.transaction('a', 'readwrite');
  const third = db.transaction('a', 'readwrite');
  const log = [];
  first.onabort = () => log.push('first');
  second.onabort = () => log.push('second');
  second.abort();
  third.objectStore('a').get(1).onsuccess = () => log.push('third');
  first.abort();
  await finished(third);
  assert.deepEqual(log.sort(), ['first', 'second', 'third']);
});

test('2.7.1 lifecycle: requests of a transaction succeed in the order they were placed, of every kind', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction(['a', 'b'], 'readwrite');
  const [a, b] = ['a', 'b'].map((name) => transaction.objectStore(name));
  const order = [];
  const requests = [a.put(1, 1), b.put(2, 2), a.get(1), b.count(), a.openCursor(), b.delete(2), a.clear(), b.getAllKeys(), a.getAllRecords(), b.getKey(1)];
  requests.forEach((request, i) => { request.onsuccess = () => order.push(i); });
  await finished(transaction);
  assert.deepEqual(order, requests.map((_, i) => i));
});

test('2.7.1 lifecycle: active in listeners of its own requests and in their microtasks, in nothing else', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a');
  const other = db.transaction('b');
  const store = transaction.objectStore('a');
  const isActive = () => { try { store.get(1); return true; } catch (error) { assert.equal(error.name, 'TransactionInactiveError'); return false; } };
  const log = [];
  let alive = true;
  const keepAlive = () => { if (alive) store.get(0).onsuccess = keepAlive; };
  keepAlive();
  store.get(2).onsuccess = () => {
    log.push(['own listener', isActive()]);
    Promise.resolve().then(() => log.push(['its microtask', isActive()]));
  };
  await new Promise((resolve) => {
    other.objectStore('b').get(1).onsuccess = () => {
      log.push(['listener of another', isActive()]);
      setTimeout(() => { log.push(['timer', isActive()]); resolve(); });
    };
  });
  alive = false;
  await finished(transaction);
  assert.deepEqual(new Map(log), new Map([['own listener', true], ['its microtask', true], ['listener of another', false], ['timer', false]]));
});

test('2.7.1 lifecycle: made in a microtask it is active until the microtasks end', async () => {
  const db = await openDatabase(createStores);
  await nextTurn();
  let transaction;
  await Promise.resolve().then(() => { transaction = db.transaction('a'); });
  for (let i = 0; i < 10; i += 1) await null;
  const request = transaction.objectStore('a').get(1);
  await result(request);
});

test('4.10 objectStore(): while it is inactive too, an InvalidStateError once it is finished, committed or aborted', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const complete = new Promise((resolve) => { transaction.oncomplete = () => resolve(assert.throws(() => transaction.objectStore('a'), domException('InvalidStateError'))); });
  const store = transaction.objectStore('a');
  store.put(1, 1);
  await nextTurn();
  await complete;
  assert.throws(() => store.index('i'), domException('InvalidStateError'));
  assert.throws(() => store.put(1, 1), domException('TransactionInactiveError'));
  assert.throws(() => transaction.commit(), domException('InvalidStateError'));
  assert.throws(() => transaction.abort(), domException('InvalidStateError'));
  const aborted = db.transaction('a');
  aborted.abort();
  assert.throws(() => aborted.objectStore('a'), domException('InvalidStateError'));
  assert.throws(() => aborted.commit(), domException('InvalidStateError'));
});

test('5.4 commit: complete neither bubbles nor can be canceled; commit() in a listener needs an active transaction', async () => {
  const db = await openDatabase(createStores);
  db.addEventListener('complete', () => assert.fail('bubbled'));
  const transaction = db.transaction('a', 'readwrite');
  transaction.objectStore('a').put(1, 1).onsuccess = () => transaction.commit();
  const event = await new Promise((resolve) => { transaction.oncomplete = resolve; });
  assert.deepEqual([event.type, event.bubbles, event.cancelable, event.target, transaction.error], ['complete', false, false, transaction, null]);
  const idle = db.transaction('a', 'readwrite');
  let alive = true;
  const keepAlive = () => { if (alive) idle.objectStore('a').get(0).onsuccess = keepAlive; };
  keepAlive();
  await nextTurn();
  assert.throws(() => idle.commit(), domException('InvalidStateError'));
  alive = false;
  await finished(idle);
});

test('5.4 commit: commit() of an upgrade, of an empty transaction and before the transaction has started', async () => {
  const db = await openDatabase((created, transaction) => { createStores(created); transaction.commit(); });
  const first = db.transaction('a', 'readwrite');
  const second = db.transaction('a', 'readwrite');
  second.objectStore('a').put('second', 1);
  second.commit();
  first.objectStore('a').put('first', 1);
  const empty = db.transaction('b');
  empty.commit();
  await Promise.all([finished(first), finished(second), finished(empty)]);
  assert.equal(await result(db.transaction('a').objectStore('a').get(1)), 'second');
});

test('5.4 commit: requests after commit() still fire their events, but the transaction is not active in them', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  const log = [];
  store.put(1, 1).onsuccess = () => { log.push('success'); assert.throws(() => store.get(1), domException('TransactionInactiveError')); };
  transaction.commit();
  await finished(transaction);
  assert.deepEqual(log, ['success']);
});

test('5.5 abort: in every state before commit; request errors bubble to the database, abort too', async () => {
  const db = await openDatabase(createStores);
  const log = [];
  db.onerror = (event) => log.push(`db error ${event.target.error.name}`);
  db.onabort = (event) => log.push(`db abort ${event.target.error}`);
  const waiting = db.transaction('a', 'readwrite');
  const request = waiting.objectStore('a').put(1, 1);
  waiting.abort();
  assert.equal(request.readyState, 'pending');
  await assert.rejects(finished(waiting));
  assert.deepEqual([request.readyState, request.result, request.error.name, request.transaction], ['done', undefined, 'AbortError', waiting]);
  const running = db.transaction('a', 'readwrite');
  running.objectStore('a').put(1, 1).onsuccess = () => { running.objectStore('a').put(2, 2); running.abort(); };
  await assert.rejects(finished(running));
  const inactive = db.transaction('a', 'readwrite');
  let alive = true;
  const keepAlive = () => { if (alive) inactive.objectStore('a').get(0).onsuccess = keepAlive; };
  keepAlive();
  await nextTurn();
  inactive.abort();
  alive = false;
  await assert.rejects(finished(inactive));
  await nextTurn(); // the event is still on its way up
  assert.deepEqual(log, [1, 2, 3].flatMap(() => ['db error AbortError', 'db abort null']));
  assert.equal(await result(db.transaction('a').objectStore('a').count()), 0);
});

test('5.5 abort: the abort event bubbles and cannot be canceled; an exception in its listener changes nothing', async (t) => {
  const errors = reported(t);
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a');
  transaction.abort();
  const event = await new Promise((resolve) => {
    db.onabort = resolve;
    transaction.onabort = () => { throw new Error('mine'); };
  });
  assert.deepEqual([event.type, event.bubbles, event.cancelable, event.target, errors.length], ['abort', true, false, transaction, 1]);
});

test('5.5 abort: a request that an aborted transaction still had placed in an error listener is not executed', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  const request = store.get(1);
  request.onerror = () => assert.throws(() => store.get(2), domException('TransactionInactiveError'));
  transaction.abort();
  await assert.rejects(finished(transaction));
});

test('5.9 success: an exception in any listener on its path aborts with an AbortError', async (t) => {
  const errors = reported(t);
  const db = await openDatabase(createStores);
  for (const place of ['request', 'transaction', 'db']) {
    const transaction = db.transaction('a', 'readwrite');
    const request = transaction.objectStore('a').put(1, 1);
    ({ request, transaction, db })[place].addEventListener('success', () => { throw new Error('mine'); }, { capture: true, once: true });
    await assert.rejects(finished(transaction), domException('AbortError'));
    assert.equal(request.error, null, 'the request itself has succeeded');
  }
  assert.equal(errors.length, 3);
  assert.equal(await result(db.transaction('a').objectStore('a').count()), 0);
});

test('5.10 error: preventDefault() anywhere keeps the transaction, an exception aborts it with an AbortError all the same', async (t) => {
  reported(t);
  const db = await openDatabase((created) => created.createObjectStore('a').put(1, 1));
  for (const place of ['request', 'transaction', 'db']) {
    for (const throws of [false, true]) {
      const transaction = db.transaction('a', 'readwrite');
      const request = transaction.objectStore('a').add(2, 1);
      const later = transaction.objectStore('a').put('later', 2);
      ({ request, transaction, db })[place].addEventListener('error', (event) => {
        assert.deepEqual([event.type, event.bubbles, event.cancelable], ['error', true, true]);
        event.preventDefault();
        if (throws) throw new Error('mine');
      }, { once: true });
      if (!throws) {
        await finished(transaction);
        assert.deepEqual([request.error.name, request.result, later.result, transaction.error], ['ConstraintError', undefined, 2, null]);
      } else {
        // The errors of what came after it bubble to the same place.
        await assert.rejects(finished(transaction), domException('AbortError'));
        assert.equal(later.error.name, 'AbortError');
      }
    }
  }
});

test('5.10 error: unhandled it aborts with that error, and what came before it is taken back', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a').put(1, 1));
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  store.put('before', 2);
  const request = store.add('again', 1);
  const after = store.put('after', 3);
  await assert.rejects(finished(transaction), domException('ConstraintError'));
  assert.equal(transaction.error, request.error);
  assert.equal(after.error.name, 'AbortError');
  assert.deepEqual(await result(db.transaction('a').objectStore('a').getAllKeys()), [1]);
});

test('5.6 execute a request: in an error listener the transaction is active, and requests placed there are executed', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a').put(1, 1));
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  const request = store.add(2, 1);
  request.onerror = (event) => { event.preventDefault(); store.put('instead', 2); };
  await finished(transaction);
  assert.equal(await result(db.transaction('a').objectStore('a').get(2)), 'instead');
});

test('4.1 request: result and error while it is pending, source, transaction, readyState', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a').createIndex('i', 'x'));
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  const index = store.index('i');
  const requests = [[store.put({ x: 1 }, 1), store], [store.get(1), store], [index.get(1), index], [index.openCursor(), index], [index.count(), index]];
  for (const [request, source] of requests) {
    assert.equal(request.readyState, 'pending');
    assert.throws(() => request.result, domException('InvalidStateError'));
    assert.throws(() => request.error, domException('InvalidStateError'));
    assert.equal(request.source, source);
    assert.equal(request.transaction, transaction);
  }
  await finished(transaction);
  for (const [request] of requests) assert.deepEqual([request.readyState, request.error, request.transaction], ['done', null, transaction]);
});

test('5.6 execute a request: one that fails after commit() aborts with its error, whatever its listener says', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').put('first', 1));
  const transaction = db.transaction('s', 'readwrite');
  const names = [];
  transaction.objectStore('s').put('other', 2);
  transaction.objectStore('s').add('second', 1).onerror = (event) => {
    names.push(event.target.error.name);
    event.preventDefault();
  };
  transaction.commit();
  await assert.rejects(finished(transaction), domException('ConstraintError'));
  assert.deepEqual(names, ['AbortError']);
  assert.equal(await result(db.transaction('s').objectStore('s').count()), 1);
});

'use strict';

// Lifetime, scheduling and commit of transactions: https://w3c.github.io/IndexedDB/#transaction-lifecycle

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { domException, finished, openDatabase, result } = require('./support.js');

const createStores = (db) => ['a', 'b'].forEach((name) => db.createObjectStore(name));

function isActive(transaction, name = 'a') {
  try {
    transaction.objectStore(name).get(0);
    return true;
  } catch (error) {
    assert.ok(domException('TransactionInactiveError')(error) || domException('InvalidStateError')(error));
    return false;
  }
}

test('a transaction is active in the script that made it and in the microtasks after it, not later', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a');
  const completed = finished(transaction);
  await null;
  await null;
  assert.equal(isActive(transaction), true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isActive(transaction), false);
  await completed;
});

test('a chain of awaited requests stays in one transaction', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const completed = finished(transaction);
  const store = transaction.objectStore('a');
  for (let i = 0; i < 20; i += 1) {
    await result(store.put(i, i));
    await null;
    assert.equal(await result(store.get(i)), i);
  }
  assert.equal(await result(store.count()), 20);
  await completed;
});

test('a transaction commits by itself once nothing more is asked of it', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const order = [];
  transaction.objectStore('a').put(1, 1).onsuccess = () => order.push('success');
  transaction.oncomplete = () => order.push('complete');
  await finished(transaction);
  assert.deepEqual(order, ['success', 'complete']);
  await delay(0);
  assert.throws(() => transaction.objectStore('a'), domException('InvalidStateError'));
});

test('an empty transaction completes', async () => {
  const db = await openDatabase(createStores);
  assert.equal(await finished(db.transaction(['a', 'b'], 'readwrite')), 'complete');
});

test('overlapping readwrite transactions run in the order of their creation, others do not wait', async () => {
  const db = await openDatabase(createStores);
  const order = [];
  const run = (name, stores, mode) => {
    const transaction = db.transaction(stores, mode);
    const store = transaction.objectStore(stores[0]);
    store.get(0).onsuccess = () => {
      order.push(`${name} begins`);
      store.get(0).onsuccess = () => order.push(`${name} ends`);
    };
    return finished(transaction);
  };
  await Promise.all([
    run('first', ['a'], 'readwrite'),
    run('second', ['a'], 'readonly'),
    run('third', ['a', 'b'], 'readwrite'),
  ]);
  assert.deepEqual(order, ['first begins', 'first ends', 'second begins', 'second ends', 'third begins', 'third ends']);
});

test('a readonly transaction does not see what is written after it began', async () => {
  const db = await openDatabase(createStores);
  const reader = db.transaction('a');
  const writer = db.transaction('a', 'readwrite');
  writer.objectStore('a').put('written', 1);
  const store = reader.objectStore('a');
  for (let i = 0; i < 5; i += 1) assert.equal(await result(store.get(1)), undefined);
  await finished(writer);
  assert.equal(await result(db.transaction('a').objectStore('a').get(1)), 'written');
});

test('commit() ends the transaction without waiting for events, and its requests still succeed', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite', { durability: 'strict' });
  assert.equal(transaction.durability, 'strict');
  const put = result(transaction.objectStore('a').put(1, 1));
  transaction.commit();
  assert.throws(() => transaction.objectStore('a').put(2, 2), domException('TransactionInactiveError'));
  assert.throws(() => transaction.commit(), domException('InvalidStateError'));
  assert.throws(() => transaction.abort(), domException('InvalidStateError'));
  assert.equal(await put, 1);
  await finished(transaction);
});

test('a request that fails after commit() aborts the transaction with its error', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  store.add(1, 1);
  store.add(2, 1).onerror = (event) => event.preventDefault();
  transaction.commit();
  await assert.rejects(finished(transaction), domException('ConstraintError'));
});

test('durability is default unless given, and checked', async () => {
  const db = await openDatabase(createStores);
  assert.equal(db.transaction('a').durability, 'default');
  assert.equal(db.transaction('a', 'readonly', { durability: 'relaxed' }).durability, 'relaxed');
  assert.throws(() => db.transaction('a', 'readonly', { durability: 'some' }), TypeError);
});

test('arguments are checked in the order of the standard', async () => {
  const db = await openDatabase(createStores);
  assert.throws(() => db.transaction('none'), domException('NotFoundError'));
  assert.throws(() => db.transaction([]), domException('InvalidAccessError'));
  assert.throws(() => db.transaction('a', 'versionchange'), TypeError);
  assert.throws(() => db.transaction('a', 'other'), TypeError);
  assert.throws(() => db.transaction('a').objectStore('b'), domException('NotFoundError'));
  db.close();
  assert.throws(() => db.transaction('a'), domException('InvalidStateError'));
});

test('the same name gives the same object store object', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction(['b', 'a', 'b']);
  assert.equal(transaction.objectStore('a'), transaction.objectStore('a'));
  assert.deepEqual([...transaction.objectStoreNames], ['a', 'b']);
});

test('readonly transactions refuse to write', async () => {
  const db = await openDatabase(createStores);
  const store = db.transaction('a').objectStore('a');
  for (const write of [() => store.put(1, 1), () => store.add(1, 1), () => store.delete(1), () => store.clear()]) {
    assert.throws(write, domException('ReadOnlyError'));
  }
});

test('the transaction is not active while a value is cloned', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  let wasActive;
  const value = {
    get property() {
      wasActive = isActive(transaction);
      return 1;
    },
  };
  await result(transaction.objectStore('a').put(value, 1));
  assert.equal(wasActive, false);
});

test('the contents of Blobs are read before the put is done', async () => {
  const db = await openDatabase(createStores);
  const store = db.transaction('a', 'readwrite').objectStore('a');
  const put = result(store.put({ blob: new Blob(['text'], { type: 'text/plain' }) }, 1));
  const { blob } = await result(store.get(1));
  assert.equal(await put, 1);
  assert.equal(await blob.text(), 'text');
  assert.equal(blob.type, 'text/plain');
});

/** A Blob that cannot be read, as one of a file that is gone. */
function unreadableBlob() {
  return Object.assign(new Blob(['text']), { arrayBuffer: () => Promise.reject(new Error('gone')) });
}

test('a Blob that cannot be read fails its request when its turn comes, and nothing else', async (t) => {
  const unhandled = t.mock.fn();
  process.on('unhandledRejection', unhandled);
  const db = await openDatabase(createStores);
  let waits = true;
  const earlier = db.transaction('a', 'readwrite').objectStore('a');
  const wait = () => {
    if (waits) earlier.get(0).onsuccess = wait;
  };
  wait();
  const transaction = db.transaction('a', 'readwrite');
  const put = transaction.objectStore('a').put(unreadableBlob(), 1);
  put.onerror = (event) => event.preventDefault();
  const aborted = db.transaction('b', 'readwrite');
  aborted.objectStore('b').put(unreadableBlob(), 1);
  aborted.abort();
  await delay(20);
  waits = false;
  assert.equal(await finished(transaction), 'complete');
  assert.deepEqual([put.error.name, put.error.message], ['UnknownError', 'gone']);
  process.off('unhandledRejection', unhandled);
  assert.equal(unhandled.mock.callCount(), 0);
});

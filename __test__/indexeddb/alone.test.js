'use strict';

// A transaction that nothing else is going on beside, in memory, is begun with its first request, and committed with it if nobody hears of
// its success. Goal: nobody can tell. Where something happens besides, it is like any other.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBFactory, forceCloseDatabase } = require('../../index.js');
const { domException, finished, openDatabase, result } = require('./support.js');

const open = (factory, version) => openDatabase((db) => {
  db.createObjectStore('s');
  db.createObjectStore('t');
}, { factory, version });

const putOne = (db, value, key = 1, store = 's') => {
  const transaction = db.transaction(store, 'readwrite');
  transaction.objectStore(store).put(value, key);
  return transaction;
};

const valueOf = (db, key = 1, store = 's') => result(db.transaction(store).objectStore(store).get(key));

test('transactions of one request that nobody listens to', async () => {
  const db = await open();
  for (let i = 0; i < 50; i += 1) {
    const transaction = db.transaction('s', 'readwrite');
    const request = transaction.objectStore('s').put(i, i % 7);
    assert.equal(request.readyState, 'pending');
    await finished(transaction);
    assert.equal(request.readyState, 'done');
    assert.equal(request.result, i % 7);
  }
  assert.deepEqual(await result(db.transaction('s').objectStore('s').getAll()), [49, 43, 44, 45, 46, 47, 48]);
  await finished(putOne(db, 'cleared'));
  const transaction = db.transaction('s', 'readwrite');
  transaction.objectStore('s').clear();
  transaction.commit();
  await finished(transaction);
  assert.equal(await valueOf(db), undefined);
});

test('a request that fails aborts, and nothing of it stays', async () => {
  const db = await open();
  await finished(putOne(db, 'first'));
  const transaction = db.transaction('s', 'readwrite');
  const request = transaction.objectStore('s').add('second', 1);
  await assert.rejects(finished(transaction), domException('ConstraintError'));
  assert.equal(request.error.name, 'ConstraintError');
  assert.equal(await valueOf(db), 'first');
  const handled = db.transaction('s', 'readwrite');
  handled.objectStore('s').add('third', 1).onerror = (event) => event.preventDefault();
  await finished(handled);
});

test('who listens to the success may go on, wherever the listener is and whenever it comes', async () => {
  const db = await open();
  const places = {
    request: (listen, request) => request.addEventListener('success', listen),
    transaction: (listen, { transaction }) => transaction.addEventListener('success', listen, true),
    database: (listen) => db.addEventListener('success', listen, { capture: true, once: true }),
  };
  for (const [place, listenAt] of Object.entries(places)) {
    const transaction = db.transaction('s', 'readwrite');
    const request = transaction.objectStore('s').put(0, place);
    let gone = false;
    const listen = () => {
      if (gone) return;
      gone = true;
      transaction.objectStore('s').put('more', place);
    };
    await Promise.resolve();
    listenAt(listen, request);
    await finished(transaction);
    assert.equal(await valueOf(db, place), 'more', place);
  }
});

test('abort() leaves nothing, before and after the request was executed', async () => {
  const db = await open();
  const unsent = putOne(db, 'unsent');
  unsent.abort();
  await assert.rejects(finished(unsent));
  const empty = db.transaction('s', 'readwrite');
  empty.abort();
  await assert.rejects(finished(empty));
  const sent = db.transaction('s', 'readwrite');
  sent.objectStore('s').put('sent', 1).onsuccess = () => sent.abort();
  await assert.rejects(finished(sent));
  assert.equal(await valueOf(db), undefined);
});

test('one without requests completes, and one behind it', async () => {
  const db = await open();
  await finished(db.transaction('s'));
  const order = [];
  const first = db.transaction('s', 'readwrite');
  first.oncomplete = () => order.push('first');
  const second = putOne(db, 1);
  second.oncomplete = () => order.push('second');
  await finished(second);
  assert.deepEqual(order, ['first', 'second']);
});

test('those that are made besides wait for it, in the order in which they were made', async () => {
  const db = await open();
  const order = [];
  const note = (name, transaction) => {
    transaction.addEventListener('complete', () => order.push(name));
    return finished(transaction);
  };
  const first = db.transaction('s', 'readwrite');
  const store = first.objectStore('s');
  store.put(1, 1).onsuccess = () => {
    order.push('put');
    store.put(2, 1);
  };
  const all = [note('first', first)];
  const reader = db.transaction('s');
  reader.objectStore('s').get(1).onsuccess = ({ target }) => order.push(`read ${target.result}`);
  all.push(note('reader', reader), note('other', putOne(db, 'x', 1, 't')), note('last', putOne(db, 3)));
  await Promise.all(all);
  assert.deepEqual(order.filter((name) => name !== 'other'), ['put', 'first', 'read 2', 'reader', 'last']);
  assert.equal(await valueOf(db), 3);
});

test('closing, opening anew and deleting come behind it', async () => {
  const factory = new IDBFactory();
  const db = await open(factory, 1);
  const closing = putOne(db, 'kept');
  db.close();
  const upgraded = openDatabase((_, transaction) => assert.equal(transaction.db.version, 2), { factory, version: 2 });
  await finished(closing);
  const again = await upgraded;
  assert.equal(await valueOf(again), 'kept');
  const before = putOne(again, 'deleted');
  const order = [];
  before.oncomplete = () => order.push('complete');
  again.onversionchange = () => again.close();
  await result(factory.deleteDatabase('database'));
  assert.deepEqual(order, ['complete']);
  const last = putOne(await open(factory), 'closed with the factory');
  await Promise.all([factory.close(), finished(last)]);
});

test('a forced close aborts it', async () => {
  const db = await open();
  const transaction = putOne(db, 1);
  const aborted = assert.rejects(finished(transaction));
  forceCloseDatabase(db);
  await aborted;
});

test('several connections and databases of a world', async () => {
  const factory = new IDBFactory();
  const [db, twin] = [await open(factory), await open(factory)];
  const other = await openDatabase((created) => created.createObjectStore('s'), { factory, name: 'other' });
  for (let i = 0; i < 20; i += 1) {
    const make = [() => putOne(db, i), () => putOne(twin, i + 100), () => putOne(other, i)].slice(0, 1 + (i % 3));
    await Promise.all(make.map((one) => finished(one())));
    assert.equal(await valueOf(db), i % 3 > 0 ? i + 100 : i);
  }
  assert.equal(await valueOf(other), 17);
});

test('large requests and answers, and many in one', async () => {
  const db = await open();
  const large = 'x'.repeat(3_000_000);
  await finished(putOne(db, large));
  assert.equal((await valueOf(db)).length, large.length);
  const transaction = db.transaction('s', 'readwrite');
  for (let i = 0; i < 1000; i += 1) transaction.objectStore('s').put('y'.repeat(500), i);
  await finished(transaction);
  assert.equal((await result(db.transaction('s').objectStore('s').getAll())).length, 1000);
  const blobs = db.transaction('s', 'readwrite');
  blobs.objectStore('s').put(new Blob(['content']), 'blob');
  await finished(blobs);
  assert.equal(await (await valueOf(db, 'blob')).text(), 'content');
});

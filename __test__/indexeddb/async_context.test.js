'use strict';

// In which asynchronous context listeners run: docs/indexeddb.md, Timing.

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('node:async_hooks');
const { test } = require('node:test');
const { IDBFactory } = require('../../index.js');
const { finished, result } = require('./support.js');

const storage = new AsyncLocalStorage();

test('listeners see the context of the call that began what they hear of', async () => {
  const seen = [];
  const note = (target, types) => {
    for (const type of types) target.addEventListener(type, () => seen.push(`${type} ${storage.getStore()}`));
  };
  const factory = new IDBFactory();
  const open = storage.run('open', () => factory.open('d'));
  note(open, ['success', 'upgradeneeded']);
  open.addEventListener('upgradeneeded', () => {
    open.result.createObjectStore('s');
    note(open.transaction, ['complete']);
  });
  const db = await result(open);
  const transactions = [1, 2].map((name) => storage.run(name, () => db.transaction('s', 'readwrite')));
  for (const transaction of transactions) {
    note(transaction, ['complete', 'error']);
    const store = transaction.objectStore('s');
    note(storage.run('put', () => store.put(1, 1)), ['success']);
    const failing = storage.run('add', () => store.add(2, 1));
    failing.onerror = (event) => { event.preventDefault(); seen.push(`onerror ${storage.getStore()}`); };
  }
  await Promise.all(transactions.map(finished));
  note(db, ['versionchange']);
  db.addEventListener('versionchange', () => db.close());
  const deletion = storage.run('delete', () => factory.deleteDatabase('d'));
  note(deletion, ['success']);
  await result(deletion);
  const one = (name) => ['success put', 'onerror add', 'error add', `complete ${name}`];
  assert.deepEqual(seen, [
    'upgradeneeded open', 'complete open', 'success open', ...one(1), ...one(2), 'versionchange open', 'success delete',
  ]);
});

test('microtasks of a listener keep its context, and dispatchEvent() the one of its caller', async () => {
  const request = storage.run('open', () => new IDBFactory().open('d'));
  const inMicrotask = await new Promise((resolve) => {
    request.onsuccess = () => Promise.resolve().then(() => resolve(storage.getStore()));
  });
  assert.equal(inMicrotask, 'open');
  let seen;
  request.addEventListener('mine', () => { seen = storage.getStore(); });
  storage.run('caller', () => request.dispatchEvent(new Event('mine')));
  assert.equal(seen, 'caller');
});

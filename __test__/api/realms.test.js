'use strict';

// Goal: the record API says the same where a test runner loads its modules in a vm context: the native library, and what it makes, are of another realm.
// Method: a loader as such runners have one; each kind of change, failing and not.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const vm = require('node:vm');
const { directory } = require('../fixture.js');
const { GIVEN, loaderOf } = require('../support/realm.js');

function loadInContext() {
  const context = vm.createContext(Object.fromEntries([...GIVEN, 'AbortController'].map((name) => [name, globalThis[name]])));
  return loaderOf(context)(require.resolve('../../index.js'));
}

/** One of each kind. */
const CHANGES = {
  'put ifAbsent': (db) => db.kv.put('new', 1, { ifAbsent: true }),
  compareAndSet: (db) => db.kv.compareAndSet('there', 1, 2),
  increment: (db) => db.kv.increment('counter'),
  'patch of what is there': (db) => db.kv.patch('there', () => 5),
  'patch of what is not': (db) => db.kv.patch('missing', () => 5),
  getOrSet: (db) => db.kv.getOrSet('loaded', () => 1),
  'kv.deleteRange': (db) => db.kv.deleteRange({ prefix: 't' }),
  'kv.clear': (db) => db.kv.clear(),
  'series.delete': (db) => db.series.delete('s', { from: 1 }),
  'series.clear': (db) => db.series.clear(),
  'series.put': (db) => db.series.put('s', 1, { ts: 1, duplicates: 'error' }),
};

test('changes that fail are rejected in a realm of its own', async (t) => {
  const { FlowDBError, open } = loadInContext();
  const path = directory(t);
  const writable = await open(path);
  await writable.kv.put('there', 1);
  await writable.close();
  const db = await open(path, { readOnly: true });
  for (const [name, change] of Object.entries(CHANGES)) {
    const error = await change(db).then(() => undefined, (reason) => reason);
    assert.equal(error?.code, 'FLOWDB_READ_ONLY', name);
    assert.ok(error instanceof FlowDBError, name);
  }
  await db.close();
});

test('changes that do not fail are answered there', async () => {
  const { open } = loadInContext();
  const db = await open({ memory: true });
  await db.kv.put('there', 1);
  const answers = [];
  for (const change of Object.values(CHANGES)) answers.push(await change(db));
  assert.deepEqual(answers, [true, true, 1, 5, 5, 1, undefined, undefined, undefined, undefined, undefined]);
  await db.kv.put('text', 'five');
  // One call of the native side makes them all.
  const all = await Promise.allSettled([db.kv.increment('text'), db.kv.increment('counter'), db.kv.increment('text')]);
  assert.deepEqual(all.map(({ status, value }) => [status, value]), [['rejected', undefined], ['fulfilled', 1], ['rejected', undefined]]);
  await db.close();
});

test('values of all types are what they were there', async () => {
  const { open } = loadInContext();
  const db = await open({ memory: true });
  const buffer = new Float64Array([1.5, 2]).buffer;
  await db.kv.put('k', { date: new Date(5), map: new Map([[1, [2]]]), views: [new Float64Array(buffer), new Uint8Array(buffer, 8)] });
  const { date, map, views } = await db.kv.get('k');
  assert.equal(date.getTime(), 5);
  assert.equal(map.get(1)[0], 2);
  assert.equal(views[0].buffer, views[1].buffer);
  assert.equal(views[0][1], 2);
  await db.close();
});

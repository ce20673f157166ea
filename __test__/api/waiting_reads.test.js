'use strict';

// Reads that have to wait, for large writes before them or for the disk: what they see, and what becomes of them when they fail or their snapshot is closed.

const assert = require('node:assert/strict');
const { closeSync, openSync, readdirSync, statSync, writeSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');
const { open } = require('../../index.js');

/** The handle's thread has to write this, and needs some milliseconds for it. */
const LARGE_BYTES = 8 * 1024 * 1024;
const KEYS = Array.from({ length: 2000 }, (_, index) => `key ${String(index).padStart(4, '0')}`);

/**
 * A database whose tables hold KEYS, and whose memory holds none of them.
 *
 * @param {import('node:test').TestContext} t
 * @param {(directory: string) => void} [meanwhile] called while it is closed
 */
async function cold(t, meanwhile) {
  const where = directory(t);
  const first = await open({ path: where, compression: 'none' });
  await first.batch(KEYS.map((key) => ({ type: 'put', key, value: key.repeat(50) })));
  await first.series.put('s', 1, { ts: 1 });
  await first.flush();
  await first.close();
  meanwhile?.(where);
  return database(t, { path: where });
}

/** @param {any} db  @param {object} [options] */
function readsOf(db, options = {}) {
  return {
    get: db.kv.get('x', options), has: db.kv.has('y', options), getMany: db.kv.getMany(['x', 'y'], options),
    latest: db.series.latest('s', options).then(({ value }) => value), getAt: db.series.get('s', { ts: 1, ...options }),
    scan: db.kv.scan({ gte: 'x', keys: false, ...options }).all(), step: db.kv.scan({ gte: 'x', keys: false, ...options }).batches().next(),
    count: db.kv.count({ gte: 'x', ...options }), latestOfEach: db.series.latestOfEach(options).then(([{ value }]) => value),
    aggregate: db.series.aggregate({ agg: 'sum', ...options }).then(([{ sum }]) => sum),
  };
}

/** @param {Record<string, Promise<any>>} calls */
async function answersOf(calls) {
  return Object.fromEntries(await Promise.all(Object.entries(calls).map(async ([name, call]) => [name, await call])));
}

const OLD = {
  get: 'old', has: false, getMany: ['old', undefined], latest: 1, getAt: 1, scan: ['old'], step: { done: false, value: ['old'] }, count: 1,
  latestOfEach: 1, aggregate: 1,
};
const NEW = {
  get: 'new', has: true, getMany: ['new', 'new'], latest: 2, getAt: 2, scan: ['new', 'new'], step: { done: false, value: ['new'] }, count: 2,
  latestOfEach: 2, aggregate: 2,
};

for (const name of ['large puts', 'changes']) {
  test(`reads behind ${name} have their place among the writes`, async (t) => {
    const db = await database(t);
    const hold = () => (name === 'changes' ? db.kv.increment('n') : db.put('large', Buffer.alloc(LARGE_BYTES)));
    await Promise.all([db.put('x', 'old'), db.series.put('s', 1, { ts: 1 })]);
    const writes = [hold()];
    const before = readsOf(db);
    const snapshot = db.snapshot();
    writes.push(db.put('x', 'new'), db.put('y', 'new'), db.series.put('s', 2, { ts: 1 }), hold());
    const behind = readsOf(db);
    writes.push(db.clear());
    assert.deepEqual(await answersOf(before), OLD);
    assert.deepEqual(await answersOf(behind), NEW);
    await Promise.all(writes);
    assert.deepEqual(await answersOf(readsOf(db, { snapshot: await snapshot })), OLD);
    assert.equal(await db.kv.count(), 0);
  });
}

test('a database that is closed behind reads that wait answers them', async () => {
  const db = await open({ memory: true });
  await Promise.all([db.put('x', 'old'), db.series.put('s', 1, { ts: 1 })]);
  const writes = [db.put('large', Buffer.alloc(LARGE_BYTES))];
  const { step, ...reads } = readsOf(db);
  // It has begun, but a page that is asked for after the end does not come any more.
  const ended = assert.rejects(step, { code: 'FLOWDB_CLOSED' });
  writes.push(db.put('x', 'new'), db.close());
  const { step: _, ...old } = OLD;
  assert.deepEqual(await answersOf(reads), old);
  await Promise.all([ended, ...writes]);
});

test('a read of the disk that fails is told to its caller alone, whatever is being written', async (t) => {
  const db = await cold(t, damage);
  let damaged;
  for (const key of KEYS) {
    damaged = await db.get(key).then(() => undefined, (error) => ({ key, code: error.code }));
    if (damaged) break;
  }
  assert.equal(damaged?.code, 'FLOWDB_CORRUPTION');
  const snapshot = await db.snapshot();
  // A rejection that nobody handles at once would fail this test.
  const large = db.put('large', Buffer.alloc(60 * 1024 * 1024));
  await assert.rejects(db.get(damaged.key, { snapshot }), { code: 'FLOWDB_CORRUPTION' });
  await large;
  const open = db.put('another', Buffer.alloc(63 * 1024));
  await assert.rejects(db.get(damaged.key), { code: 'FLOWDB_CORRUPTION' });
  await open;
});

/** Writes over the middle of the only table. */
function damage(/** @type {string} */ where) {
  const [table] = readdirSync(where).filter((name) => name.endsWith('.table')).map((name) => path.join(where, name))
    .sort((one, other) => statSync(other).size - statSync(one).size);
  const file = openSync(table, 'r+');
  writeSync(file, Buffer.alloc(20_000, 0x55), 0, 20_000, Math.floor(statSync(table).size / 2));
  closeSync(file);
}

test('a snapshot may be closed right behind a read, wherever the value is', async (t) => {
  const db = await cold(t);
  const held = async () => Number(/^flowdb_snapshots_held (\d+)$/m.exec(await db.metricsText())?.[1]);
  const read = async (/** @type {(snapshot: any) => any} */ call) => {
    const snapshot = await db.snapshot();
    const answer = call(snapshot);
    snapshot.close();
    await assert.rejects(db.get(KEYS[0], { snapshot }), { code: 'FLOWDB_CLOSED' });
    return answer;
  };
  for (const where of ['on disk', 'in memory', 'behind a large write']) {
    const large = where === 'behind a large write' ? db.put('large', Buffer.alloc(LARGE_BYTES)) : undefined;
    const values = await Promise.all([
      read((snapshot) => db.get(KEYS[7], { snapshot })),
      read((snapshot) => db.kv.getMany(KEYS, { snapshot })),
      read((snapshot) => db.kv.scan({ snapshot, prefix: 'key' }).all()),
      read((snapshot) => db.kv.count({ snapshot, prefix: 'key' })),
      read((snapshot) => db.series.latestOfEach({ snapshot })),
      read((snapshot) => db.series.aggregate({ snapshot, agg: 'sum' })),
    ]);
    assert.deepEqual(values, [
      KEYS[7].repeat(50), KEYS.map((key) => key.repeat(50)), KEYS.map((key) => ({ key, value: key.repeat(50) })), KEYS.length,
      [{ key: 's', ts: 1, value: 1 }], [{ key: 's', sum: 1 }],
    ], where);
    await large;
    assert.equal(await held(), 0, where);
  }
});

test('gets of one turn are all answered by the disk, one alone and more than a worker takes at a time', async (t) => {
  const db = await cold(t);
  assert.equal(await db.kv.get(KEYS[1000]), KEYS[1000].repeat(50));
  const asked = [...KEYS, 'missing'];
  const values = await Promise.all(asked.map((key) => db.kv.get(key)));
  assert.deepEqual(values, [...KEYS.map((key) => key.repeat(50)), undefined]);
});

'use strict';

// A call that was only begun keeps the process until it has settled, whichever it is: nobody waits for it, and nothing else is there to be done.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { IDBFactory, open } = require('../../index.js');
const { ROOT, directory, run } = require('../fixture.js');

const LARGE = "'x'.repeat(300_000)";

/** Each in a process of its own, from `db`, opened on data of which nothing is in memory. The handle is let go of with the call. */
const CALLS = {
  'get from disk': "db.kv.get('large')",
  getMany: "db.kv.getMany(['k1', 'large'])",
  has: "db.kv.has('k1')",
  'a scan': 'db.kv.scan().all()',
  'series.scan': 'db.series.scan().all()',
  'series.latest': "db.series.latest('s')",
  'series.aggregate': "db.series.aggregate({ key: 's', window: 10, agg: 'count' })",
  'series.latestOfEach': 'db.series.latestOfEach()',
  count: 'db.kv.count()',
  'a synced delete': "db.kv.delete('k1', { sync: true })",
  deleteRange: "db.kv.deleteRange({ prefix: 'k' })",
  batch: `db.batch([{ type: 'put', key: 'b', value: ${LARGE} }], { sync: true })`,
  'compareAndSet of a large value': `db.kv.compareAndSet('large', ${LARGE}, 1)`,
  increment: "db.kv.increment('n', 1, { sync: true })",
  patch: "db.kv.patch('large', (value) => value.length)",
  getOrSet: "db.kv.getOrSet('new', () => new Promise((resolve) => { setTimeout(resolve, 5, 1); }))",
  checkpoint: "db.checkpoint(process.argv[1] + '-checkpoint')",
  flush: 'db.flush()',
  compact: 'db.compact()',
  snapshot: 'db.snapshot()',
  stats: 'db.stats()',
  close: 'db.close()',
};

/** The same without an open handle. */
const STATIC = {
  open: 'open(process.argv[1])',
  verify: 'Database.verify(process.argv[1])',
  repair: "Database.repair(process.argv[1], process.argv[1] + '-repaired')",
  destroy: 'Database.destroy(process.argv[1])',
};

/** @param {string} where */
async function fill(where) {
  const db = await open(where);
  await db.batch(Array.from({ length: 500 }, (_, index) => ({ type: 'put', key: `k${index}`, value: 'x'.repeat(500) })));
  await db.batch(Array.from({ length: 500 }, (_, index) => ({ type: 'put', key: 's', value: index, ts: index })));
  await db.put('large', 'x'.repeat(300_000));
  await db.flush();
  await db.close();
}

/**
 * @param {import('node:test').TestContext} t
 * @param {string} source
 */
async function settles(t, source) {
  const where = path.join(directory(t), 'database');
  await fill(where);
  const { code, output } = await run(source, { args: [where] });
  assert.deepEqual([code, output.trim()], [0, 'settled']);
}

const SETTLED = "() => console.log('settled')";

for (const [name, call] of Object.entries(CALLS)) {
  test(`a call that was begun keeps the process: ${name}`, (t) => settles(t, `
    open({ path: process.argv[1], blockCacheBytes: 0 }).then((db) => { ${call}.then(${SETTLED}); });
  `));
}

for (const [name, call] of Object.entries(STATIC)) {
  test(`a call that was begun keeps the process: ${name}`, (t) => settles(t, `
    const { Database } = require(${JSON.stringify(ROOT)});
    ${call}.then(${SETTLED});
  `));
}

const OPEN = `
  const { IDBFactory } = require(${JSON.stringify(ROOT)});
  const factory = new IDBFactory({ path: process.argv[1] });
  const settled = ${SETTLED};
`;

/** From `db`, a connection with the store `s`, in which the key 1 is there. */
const TRANSACTIONS = {
  'a strict transaction': `const write = db.transaction('s', 'readwrite', { durability: 'strict' }); write.objectStore('s').put(${LARGE}, 2); write.oncomplete = settled;`,
  'a relaxed one': `const write = db.transaction('s', 'readwrite'); write.objectStore('s').put(${LARGE}, 2); write.oncomplete = settled;`,
  'an empty one': "db.transaction('s').oncomplete = settled;",
  'an aborted one': "const write = db.transaction('s', 'readwrite'); write.onabort = settled; write.abort();",
  'a get': "db.transaction('s').objectStore('s').get(1).onsuccess = settled;",
  'a cursor': "db.transaction('s').objectStore('s').openCursor().onsuccess = ({ target }) => { if (target.result) target.result.continue(); else settled(); };",
  'a deletion of the database': "db.close(); factory.deleteDatabase('d').onsuccess = settled;",
  'a list of databases': 'factory.databases().then(settled);',
  'a close of the factory': 'factory.close().then(settled);',
};

/** @param {string} where */
async function fillDocuments(where) {
  const factory = new IDBFactory({ path: where });
  await new Promise((resolve, reject) => {
    const opening = factory.open('d');
    opening.onupgradeneeded = () => opening.result.createObjectStore('s').put('x'.repeat(300_000), 1);
    opening.onsuccess = resolve;
    opening.onerror = reject;
  });
  await factory.close();
}

for (const [name, steps] of Object.entries(TRANSACTIONS)) {
  test(`a request of IndexedDB keeps the process: ${name}`, async (t) => {
    const where = directory(t);
    await fillDocuments(where);
    const { code, output } = await run(`${OPEN} factory.open('d').onsuccess = ({ target: { result: db } }) => { ${steps} };`, { args: [where] });
    assert.deepEqual([code, output.trim()], [0, 'settled']);
  });
}

test('a version upgrade keeps the process', async (t) => {
  const { code, output } = await run(`${OPEN}
    const opening = factory.open('new');
    opening.onupgradeneeded = () => { opening.result.createObjectStore('s').put(${LARGE}, 1); opening.transaction.oncomplete = settled; };
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim()], [0, 'settled']);
});

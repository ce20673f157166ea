'use strict';

// A whole compaction is a piece of work for each of its slices: a thread or a process that ends does not wait for its end.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { Database, open } = require('../../index.js');
const { ROOT, directory, runBare } = require('../fixture.js');

const KEYS = 20_000;

/**
 * A database that takes many slices to compact, and of which nothing is due.
 *
 * @param {string} where
 */
async function filled(where) {
  const db = await open({ path: where, compression: 'none', writeBufferBytes: 256 * 1024 * 1024 });
  for (let round = 0; round < 3; round += 1) {
    await db.batch(Array.from({ length: KEYS }, (_, index) => ({ type: 'put', key: `k${index}`, value: `${round}${'x'.repeat(1000)}` })));
    await db.flush();
  }
  return db;
}

/** Compacts `workerData.path`, and says when it has begun. */
const COMPACTS = `
  const { parentPort, workerData } = require('node:worker_threads');
  require(workerData.root).open(workerData.path).then((db) => {
    db.compact();
    setImmediate(() => parentPort.postMessage('begun'));
  });
`;

/** @param {import('../../index.js').Database} db */
async function assertUnfinished(db) {
  assert.ok((await db.stats()).trees.kv.tableEntries > KEYS, 'it was waited for');
  await db.compact();
  assert.equal((await db.stats()).trees.kv.tableEntries, KEYS);
}

test('a thread that is terminated does not wait for its compaction', async (t) => {
  const where = directory(t);
  const db = await filled(where);
  const thread = new Worker(COMPACTS, { eval: true, workerData: { path: where, root: ROOT } });
  await once(thread, 'message');
  await thread.terminate();
  await assertUnfinished(db);
  await db.close();
  const { problems, notes } = await Database.verify(where);
  assert.deepEqual([problems, notes], [[], []]);
});

test('a process that exits does not wait for the compaction of its thread', async (t) => {
  const where = directory(t);
  await (await filled(where)).close();
  const { code, output } = await runBare(`
    const { Worker } = require('node:worker_threads');
    const workerData = { path: process.argv[1], root: ${JSON.stringify(ROOT)} };
    new Worker(${JSON.stringify(COMPACTS)}, { eval: true, workerData }).on('message', () => process.exit(7));
  `, { args: [where] });
  assert.deepEqual([code, output], [7, '']);
  const db = await open(where);
  await assertUnfinished(db);
  await db.close();
});

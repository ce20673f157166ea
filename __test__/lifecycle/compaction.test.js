'use strict';

// A whole compaction is a piece of work for each of its slices: a thread or a process that ends does not wait for its end. Neither does an `exit` event keep it, or
// maintenance, from going on if the process does not exit.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { Database, open } = require('../../index.js');
const { ROOT, directory, run, runBare } = require('../fixture.js');

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

test('each copy of the library is told that the process exits, and once', async (t) => {
  const copy = directory(t);
  for (const name of ['package.json', 'binding.js', 'common', ...fs.readdirSync(ROOT).filter((file) => file.endsWith('.node'))]) {
    fs.cpSync(path.join(ROOT, name), path.join(copy, name), { recursive: true });
  }
  const { code, output } = await runBare(`
    for (const root of [${JSON.stringify(ROOT)}, process.argv[1]]) {
      const file = require('node:path').join(root, 'binding.js');
      for (let round = 0; round < 2; round += 1) {
        require(file).stopMaintenance = () => console.log(root);
        delete require.cache[file];
      }
    }
  `, { args: [copy] });
  assert.deepEqual([code, output.trim().split('\n')], [0, [ROOT, copy]]);
});

test('an event that says so without an exit stops nothing', async (t) => {
  const { code, output } = await run(`
    const { setTimeout: pause } = require('node:timers/promises');
    (async () => {
      const db = await open({ path: process.argv[1], writeBufferBytes: 64 * 1024 });
      process.emit('exit', 0);
      for (let index = 0; index < 100; index += 1) await db.put('k' + index, 'x'.repeat(1000));
      for (let attempt = 0; attempt < 400 && (await db.stats()).totals.flushes === 0; attempt += 1) await pause(25);
      console.log((await db.stats()).totals.flushes > 0);
      await db.compact();
      console.log('compacted');
      await db.close();
    })();
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim().split('\n')], [0, ['true', 'compacted']]);
});

'use strict';

// How a process ends: an idle database does not keep it, pending work does, and leaving in the middle of maintenance
// neither hangs nor loses anything.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory, run } = require('../fixture.js');

test('an idle database does not keep the process alive', async (t) => {
  const { code, output } = await run(`
    (async () => {
      const db = await open(process.argv[1]);
      await db.put('k', 'x', { sync: true });
      await db.scan().all();
      console.log('idle');
    })();
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim()], [0, 'idle']);
});

test('a database that syncs at intervals does not keep the process alive either', { timeout: 300_000 }, async (t) => {
  // An interval that the test would not outlast.
  const { code, output } = await run(`
    open({ path: process.argv[1], sync: { intervalMs: 3_600_000 } }).then((db) => db.put('k', 'x')).then(() => console.log('put'));
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim()], [0, 'put']);
});

for (const [what, put] of [['small', "'x'"], ['large', "'x'.repeat(1_000_000)"]]) {
  for (const sync of [false, true]) {
    test(`pending work keeps the process alive: a ${what} put, ${sync ? '' : 'not '}synced`, async (t) => {
      const { code, output } = await run(`
        open(process.argv[1]).then((db) => { db.put('k', ${put}, { sync: ${sync} }).then(() => console.log('done')); });
      `, { args: [directory(t)] });
      assert.deepEqual([code, output.trim()], [0, 'done']);
    });
  }
}

test('process.exit in the middle of maintenance loses nothing', async (t) => {
  const dir = directory(t);
  for (let round = 0; round < 5; round += 1) {
    const { code, output } = await run(`
      (async () => {
        const db = await open({ path: process.argv[1], writeBufferBytes: 64 * 1024 });
        const round = process.argv[2];
        for (let index = 0; index < 40; index += 1) {
          await Promise.all(Array.from({ length: 100 }, (_, one) => db.put('k' + round + '/' + index + '/' + one, 'x'.repeat(300))));
        }
        process.exit(7);
      })();
    `, { args: [dir, String(round)] });
    assert.deepEqual([code, output], [7, '']);
  }
  const db = await database(t, { path: dir });
  assert.equal((await db.scan({ values: false }).all()).length, 5 * 4000);
});

test('an uncaught error ends the process as ever', async (t) => {
  const { code, output } = await run(`
    open({ path: process.argv[1], writeBufferBytes: 64 * 1024 }).then((db) => {
      for (let index = 0; index < 5000; index += 1) db.put('k' + index, 'x'.repeat(300));
      setImmediate(() => { throw new Error('mine'); });
    });
  `, { args: [directory(t)] });
  assert.equal(code, 1);
  assert.match(output, /Error: mine/);
});

test('a pool of one thread is enough', async (t) => {
  const { code, output } = await run(`
    (async () => {
      const db = await open({ path: process.argv[1], writeBufferBytes: 64 * 1024, blockCacheBytes: 0, sync: 'always' });
      const all = [];
      for (let index = 0; index < 3000; index += 1) all.push(db.put('k' + index, 'x'.repeat(300)));
      all.push(db.put('large', 'x'.repeat(3_000_000)));
      await Promise.all(all);
      await db.flush();
      const values = await Promise.all(Array.from({ length: 100 }, (_, index) => db.get('k' + index * 7)));
      console.log(values.every((value) => value.length === 300), (await db.scan({ values: false }).all()).length);
      await db.close();
    })();
  `, { args: [directory(t)], env: { UV_THREADPOOL_SIZE: '1' } });
  assert.deepEqual([code, output.trim()], [0, 'true 3001']);
});

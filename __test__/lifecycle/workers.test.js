'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { open } = require('../../index.js');
const { ROOT, database, directory, pause, runBare } = require('../fixture.js');

/**
 * @param {string} source with `open`, `path` and `parentPort`
 * @param {string} path
 */
function worker(source, path) {
  const program = `
    const { parentPort, workerData: { path, root, name } } = require('node:worker_threads');
    const { open } = require(root);
    (async () => { ${source} })();
  `;
  return new Worker(program, { eval: true, workerData: { path, root: ROOT, name: Math.random() } });
}

/** @param {Worker} thread */
function ended(thread) {
  return new Promise((resolve, reject) => {
    thread.on('error', reject);
    thread.on('exit', resolve);
  });
}

test('threads that open the same directory share it', async (t) => {
  const path = directory(t);
  const db = await database(t, { path });
  const threads = Array.from({ length: 4 }, () => worker(`
    const db = await open(path);
    await Promise.all(Array.from({ length: 100 }, (_, index) => db.put('w' + name + index, 'x', { sync: index % 10 === 0 })));
    await db.series.put('s' + name, 'x', { ts: 1 });
    await db.close();
  `, path));
  await Promise.all(threads.map(ended));
  assert.equal((await db.scan({ prefix: 'w' }).all()).length, 400);
  assert.equal((await db.series.scan().all()).length, 4);
});

test('only workers have the library, and end', async () => {
  const source = `
    require(${JSON.stringify(ROOT)}).open({ memory: true }).then(async (db) => { await db.put('k', 'x', { sync: true }); console.log('put'); });
  `;
  const { code, output } = await runBare(`
    const { Worker } = require('node:worker_threads');
    new Worker(${JSON.stringify(source)}, { eval: true }).on('exit', () => setTimeout(() => console.log('ended'), 100));
  `);
  assert.deepEqual({ code, lines: output.trim().split('\n') }, { code: 0, lines: ['put', 'ended'] });
});

test('a thread may be terminated at any moment', async (t) => {
  const path = directory(t);
  const db = await database(t, { path, writeBufferBytes: 64 * 1024 });
  const seed = Date.now() & 0xffff;
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const random = () => { state = (state * 1103515245 + 12345) & 0x7fffffff; return state / 0x7fffffff; };
  for (let round = 0; round < 25; round += 1) {
    const thread = worker(`
      const db = await open(path);
      parentPort.postMessage('open');
      for (let index = 0; ; index += 1) {
        for (let many = 0; many < 20; many += 1) db.put('t/' + index + '/' + many, 'x'.repeat(200));
        db.put('synced', 'x', { sync: true });
        db.put('large', 'x'.repeat(100_000));
        db.scan({ limit: 5 }).all().then(() => {}, () => {});
        await db.get('t/' + index + '/3');
        if (index % 50 === 0) await db.flush();
      }
    `, path);
    await new Promise((resolve, reject) => { thread.once('message', resolve); thread.once('error', reject); });
    await pause(random() * 30);
    await thread.terminate();
    await db.put(`round${round}`, 'x', { sync: true });
  }
  assert.equal((await db.scan({ prefix: 'round' }).all()).length, 25);
});

test('maintenance asked for by a thread that died is done by others', async (t) => {
  const path = directory(t);
  const db = await database(t, { path, writeBufferBytes: 64 * 1024 });
  const thread = worker(`
    const db = await open(path);
    for (let index = 0; index < 2000; index += 1) db.put('k' + index, 'x'.repeat(300));
    await db.put('end', 'x');
    parentPort.postMessage('written');
  `, path);
  await new Promise((resolve, reject) => { thread.once('message', resolve); thread.once('error', reject); });
  await thread.terminate();
  // With a write buffer this small, these would stall for ever if nobody did the maintenance.
  await Promise.all(Array.from({ length: 2000 }, (_, index) => db.put(`m${index}`, 'x'.repeat(300))));
  assert.equal((await db.scan({ values: false }).all()).length, 4001);
});

test('the registry forgets a directory whose threads are gone', async (t) => {
  const path = directory(t);
  const thread = worker(`await open({ path, blockCacheBytes: 1000000 }); parentPort.postMessage('open');`, path);
  await new Promise((resolve) => { thread.once('message', resolve); });
  await thread.terminate();
  // The handle of a dead thread is closed in the background; until then its options hold.
  let db;
  for (let attempt = 0; !db && attempt < 100; attempt += 1) {
    db = await open({ path, blockCacheBytes: 2_000_000 }).catch(() => pause(20));
  }
  assert.ok(db, 'the handle of the dead thread was never closed');
  await db.close();
});

test('a thread that was terminated writes nothing any more', async (t) => {
  const path = directory(t);
  const db = await database(t, { path, sync: 'always' });
  for (let round = 0; round < 4; round += 1) {
    const thread = worker(`
      const db = await open(path);
      const writes = Array.from({ length: 3000 }, (_, index) => db.put('thread' + index, 'x'.repeat(20_000), { sync: true }));
      Promise.allSettled(writes);
      db.put('k', 'thread');
      parentPort.postMessage('writing');
    `, path);
    await new Promise((resolve) => { thread.once('message', resolve); });
    await thread.terminate();
    await db.put('k', 'main', { sync: true });
    const before = await db.kv.count();
    await pause(50);
    assert.deepEqual([await db.get('k'), await db.kv.count()], ['main', before]);
    await db.kv.deleteRange({ prefix: 'thread' });
  }
});

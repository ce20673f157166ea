'use strict';

// docs/durability.md, as far as a process can show it: what was acknowledged, in every mode and by every kind of write, is there after the process was killed;
// and what errors mean afterwards. What a power cut leaves is shown on file systems that know what was synced (crates/flowdb-engine/tests/durability.rs).

const assert = require('node:assert/strict');
const { readFileSync, readdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { Database, IDBFactory, open } = require('../../index.js');
const { assertKilled, directory, run } = require('../fixture.js');

const KILL = 'process.kill(process.pid, \'SIGKILL\'); await new Promise(() => {});';
const MODES = { os: '\'os\'', interval: '{ intervalMs: 3600000 }', always: '\'always\'' };

/** Runs a program that ends by being killed. */
async function killed(where, program) {
  assertKilled(await run(`(async () => { const where = process.argv[1]; ${program}; ${KILL} })();`, { args: [where] }));
}

for (const [name, mode] of Object.entries(MODES)) {
  test(`a killed process loses nothing that was acknowledged: ${name}`, async (t) => {
    const where = directory(t);
    await killed(where, `
      const db = await open({ path: where, sync: ${mode} });
      await Promise.all(Array.from({ length: 500 }, (_, index) => db.put('k' + index, index)));
      await db.put('large', Buffer.alloc(1_000_000, 7));
      await db.put('synced', 1, { sync: true });
      await db.batch([{ type: 'put', key: 'sensor', value: 1, ts: 1 }, { type: 'delete', key: 'k0' }]);
      await db.kv.increment('count');
      await db.kv.deleteRange({ gte: 'k1', lte: 'k10' });
      db.put('not awaited', 1)`);
    const db = await open(where);
    assert.equal(await db.kv.count({ prefix: 'k' }), 500 - 1 - 2);
    assert.deepEqual([(await db.get('large')).length, await db.get('synced'), await db.get('count'), await db.series.get('sensor', 1)], [1_000_000, 1, 1, 1]);
    await db.close();
  });
}

/** @param {IDBRequest | IDBTransaction} request */
const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.oncomplete = () => resolve(undefined);
  request.onerror = request.onabort = () => reject(request.error);
});

test('a killed process loses no IndexedDB transaction that was complete, of any durability and size, and no deletion', async (t) => {
  const where = directory(t);
  await killed(where, `
    const { IDBFactory } = require(${JSON.stringify(path.join(__dirname, '..', '..'))});
    const done = ${done};
    const factory = new IDBFactory({ path: where });
    for (const name of ['stays', 'goes']) {
      const opening = factory.open(name);
      opening.onupgradeneeded = () => opening.result.createObjectStore('store');
      const db = await done(opening);
      for (const durability of ['strict', 'relaxed', 'default']) {
        const transaction = db.transaction('store', 'readwrite', { durability });
        transaction.objectStore('store').put(durability, durability);
        await done(transaction);
      }
      const large = db.transaction('store', 'readwrite');
      for (let index = 0; name === 'stays' && index < 40; index += 1) large.objectStore('store').put(new Uint8Array(1 << 20), index);
      await done(large);
      db.close();
    }
    await done(factory.deleteDatabase('goes'))`);
  const factory = new IDBFactory({ path: where });
  assert.deepEqual((await factory.databases()).map(({ name }) => name), ['stays']);
  const db = await done(factory.open('stays'));
  const store = db.transaction('store').objectStore('store');
  assert.equal(await done(store.count()), 3 + 40);
  db.close();
  await factory.close();
});

test('a process that exits in the turn in which it wrote has written nothing', async (t) => {
  const where = directory(t);
  const { code, output } = await run(`(async () => {
    const db = await open(process.argv[1]);
    await db.put('before', 1);
    db.put('k', 1);
    process.exit(0);
  })();`, { args: [where] });
  assert.equal(code, 0, output);
  const db = await open(where);
  assert.deepEqual(await db.kv.scan({ values: false }).all(), ['before']);
  await db.close();
});

test('a write that meets damage was not made, and everything else goes on', async (t) => {
  const where = directory(t);
  const first = await open({ path: where, compression: 'none' });
  await first.batch(Array.from({ length: 3_000 }, (_, index) => ({ type: 'put', key: `k${String(index).padStart(4, '0')}`, value: { n: index } })));
  await first.compact();
  await first.close();
  const [table] = readdirSync(where).filter((name) => name.endsWith('.table'));
  const bytes = readFileSync(path.join(where, table));
  bytes[100] ^= 0xff;
  writeFileSync(path.join(where, table), bytes);
  const db = await open(where);
  const isDamage = { code: 'FLOWDB_CORRUPTION', file: path.join(where, table) };
  await assert.rejects(db.kv.patch('k0000', { n: -1 }), isDamage);
  await assert.rejects(db.kv.compareAndSet('k0000', { n: 0 }, 1), isDamage);
  await assert.rejects(db.kv.put('k0000', 1, { ifAbsent: true }), isDamage);
  await assert.rejects(db.kv.get('k0000'), isDamage, 'never guessed');
  assert.deepEqual(await db.kv.patch('k2999', { n: -1 }), { n: -1 });
  await db.put('k0000', 'new');
  assert.equal(await db.get('k0000'), 'new', 'what needs not be read is written');
  await db.close();
  assert.equal((await Database.verify(where)).isClean, false);
});

'use strict';

// Goal: commits that wait for the disk do what docs/durability.md says. Method: transactions of each durability on a directory, whose engine
// another handle watches; connections forced to close and processes ending while a commit is on its way; a process whose files may not grow.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { readFileSync, readdirSync, statSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { FlowDBError, IDBFactory, forceCloseDatabase, open } = require('../../index.js');
const { directory, run } = require('../fixture.js');
const { finished, openDatabase, result } = require('./support.js');

const FLOWDB = JSON.stringify(require.resolve('../../index.js'));

test('strict transactions and version changes are synced, others are not', async (t) => {
  const path = directory(t);
  const records = await open(path);
  const factory = new IDBFactory({ path });
  const syncs = async () => (await records.stats()).latencies.sync.count;
  const before = await syncs();
  const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
  const counts = [await syncs()];
  for (const durability of ['relaxed', 'default', 'strict']) {
    const transaction = db.transaction('s', 'readwrite', { durability });
    transaction.objectStore('s').put(durability, durability);
    await finished(transaction);
    counts.push(await syncs());
  }
  await factory.close();
  await records.close();
  assert.deepEqual(counts.map((count) => count - before), [1, 1, 1, 2]);
});

test('a connection that is forced to close does not stop a commit that is on its way', async (t) => {
  const factory = new IDBFactory({ path: directory(t) });
  const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
  const transaction = db.transaction('s', 'readwrite', { durability: 'strict' });
  const ended = finished(transaction);
  await result(transaction.objectStore('s').put(1, 1));
  transaction.commit();
  const closed = new Promise((resolve) => { db.onclose = resolve; });
  await new Promise((resolve) => { setImmediate(resolve); });
  forceCloseDatabase(db);
  assert.equal(await ended, 'complete');
  await closed;
  await factory.close();
});

test('a process does not end before a commit that waits for the disk', async (t) => {
  const { code, output } = await run(`
    const { IDBFactory } = require(${FLOWDB});
    const request = new IDBFactory({ path: process.argv[1] }).open('database');
    request.onupgradeneeded = () => request.result.createObjectStore('s');
    request.onsuccess = () => {
      const transaction = request.result.transaction('s', 'readwrite', { durability: 'strict' });
      transaction.objectStore('s').put(1, 1).onsuccess = () => transaction.commit();
      transaction.oncomplete = () => console.log('complete');
    };
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim()], [0, 'complete']);
});

test('a request that meets damage fails with what the engine says as the cause', async (t) => {
  const path = directory(t);
  const factory = new IDBFactory({ path });
  const written = await openDatabase((created) => created.createObjectStore('s').put(randomBytes(100_000), 1), { factory });
  written.close();
  await factory.close();
  const records = await open(path);
  await records.flush();
  await records.close();
  // A value of this size, which does not compress, has a file of its own.
  const [values] = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(path, name)).size > 100_000);
  const bytes = readFileSync(join(path, values));
  bytes[50_000] ^= 1;
  writeFileSync(join(path, values), bytes);
  const damaged = new IDBFactory({ path });
  const db = await openDatabase(undefined, { factory: damaged });
  await assert.rejects(result(db.transaction('s').objectStore('s').get(1)), ({ name, message, cause }) => {
    assert.deepEqual([name, cause instanceof FlowDBError, cause.code], ['UnknownError', true, 'FLOWDB_CORRUPTION']);
    assert.ok(message.startsWith(cause.message), message);
    return true;
  });
  await damaged.close();
});

test('without space a transaction aborts with a QuotaExceededError, and costs nothing else', { skip: process.platform === 'win32' }, async (t) => {
  const path = directory(t);
  const program = `
    const { IDBFactory, open } = require(${FLOWDB});
    const factory = new IDBFactory({ path: process.argv[1] });
    const request = factory.open('database');
    request.onupgradeneeded = () => request.result.createObjectStore('s');
    const put = (key, bytes, durability) => new Promise((resolve) => {
      const transaction = request.result.transaction('s', 'readwrite', { durability });
      transaction.objectStore('s').put(new Uint8Array(bytes).fill(7), key);
      transaction.oncomplete = () => resolve('complete');
      transaction.onabort = () => resolve([transaction.error.name, transaction.error.cause.name, transaction.error.cause.code].join(' '));
    });
    request.onsuccess = async () => {
      let committed = 0;
      let outcome;
      while ((outcome = await put(committed, 400_000, committed % 2 ? 'strict' : 'relaxed')) === 'complete' && committed < 100) committed += 1;
      const keys = await new Promise((resolve) => {
        request.result.transaction('s').objectStore('s').getAllKeys().onsuccess = ({ target }) => resolve(target.result.length);
      });
      const records = await open(process.argv[1]);
      const refused = await records.kv.put('large', new Uint8Array(400_000)).catch(({ code }) => code);
      const small = [await put('small', 10, 'strict'), await records.kv.put('small', 1)];
      console.log(JSON.stringify({ committed, outcome, keys, refused, small }));
    };
  `;
  // Units of 512 or 1024 bytes, as the shell has it.
  const limited = ['-c', 'ulimit -f 6000; exec "$0" "$@"', process.execPath, '-e', program, path];
  const { stdout } = await promisify(execFile)('sh', limited);
  const { committed, ...rest } = JSON.parse(stdout);
  assert.ok(committed > 2 && committed < 100, stdout);
  assert.deepEqual(rest, { outcome: 'QuotaExceededError FlowDBError FLOWDB_NO_SPACE', keys: committed, refused: 'FLOWDB_NO_SPACE', small: ['complete', null] });
  const factory = new IDBFactory({ path });
  const db = await openDatabase(undefined, { factory });
  const kept = await result(db.transaction('s').objectStore('s').getAllKeys());
  await factory.close();
  const records = await open(path);
  const values = [await records.kv.get('large'), await records.kv.get('small')];
  await records.close();
  assert.deepEqual(values, [undefined, 1]);
  assert.deepEqual(kept, [...Array(committed).keys(), 'small']);
});

'use strict';

// What becomes of databases and scans that nobody refers to any more.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { directory, run } = require('../fixture.js');

const nodeOptions = ['--expose-gc'];

test('a forgotten database is closed', async (t) => {
  const { output } = await run(`
    const path = process.argv[1];
    (async () => {
      await (async () => { const db = await open({ path, blockCacheBytes: 1_000_000 }); await db.put('k', 'x', { sync: true }); })();
      for (let attempt = 0; attempt < 200; attempt += 1) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
        // Other options are refused for as long as the first handle is open.
        const db = await open({ path, blockCacheBytes: 2_000_000 }).catch((error) => { if (error.code !== 'FLOWDB_INVALID_ARGUMENT') throw error; });
        if (db) return console.log('closed', await db.get('k'));
      }
      console.log('never closed');
    })();
  `, { args: [directory(t)], nodeOptions });
  assert.equal(output.trim(), 'closed x');
});

test('db.kv alone keeps its database open', async (t) => {
  const { output } = await run(`
    (async () => {
      const { kv } = await open(process.argv[1]);
      for (let round = 0; round < 20; round += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
      await kv.put('k', 'x', { sync: true });
      console.log(await kv.get('k'));
    })();
  `, { args: [directory(t)], nodeOptions });
  assert.equal(output.trim(), 'x');
});

test('writes that nobody waits for are done although nobody refers to the database', async (t) => {
  const dir = directory(t);
  const { output } = await run(`
    open(process.argv[1]).then((db) => {
      db.put('a', 'x', { sync: true }).then(() => console.log('synced'));
      db.put('b', 'x'.repeat(200_000)).then(() => console.log('large'));
      db = undefined;
      setImmediate(gc); setTimeout(gc, 1);
    });
  `, { args: [dir], nodeOptions });
  assert.deepEqual(output.trim().split('\n').sort(), ['large', 'synced']);
});

test('thousands of forgotten scans and databases in memory take no room', async () => {
  const { code, output } = await run(`
    (async () => {
      const db = await open({ memory: true });
      for (let index = 0; index < 200; index += 1) await db.put('k' + index, 'x'.repeat(100));
      const settle = async () => { for (let round = 0; round < 10; round += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)); } };
      const use = async () => {
        for (let index = 0; index < 500; index += 1) {
          const iterator = db.scan()[Symbol.asyncIterator]();
          await iterator.next(); await iterator.next();
          const other = await open({ memory: true });
          await other.put('k', 'x');
        }
        await settle();
        return process.memoryUsage.rss();
      };
      const first = await use();
      const last = (await use(), await use());
      console.log((last - first) / 2 ** 20 < 64 ? 'flat' : 'grew by ' + (last - first) / 2 ** 20 + ' MiB');
    })();
  `, { nodeOptions });
  assert.deepEqual([code, output.trim()], [0, 'flat']);
});

test('databases in memory that were closed take no room, without the collector', async () => {
  const { code, output } = await run(`
    (async () => {
      const kept = [];
      const use = async (count) => {
        for (let index = 0; index < count; index += 1) {
          const db = await open({ memory: true });
          for (let key = 0; key < 150; key += 1) await db.put('k' + key, Buffer.alloc(64_000, key));
          if (index % 2 === 0) await db.flush();
          await db.close();
          kept.push(db);
        }
        return process.memoryUsage.rss();
      };
      const first = await use(5);
      const grown = (await use(30) - first) / 2 ** 20;
      console.log(grown < 100 ? 'flat' : 'grew by ' + grown + ' MiB');
    })();
  `);
  assert.deepEqual([code, output.trim()], [0, 'flat']);
});

test('what is over does not wait for a major collection', async () => {
  // A function that is assigned to a property where it is written, and what a finalizer is registered for, stay until then, with all they refer to.
  const { output } = await run(`
    const { IDBFactory } = require('flowdb');
    const factory = new IDBFactory();
    const heard = (target, type) => new Promise((resolve) => { target.addEventListener(type, resolve, { once: true }); });
    async function upgraded(name, stores) {
      const request = factory.open(name);
      request.addEventListener('upgradeneeded', () => { for (let i = 0; i < stores; i += 1) request.result.createObjectStore('store ' + i); });
      await heard(request, 'success');
      return request.result;
    }
    async function transact(db) {
      const transaction = db.transaction('store 0', 'readwrite');
      transaction.objectStore('store 0').put(1, 1);
      await heard(transaction, 'complete');
    }
    const heapUsed = () => {
      for (let i = 0; i < 2; i += 1) gc({ type: 'minor' });
      return process.memoryUsage().heapUsed;
    };
    async function left(count, run) {
      for (let i = 0; i < count; i += 1) await run(i);
      const before = heapUsed();
      for (let i = 0; i < count; i += 1) {
        await run(count + i);
        if (i % (count / 10) === 0) heapUsed();
      }
      return (heapUsed() - before) / count;
    }
    (async () => {
      const upgrade = await left(200, async (i) => (await upgraded('database ' + i, 20)).close());
      const db = await upgraded('transactions', 1);
      console.log(JSON.stringify({ upgrade, transaction: await left(2000, () => transact(db)) }));
    })();
  `, { nodeOptions: [...nodeOptions, '--initial-heap-size=600'] });
  const { upgrade, transaction } = JSON.parse(output);
  assert.ok(upgrade < 5000, `an upgrade leaves ${upgrade} bytes`);
  assert.ok(transaction < 200, `a transaction leaves ${transaction} bytes`);
});

'use strict';

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const { test } = require('node:test');
const { Database, open } = require('../../index.js');
const { directory, eventually } = require('../fixture.js');

const CLOSED = { name: 'FlowDBError', code: 'FLOWDB_CLOSED' };

test('every call after close says so', async () => {
  const db = await open({ memory: true });
  const scan = db.scan();
  await db.close();
  const calls = {
    put: () => db.put('k', 'x'), get: () => db.get('k'), has: () => db.kv.has('k'), delete: () => db.delete('k'),
    batch: () => db.batch([]), latest: () => db.series.latest('k'), flush: () => db.flush(), stats: () => db.stats(), all: () => scan.all(),
  };
  for (const [name, call] of Object.entries(calls)) await assert.rejects(call, CLOSED, name);
  assert.throws(() => db.getSync('k'), CLOSED);
  await assert.rejects(db.scan().all(), CLOSED);
});

test('closing again is the same closing', async () => {
  const db = await open({ memory: true });
  const first = db.close();
  assert.equal(db.close(), first);
  await first;
  await db.close();
});

test('close waits for the calls before it', async (t) => {
  const path = directory(t);
  const db = await open(path);
  const calls = [
    db.put('small', 'x'), db.put('synced', 'x', { sync: true }), db.put('large', Buffer.alloc(1_000_000)), db.get('small'), db.flush(),
    db.scan().all(),
  ];
  await db.close();
  const outcomes = await Promise.race([Promise.allSettled(calls), new Promise((resolve) => { setImmediate(resolve, 'pending'); })]);
  assert.notEqual(outcomes, 'pending', 'calls were still pending after close');
  assert.deepEqual(outcomes.map(({ status, reason }) => reason ?? status), calls.map(() => 'fulfilled'));
  const again = await open(path);
  assert.deepEqual(await again.scan({ values: false }).all(), ['large', 'small', 'synced']);
  await again.close();
});

/** A database with something to compact. */
async function filled(path) {
  const db = await open({ path, compression: 'none' });
  for (let round = 0; round < 3; round += 1) {
    const puts = Array.from({ length: 2_000 }, (_, index) => ({ type: 'put', key: `k${index}`, value: `${round}${'x'.repeat(500)}` }));
    await db.batch(puts);
    await db.flush();
  }
  return db;
}

test('a compaction ends when it is called off, and nothing is lost', async (t) => {
  const path = directory(t);
  const db = await filled(path);
  const reason = new Error('enough');
  const controller = new AbortController();
  const compaction = db.compact({ signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(compaction, { code: 'FLOWDB_ABORTED', cause: reason });
  await assert.rejects(db.compact({ signal: controller.signal }), { code: 'FLOWDB_ABORTED', cause: reason });
  assert.equal(await db.kv.count(), 2_000);
  assert.equal((await db.kv.get('k1999'))[0], '2');
  const unused = new AbortController();
  await db.compact({ signal: unused.signal });
  unused.abort();
  assert.equal((await db.stats()).trees.kv.tableEntries, 2_000);
  await db.close();
  const report = await Database.verify(path);
  assert.deepEqual([report.problems, report.notes], [[], []]);
});

test('closing ends a compaction', async (t) => {
  const path = directory(t);
  const [db, other] = [await filled(path), await open(path)];
  const compactions = [db.compact(), db.compact()].map((compaction) => assert.rejects(compaction, CLOSED));
  const others = other.compact();
  await db.close();
  await Promise.all(compactions);
  await others;
  assert.equal(await other.kv.count(), 2_000, 'that of another handle goes on');
  await other.close();
});

test('a patch that is not written when its database closes is not written later either', async (t) => {
  const path = directory(t);
  const db = await open(path);
  await db.put('k', { n: 1 });
  const written = db.kv.patch('k', { n: 2 });
  let decided = 0;
  await assert.rejects(db.kv.patch('k', (current) => { decided += 1; db.close(); return { n: current.n + 10 }; }), CLOSED);
  assert.deepEqual(await written, { n: 2 }, 'its write was on its way');
  await db.close();
  assert.equal(decided, 1);
  const again = await open(path);
  assert.deepEqual(await again.get('k'), { n: 2 });
  await again.close();
});

test('a scan that is open when its database closes ends with an error', async () => {
  const db = await open({ memory: true });
  for (let index = 0; index < 1000; index += 1) db.put(`k${index}`, 'x');
  const iterator = db.scan()[Symbol.asyncIterator]();
  await iterator.next();
  await db.close();
  await assert.rejects(async () => { while (!(await iterator.next()).done); }, CLOSED);
});

test('handles of one directory are closed one by one', async (t) => {
  const path = directory(t);
  const [first, second] = await Promise.all([open(path), open(`${path}/../${require('node:path').basename(path)}`)]);
  await first.put('k', 'x');
  await first.close();
  assert.equal(await second.get('k'), 'x');
  await second.put('k', 'y');
  const third = await open(path);
  assert.equal(await third.get('k'), 'y');
  await Promise.all([second.close(), third.close()]);
});

test('handles of one directory have one set of options', async (t) => {
  const path = directory(t);
  const db = await open({ path, blockCacheBytes: 1 << 20, sync: { intervalMs: 50 } });
  const same = await open(path);
  await assert.rejects(open({ path, blockCacheBytes: 2 << 20 }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^blockCacheBytes/ });
  await assert.rejects(open({ path, sync: 'always' }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^sync/ });
  await Promise.all([db.close(), same.close()]);
  await (await open({ path, sync: 'always' })).close();
});

test('a directory that is just being closed can be opened', async (t) => {
  const path = directory(t);
  for (let round = 0; round < 20; round += 1) {
    const db = await open(path);
    await db.put(`k${round}`, 'x');
    const closing = db.close();
    const next = await open(path);
    assert.equal((await next.scan().all()).length, round + 1);
    await Promise.all([closing, next.close()]);
  }
});

test('await using closes', { skip: typeof Symbol.asyncDispose !== 'symbol' }, async () => {
  const db = await open({ memory: true });
  await db[Symbol.asyncDispose]();
  await assert.rejects(db.get('k'), CLOSED);
});

test('a database that was closed leaves no thread', { skip: process.platform !== 'linux' }, async (t) => {
  const path = directory(t);
  const threads = () => readdirSync('/proc/self/task').length;
  const openAndClose = async () => {
    const db = await open(path);
    await db.put('k', 'x', { sync: true });
    await db.close();
  };
  await openAndClose();
  const before = threads();
  for (let round = 0; round < 20; round += 1) await openAndClose();
  assert.ok(await eventually(() => threads() <= before + 5), `${before} threads, then ${threads()}`);
});

test('a handle that is closed lets go of its snapshots and scans, though others keep the directory open', async (t) => {
  const path = directory(t);
  const [db, other] = [await open(path), await open(path)];
  for (let round = 0; round < 3; round += 1) {
    await db.batch(Array.from({ length: 2000 }, (_, index) => ({ type: 'put', key: `k${index}`, value: `${round}`.repeat(100) })));
    await db.batch(Array.from({ length: 100 }, (_, index) => ({ type: 'put', key: 's', value: index, ts: index })));
  }
  const kept = [await db.snapshot(), await db.snapshot()];
  const iterators = [db.kv.scan(), db.series.scan(), db.kv.scan({ snapshot: kept[0] })].map((scan) => scan[Symbol.asyncIterator]());
  for (const iterator of iterators) await iterator.next();
  const pages = db.kv.scan().batches();
  for (let page = 0; page < 5; page += 1) await pages.next();
  assert.ok((await other.stats()).oldestSnapshotMs > 0);
  await db.close();
  assert.ok(await eventually(async () => (await other.stats()).oldestSnapshotMs === 0));
  await assert.rejects(async () => { for (;;) if ((await pages.next()).done) return; }, CLOSED);
  assert.throws(() => db.kv.getSync('k', { snapshot: kept[0] }), CLOSED);
  kept[0].close();
  await other.close();
});

'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');

async function filled(t, count, options) {
  const db = await database(t, options);
  const key = (index) => `k${String(index).padStart(6, '0')}`;
  await Promise.all(Array.from({ length: count }, (_, index) => db.put(key(index), `v${index}`)));
  return { db, key };
}

test('all entries come, in order, in pages that grow', async (t) => {
  const { db, key } = await filled(t, 3000);
  const all = await db.scan().all();
  assert.deepEqual(all.map((entry) => entry.key), Array.from({ length: 3000 }, (_, index) => key(index)));
  assert.equal(all[1234].value, 'v1234');
  const sizes = [];
  for await (const batch of db.scan().batches()) sizes.push(batch.length);
  assert.equal(sizes[0], 1);
  assert.ok(Math.max(...sizes) <= 512 && sizes.length < 20, `batches of ${sizes}`);
  assert.deepEqual(await db.scan({ reverse: true }).all(), all.reverse());
});

test('pages are bounded in bytes too', async (t) => {
  const db = await database(t);
  await Promise.all(Array.from({ length: 20 }, (_, index) => db.put(`k${index}`, Buffer.alloc(30_000))));
  for await (const batch of db.scan().batches()) assert.ok(batch.length <= 3);
});

test('bounds are exact', async (t) => {
  const db = await database(t);
  for (const key of ['', 'a', 'a\0', 'ab', 'b', Buffer.from([0xff]), Buffer.from([0xff, 0xff])]) await db.put(key, 'x');
  const keys = async (options) => (await db.scan({ ...options, values: false, keyEncoding: 'buffer' }).all())
    .map((key) => key.toString('latin1'));
  assert.deepEqual(await keys({}), ['', 'a', 'a\0', 'ab', 'b', '\xff', '\xff\xff']);
  assert.deepEqual(await keys({ gte: 'a', lte: 'b' }), ['a', 'a\0', 'ab', 'b']);
  assert.deepEqual(await keys({ gt: 'a', lt: 'b' }), ['a\0', 'ab']);
  assert.deepEqual(await keys({ prefix: 'a' }), ['a', 'a\0', 'ab']);
  assert.deepEqual(await keys({ prefix: Buffer.from([0xff]) }), ['\xff', '\xff\xff']);
  assert.deepEqual(await keys({ gt: 'b', reverse: true }), ['\xff\xff', '\xff']);
  assert.deepEqual(await keys({ gte: 'b', lt: 'a' }), []);
  assert.deepEqual(await keys({ gt: 'a', lt: 'a' }), []);
  assert.deepEqual(await keys({ gte: 'a', lte: 'a' }), ['a']);
});

test('limit, keys and values shape the result', async (t) => {
  const { db } = await filled(t, 20);
  assert.equal((await db.scan({ limit: 7 }).all()).length, 7);
  assert.equal((await db.scan({ limit: 0 }).all()).length, 0);
  assert.equal((await db.scan({ limit: Infinity }).all()).length, 20);
  assert.equal((await db.scan({ limit: Number.MAX_SAFE_INTEGER }).all()).length, 20);
  assert.deepEqual(await db.scan({ limit: 1, values: false }).all(), ['k000000']);
  assert.deepEqual(await db.scan({ limit: 2, keys: false, reverse: true }).all(), ['v19', 'v18']);
  assert.deepEqual(await db.scan({ limit: 1, valueEncoding: 'buffer' }).all(), [{ key: 'k000000', value: Buffer.from('v0') }]);
});

test('a key that is not UTF-8 comes as bytes', async (t) => {
  const db = await database(t);
  const bytes = Buffer.from([0x61, 0xff]);
  await db.put(bytes, 'x');
  await db.put('a', 'y');
  assert.deepEqual(await db.scan({ values: false }).all(), ['a', bytes]);
  assert.deepEqual(await db.scan({ values: false, keyEncoding: 'buffer' }).all(), [Buffer.from('a'), bytes]);
});

test('a scan sees the database as it was at its first step', async (t) => {
  const { db } = await filled(t, 100);
  const iterator = db.scan()[Symbol.asyncIterator]();
  await db.put('a', 'before the first step');
  assert.equal((await iterator.next()).value.key, 'a');
  await db.put('k000050', 'changed');
  await db.delete('k000051');
  await db.put('z', 'after');
  const rest = [];
  for await (const entry of { [Symbol.asyncIterator]: () => iterator }) rest.push(entry);
  assert.equal(rest.length, 100);
  assert.equal(rest[50].value, 'v50');
});

test('leaving early is fine, and each iteration is a new scan', async (t) => {
  const { db } = await filled(t, 100);
  const scan = db.scan();
  for await (const { key } of scan) if (key === 'k000010') break;
  const iterator = scan[Symbol.asyncIterator]();
  await iterator.next();
  assert.deepEqual(await iterator.return(), { done: true, value: undefined });
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  assert.equal((await scan.all()).length, 100);
});

test('steps that were not awaited come in order', async (t) => {
  const { db, key } = await filled(t, 10);
  const iterator = db.scan()[Symbol.asyncIterator]();
  const steps = await Promise.all(Array.from({ length: 12 }, () => iterator.next()));
  assert.deepEqual(steps.map(({ value }) => value?.key), [...Array.from({ length: 10 }, (_, index) => key(index)), undefined, undefined]);
});

test('a scan over files goes on where memory ends', async (t) => {
  const path = directory(t);
  const { db } = await filled(t, 2000, { path, blockCacheBytes: 0 });
  await db.flush();
  await db.put('k000500', 'newer');
  const all = await db.scan().all();
  assert.equal(all.length, 2000);
  assert.equal(all[500].value, 'newer');
  assert.deepEqual(await db.scan({ reverse: true }).all(), all.reverse());
  assert.equal(await db.get('k000001'), 'v1');
  assert.deepEqual(
    await Promise.all(Array.from({ length: 50 }, (_, index) => db.get(`k${String(index * 40).padStart(6, '0')}`))),
    Array.from({ length: 50 }, (_, index) => `v${index * 40}`).map((value) => (value === 'v500' ? 'newer' : value)),
  );
});

for (const [place, reopened] of [['memory', false], ['files', true]]) {
  test(`pages that are read ahead, from ${place}, with consumers fast and slow`, async (t) => {
    const options = reopened ? { path: directory(t) } : {};
    const { db, key } = await filled(t, 6000, options);
    if (reopened) await db.close();
    const again = reopened ? await database(t, options) : db;
    const scans = [1, 40, 3].map(async (pauses) => {
      let seen = 0;
      for await (const entry of again.scan()) {
        assert.equal(entry.key, key(seen));
        if (seen % Math.floor(6000 / pauses) === 0) await new Promise((resolve) => { setTimeout(resolve, 2); });
        seen += 1;
      }
      assert.equal(seen, 6000);
    });
    await Promise.all(scans);
    for (const limit of [584, 1096, 1097, 1608, 1609, 5999]) assert.equal((await again.scan({ limit }).all()).length, limit);
    for (const stop of [700, 1200]) {
      let seen = 0;
      for await (const entry of again.scan()) {
        assert.equal(entry.key, key(seen));
        seen += 1;
        if (seen === stop) break;
      }
    }
  });
}

test('closing the database while a page is read ahead', async (t) => {
  const { db } = await filled(t, 6000, { path: directory(t) });
  const entries = db.scan()[Symbol.asyncIterator]();
  for (let seen = 0; seen < 700; seen += 1) await entries.next();
  const closing = db.close();
  await assert.rejects(async () => { for (;;) if ((await entries.next()).done) return; }, { code: 'FLOWDB_CLOSED' });
  await closing;
});

test('the entries before one that cannot be read are given', async (t) => {
  const db = await database(t);
  const keys = Array.from({ length: 100 }, (_, index) => `k${String(index).padStart(3, '0')}`);
  await db.batch(keys.map((key, index) => ({ type: 'put', key, value: index === 77 ? { not: 'text' } : key })));
  const refused = { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'valueEncoding' };
  const seen = [];
  const entries = db.kv.scan({ valueEncoding: 'utf8' })[Symbol.asyncIterator]();
  for (let index = 0; index < 77; index += 1) seen.push((await entries.next()).value.value);
  assert.deepEqual(seen, keys.slice(0, 77));
  await assert.rejects(entries.next(), refused);
  assert.deepEqual(await entries.next(), { done: true, value: undefined });
  const batches = [];
  await assert.rejects(async () => {
    for await (const batch of db.kv.scan({ valueEncoding: 'utf8' }).batches()) batches.push(...batch);
  }, refused);
  assert.deepEqual(batches.map(({ key }) => key), keys.slice(0, 77));
  await assert.rejects(db.kv.scan({ valueEncoding: 'utf8' }).all(), refused);
  assert.equal((await db.kv.scan({ valueEncoding: 'utf8', limit: 77 }).all()).length, 77);
  assert.equal((await db.stats()).oldestSnapshotMs, 0, 'the scans let go of their snapshots');
});

'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');
const { WriteBuffer } = require('../../records/write_buffer.js');

test('a batch writes to kv and series, in order', async (t) => {
  const db = await database(t, { path: directory(t) });
  await db.put('gone', 'x');
  await db.put('s', 'x', { ts: 1 });
  await db.batch([
    { type: 'put', key: 'a', value: 'one' },
    { type: 'put', key: 'a', value: 'two', ttl: 60_000 },
    { type: 'put', key: 's', value: 'point', ts: 2 },
    { type: 'delete', key: 'gone' },
    { type: 'delete', key: 's', ts: 1 },
  ], { sync: true });
  assert.equal(await db.get('a'), 'two');
  assert.equal(await db.get('gone'), undefined);
  assert.deepEqual(await db.series.scan().all(), [{ key: 's', ts: 2, value: 'point' }]);
  await db.batch([]);
});

test('one wrong operation, and nothing of a batch is written', async (t) => {
  const db = await database(t);
  const batch = db.batch([{ type: 'put', key: 'a', value: 'x' }, { type: 'put', key: 7, value: 'x' }]);
  await assert.rejects(batch, { code: 'FLOWDB_INVALID_ARGUMENT', message: /operations\[1\].*key/ });
  assert.equal(await db.get('a'), undefined);
});

test('a batch larger than what is written at once lands whole', async (t) => {
  const db = await database(t, { path: directory(t) });
  const value = 'x'.repeat(1000);
  const operations = Array.from({ length: 3000 }, (_, index) => ({ type: 'put', key: `k${index}`, value }));
  const written = db.batch(operations);
  assert.equal((await db.scan({ values: false }).all()).length, 3000);
  await written;
});

test('a getter that changes bytes of its batch comes too late', async (t) => {
  const db = await database(t);
  const bytes = Buffer.from('before');
  const meddler = { get x() { bytes.fill(0); return 1; } };
  await db.batch([{ type: 'put', key: 'a', value: bytes }, { type: 'put', key: 'b', value: meddler }]);
  assert.equal((await db.get('a')).toString(), 'before');
});

test('a batch that does not fit into one Buffer is refused by name', () => {
  const packed = new WriteBuffer();
  packed.add({ operation: 1, key: 'k', value: { form: 0, bytes: Buffer.from('v') } });
  // Only its length is looked at.
  const bytes = /** @type {any} */ ({ length: 1024 * 1024 * 1024 - 40 });
  const before = packed.length;
  assert.throws(() => packed.add({ operation: 1, key: 'k', value: { form: 0, bytes } }), { code: 'FLOWDB_TOO_LARGE', message: /limit is 1073741824/ });
  assert.deepEqual([packed.count, packed.length], [1, before]);
});

test('a getter that writes a batch of its own is not in the way of the one it belongs to', async (t) => {
  const db = await database(t);
  /** @type {Promise<void> | undefined} */
  let inner;
  const meddler = { get x() { inner = db.batch([{ type: 'put', key: 'inner', value: 'i' }]); return 1; } };
  await db.batch([{ type: 'put', key: 'a', value: 'A' }, { type: 'put', key: 'b', value: meddler }, { type: 'put', key: 'c', value: 'C' }]);
  await inner;
  assert.deepEqual(await db.kv.getMany(['a', 'b', 'c', 'inner']), ['A', { x: 1 }, 'C', 'i']);
});

test('nothing of a batch that is refused is written with the next one', async (t) => {
  const db = await database(t);
  await assert.rejects(db.batch([{ type: 'put', key: 'a', value: 'A' }, { type: 'put', key: 7, value: 'B' }]), { code: 'FLOWDB_INVALID_ARGUMENT' });
  await db.batch([{ type: 'put', key: 'c', value: 'C' }]);
  assert.deepEqual(await db.kv.scan({ values: false }).all(), ['c']);
});

test('keys of all lengths and scripts come back as they were', async (t) => {
  const db = await database(t);
  const keys = ['', 'a', 'é', 'aé', '€', '😀', 'x'.repeat(47), 'x'.repeat(48), 'x'.repeat(49), `${'x'.repeat(47)}é`, `${'é'.repeat(48)}x`, 'ÿ'.repeat(600)];
  await db.batch(keys.map((key) => ({ type: 'put', key, value: key })));
  for (const key of keys) assert.equal(await db.get(key), key);
  const sorted = keys.map((key) => Buffer.from(key)).sort(Buffer.compare).map(String);
  assert.deepEqual(await db.kv.scan({ values: false }).all(), sorted);
});

'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');
const { WriteQueue } = require('../../records/write_queue.js');

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
  const queue = new WriteQueue({});
  // Only its length is looked at.
  const bytes = /** @type {any} */ ({ length: 600 * 1024 * 1024 });
  const write = { operation: 1, key: Buffer.from('k'), value: { form: 0, bytes } };
  assert.throws(() => queue.add([write, write], false), { code: 'FLOWDB_TOO_LARGE', message: /limit is 1073741824/ });
});

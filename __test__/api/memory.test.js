'use strict';

// Values that are bytes stand beside each other in memory: what one reader does to his, the others must not see.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');
const { open } = require('../../index.js');

/** Small ones, those about the size of what is shared, and some that have memory of their own. */
const LENGTHS = [0, 1, 100, 4000, 4095, 4096, 4097, 12_288, 16_383, 16_384, 16_385, 70_000, 200_000];

const keyOf = (/** @type {number} */ length) => String(length).padStart(7, '0');

/** @param {import('node:test').TestContext} t */
async function filled(t) {
  const db = await database(t);
  await db.batch(LENGTHS.map((length) => ({ type: 'put', key: keyOf(length), value: Buffer.alloc(length, length % 251) })));
  return db;
}

/** @param {Buffer[]} values  @param {(length: number) => number} byteOf */
function assertBytes(values, byteOf) {
  values.forEach((value, index) => {
    const length = LENGTHS[index % LENGTHS.length];
    assert.ok(value.equals(Buffer.alloc(length, byteOf(length))), `the value of ${length} bytes`);
  });
}

/** @param {Buffer[]} values */
function assertSeparate(values) {
  assertBytes(values, (length) => length % 251);
  values.forEach((value, index) => value.fill(index % 251));
  values.forEach((value, index) => assert.ok(value.every((byte) => byte === index % 251), `value ${index} was written to by another`));
}

test('what get gives is not written to again', async (t) => {
  const db = await filled(t);
  const values = [];
  for (let round = 0; round < 20; round += 1) {
    for (const length of LENGTHS) values.push(round % 2 === 0 ? db.getSync(keyOf(length)) : await db.get(keyOf(length)));
    assert.equal(db.getSync('missing'), undefined);
  }
  assertSeparate(values);
});

test('what many reads at once give is not shared', async (t) => {
  const db = await filled(t);
  const keys = [...LENGTHS, ...LENGTHS].map(keyOf);
  assertSeparate(await db.kv.getMany(keys));
  assertSeparate(await Promise.all(keys.map((key) => db.get(key))));
});

test('what scans give is not shared', async (t) => {
  const db = await filled(t);
  assertSeparate((await db.kv.scan().all()).map(({ value }) => value));
  const values = [];
  for await (const { value } of db.kv.scan()) values.push(value);
  assertSeparate(values);
});

test('a function that patches may write to what it is given', async (t) => {
  const db = await filled(t);
  const changed = await db.kv.patch(keyOf(100), (/** @type {Buffer} */ current) => current.fill(7));
  assert.ok(changed.every((/** @type {number} */ byte) => byte === 7));
  assert.ok((await db.get(keyOf(100))).equals(Buffer.alloc(100, 7)));
});

test('a long key finds short and long values', async (t) => {
  const db = await database(t);
  const keys = ['x'.repeat(4087), 'x'.repeat(5000), 'é'.repeat(200_000)];
  for (const key of keys) await db.put(key, Buffer.from('short'));
  await db.put('y'.repeat(5000), Buffer.alloc(300_000, 9));
  for (const key of keys) {
    assert.equal(String(db.getSync(key)), 'short');
    assert.equal(db.getSync(`${key}!`), undefined);
  }
  assert.ok(db.getSync('y'.repeat(5000)).equals(Buffer.alloc(300_000, 9)));
});

test('what is missing among keys is named', async (t) => {
  const db = await database(t);
  await assert.rejects(db.kv.getMany(['a', , 'b']), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^keys\[1\]/ });
});

test('who hands one value over to another thread leaves the others theirs', async (t) => {
  const path = directory(t);
  const first = await open(path);
  const keys = ['a', 'b', 'c', 'd'];
  await first.batch(keys.map((key) => ({ type: 'put', key, value: Buffer.from(key.repeat(10)) })));
  await first.flush();
  await first.close();
  const db = await database(t, { path });
  const reads = {
    'get from disk': () => Promise.all(keys.map((key) => db.get(key))), getMany: () => db.kv.getMany(keys), get: () => Promise.all(keys.map((key) => db.get(key))),
    scan: () => db.kv.scan({ keys: false }).all(), getSync: () => keys.map((key) => db.getSync(key)), 'keys of a scan': () => db.kv.scan({ values: false, keyEncoding: 'buffer' }).all(),
  };
  for (const [name, read] of Object.entries(reads)) {
    const values = await read();
    const before = values.map(String);
    try {
      structuredClone(values[0], { transfer: [values[0].buffer] });
    } catch (error) {
      assert.equal(/** @type {Error} */ (error).name, 'DataCloneError', name);
    }
    assert.deepEqual(values.map(String), before, name);
  }
  assert.equal(String(db.getSync('a')), 'a'.repeat(10));
});

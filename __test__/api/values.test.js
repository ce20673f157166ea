'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database } = require('../fixture.js');

test('any: everything comes back as what it was', async (t) => {
  const db = await database(t);
  const cycle = { name: 'cycle' };
  cycle.self = cycle;
  const values = [
    '', 'text', 'ü \u{1f600}', 'lone \ud800', null, true, false, 0, -0, 1.5, NaN, 2n ** 100n, new Date(5), /x/gi,
    Object.assign([1], { 2: 3 }), { a: { b: [new Map([[1, new Set(['x'])]])] } }, new Uint16Array([1, 2]), new ArrayBuffer(3), cycle,
  ];
  for (const value of values) {
    await db.put('k', value);
    assert.deepEqual(await db.get('k'), value);
    assert.deepEqual(db.getSync('k'), value);
  }
  assert.deepEqual((await db.scan().all())[0].value.self.name, 'cycle');
  await db.put('k', new Uint8Array([1, 2]));
  assert.deepEqual(await db.get('k'), Buffer.from([1, 2]));
});

test('utf8, buffer and json read bytes and text', async (t) => {
  const db = await database(t);
  await db.put('text', '{"a":1}', { valueEncoding: 'utf8' });
  await db.put('bytes', Buffer.from('[2]'), { valueEncoding: 'buffer' });
  await db.put('json', { b: 3 }, { valueEncoding: 'json' });
  assert.deepEqual(await db.get('text', { valueEncoding: 'json' }), { a: 1 });
  assert.deepEqual(await db.get('bytes', { valueEncoding: 'json' }), [2]);
  assert.equal(await db.get('json', { valueEncoding: 'utf8' }), '{"b":3}');
  assert.equal(await db.get('json'), '{"b":3}', 'JSON is kept as text');
  assert.deepEqual(await db.get('text', { valueEncoding: 'buffer' }), Buffer.from('{"a":1}'));
});

test('the database has an encoding of its own', async (t) => {
  const db = await database(t, { valueEncoding: 'json', keyEncoding: 'buffer' });
  await db.put('k', { a: 1 });
  assert.deepEqual(await db.get('k'), { a: 1 });
  assert.deepEqual(await db.scan().all(), [{ key: Buffer.from('k'), value: { a: 1 } }]);
});

test('a structured value is an error for the other encodings', async (t) => {
  const db = await database(t);
  await db.put('k', { a: 1 });
  for (const valueEncoding of ['utf8', 'buffer', 'json']) {
    await assert.rejects(db.get('k', { valueEncoding }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /valueEncoding/ });
  }
  await db.put('k', 'no JSON');
  await assert.rejects(db.get('k', { valueEncoding: 'json' }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /JSON/ });
});

test('what cannot be stored is refused', async (t) => {
  const db = await database(t);
  const cases = [
    ['any', undefined], ['any', () => {}], ['any', Symbol('x')], ['any', { f() {} }], ['any', new Blob(['x'])],
    ['utf8', 5], ['utf8', '\udc00'], ['buffer', 'text'], ['buffer', new Uint16Array(1)], ['json', undefined], ['json', () => 1], ['json', NaN], ['json', -Infinity], ['json', new Date(NaN)],
  ];
  for (const [valueEncoding, value] of cases) {
    await assert.rejects(db.put('k', value, { valueEncoding }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /value/ });
  }
  const thrown = new Error('mine');
  await assert.rejects(db.put('k', { get x() { throw thrown; } }), (error) => error === thrown);
  assert.equal(await db.get('k'), undefined);
});

test('what is too deep for JSON is refused, and a RangeError of the caller is his', async (t) => {
  const db = await database(t);
  let deep = [];
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  await assert.rejects(db.put('k', deep, { valueEncoding: 'json' }), { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'value', message: /deep/ });
  await assert.rejects(db.batch([{ type: 'put', key: 'k', value: deep, valueEncoding: 'json' }]), { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'operations[0].value' });
  const thrown = new RangeError('mine');
  await assert.rejects(db.put('k', { toJSON() { throw thrown; } }, { valueEncoding: 'json' }), (error) => error === thrown);
});

test('bytes of other realms and of shared memory are bytes', async (t) => {
  const db = await database(t);
  await db.put('realm', require('node:vm').runInNewContext('new Uint8Array([1, 2])'));
  await db.put('shared', new Uint8Array(new SharedArrayBuffer(2)));
  assert.deepEqual(await db.get('realm'), Buffer.from([1, 2]));
  assert.deepEqual(await db.get('shared'), Buffer.from([0, 0]));
});

test('what JSON cannot hold is an error with a code', async (t) => {
  const db = await database(t, { valueEncoding: 'json' });
  const cycle = {};
  cycle.cycle = cycle;
  for (const value of [1n, cycle, undefined, () => {}]) {
    await assert.rejects(db.put('k', value), { name: 'FlowDBError', code: 'FLOWDB_INVALID_ARGUMENT', message: /^value: / });
  }
  const mine = new RangeError('mine');
  await assert.rejects(db.put('k', { toJSON() { throw mine; } }), mine);
});

test('a record whose form nobody knows is an error with a code, whatever it is to be read as', () => {
  const { decodeValue } = require('../../records/values.js');
  for (const encoding of ['any', 'utf8', 'buffer', 'json']) {
    assert.throws(() => decodeValue(Buffer.from([3, 0x31]), encoding), { code: 'FLOWDB_CORRUPTION', message: /byte 3,/ }, encoding);
    assert.throws(() => decodeValue(Buffer.from([1, 255, 0x31]), encoding, 1), { code: 'FLOWDB_CORRUPTION', message: /byte 255,/ }, encoding);
  }
});

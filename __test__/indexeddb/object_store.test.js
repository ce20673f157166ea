'use strict';

// Object stores and indexes: keys, key generators, queries. https://w3c.github.io/IndexedDB/#object-store-interface

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBKeyRange, IDBRecord } = require('../../index.js');
const { domException, finished, openDatabase, result, storeOf } = require('./support.js');

test('a key generator begins at 1, follows larger given keys and ignores others', async () => {
  const store = await storeOf({ autoIncrement: true });
  const keys = [];
  for (const key of [undefined, undefined, 10.5, undefined, 'text', 3, undefined]) keys.push(await result(store.put('v', key)));
  assert.deepEqual(keys, [1, 2, 10.5, 11, 'text', 3, 12]);
});

test('a key generator ends at 2^53', async () => {
  const store = await storeOf({ autoIncrement: true });
  await result(store.put('v', 2 ** 53));
  const request = store.put('v');
  request.onerror = (event) => event.preventDefault();
  await assert.rejects(result(request), domException('ConstraintError'));
});

test('a generated key is put at the key path of what is read, not of what was given', async () => {
  const store = await storeOf({ keyPath: 'a.id', autoIncrement: true });
  const value = { b: 1 };
  assert.equal(await result(store.add(value)), 1);
  assert.deepEqual(value, { b: 1 });
  assert.deepEqual(await result(store.get(1)), { b: 1, a: { id: 1 } });
  assert.deepEqual(await result(store.getAll()), [{ b: 1, a: { id: 1 } }]);
  assert.throws(() => store.add('not an object'), domException('DataError'));
});

test('an aborted transaction gives its generated keys back', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s', { autoIncrement: true }));
  const transaction = db.transaction('s', 'readwrite');
  await result(transaction.objectStore('s').add('v'));
  transaction.abort();
  await assert.rejects(finished(transaction));
  assert.equal(await result(db.transaction('s', 'readwrite').objectStore('s').add('v')), 1);
});

test('errors in keys are thrown at once', async () => {
  const inline = await storeOf({ keyPath: 'id' });
  assert.throws(() => inline.put({ id: 1 }, 1), domException('DataError'));
  assert.throws(() => inline.put({}), domException('DataError'));
  assert.throws(() => inline.put({ id: true }), domException('DataError'));
  assert.throws(() => inline.put({ id: 1, f() {} }), domException('DataCloneError'));
  const outOfLine = await storeOf({});
  assert.throws(() => outOfLine.put(1), domException('DataError'));
  for (const key of [null, NaN, {}, [undefined], new Date(NaN), () => {}]) {
    assert.throws(() => outOfLine.put(1, key), domException('DataError'));
    assert.throws(() => outOfLine.get(key), domException('DataError'));
  }
});

test('the value is cloned when put is called', async () => {
  const store = await storeOf({});
  const value = { list: [1] };
  store.put(value, 1);
  value.list.push(2);
  assert.deepEqual(await result(store.get(1)), { list: [1] });
});

test('add refuses an existing key, put replaces; after preventDefault the transaction goes on', async () => {
  const store = await storeOf({});
  store.add('first', 1);
  const request = store.add('second', 1);
  request.onerror = (event) => event.preventDefault();
  await assert.rejects(result(request), domException('ConstraintError'));
  assert.equal(await result(store.get(1)), 'first');
  store.put('third', 1);
  assert.equal(await result(store.get(1)), 'third');
});

test('keys are ordered number, date, string, binary, array', async () => {
  const store = await storeOf({});
  const keys = [-Infinity, -1, 0, 1, Infinity, new Date(0), '', 'a', 'b', new Uint8Array([0]).buffer, [], [1], ['a']];
  for (const key of [...keys].reverse()) store.put(0, key);
  assert.deepEqual(await result(store.getAllKeys()), keys);
});

test('ranges bound what is read, counted and deleted', async () => {
  const store = await storeOf({});
  for (let i = 1; i <= 6; i += 1) store.put(i * 10, i);
  assert.deepEqual(await result(store.getAll(IDBKeyRange.bound(2, 4, true, false))), [30, 40]);
  assert.equal(await result(store.count(IDBKeyRange.lowerBound(5))), 2);
  assert.equal(await result(store.getKey(IDBKeyRange.upperBound(3, true))), 1);
  await result(store.delete(IDBKeyRange.bound(2, 5)));
  assert.deepEqual(await result(store.getAllKeys()), [1, 6]);
  await result(store.clear());
  assert.equal(await result(store.count()), 0);
});

test('getAll, getAllKeys and getAllRecords take a query and count, or options with a direction', async () => {
  const store = await storeOf({});
  for (let i = 1; i <= 4; i += 1) store.put(`v${i}`, i);
  assert.deepEqual(await result(store.getAll(null, 2)), ['v1', 'v2']);
  assert.deepEqual(await result(store.getAllKeys({ direction: 'prev', count: 2 })), [4, 3]);
  const records = await result(store.getAllRecords({ query: IDBKeyRange.lowerBound(3), direction: 'prev' }));
  assert.ok(records.every((record) => record instanceof IDBRecord));
  assert.deepEqual(records.map(({ key, primaryKey, value }) => [key, primaryKey, value]), [[4, 4, 'v4'], [3, 3, 'v3']]);
  assert.throws(() => store.getAll({ direction: 'up' }), TypeError);
  assert.throws(() => store.getAll(null, -1), TypeError);
});

test('a compound index finds by its array, a multiEntry index by each element once', async () => {
  const store = await storeOf({ keyPath: 'id' }, (created) => {
    created.createIndex('compound', ['a', 'b']);
    created.createIndex('tags', 'tags', { multiEntry: true });
  });
  store.put({ id: 1, a: 1, b: 'x', tags: ['red', 'blue', 'red', {}] });
  store.put({ id: 2, a: 1, tags: 'red' });
  assert.deepEqual(await result(store.index('compound').getAllKeys()), [1]);
  assert.equal((await result(store.index('compound').get([1, 'x']))).id, 1);
  assert.deepEqual(await result(store.index('tags').getAllKeys('red')), [1, 2]);
  assert.deepEqual(await result(store.index('tags').getAllKeys('blue')), [1]);
  assert.equal(await result(store.index('tags').count()), 3);
  const records = await result(store.index('tags').getAllRecords({ direction: 'nextunique' }));
  assert.deepEqual(records.map(({ key, primaryKey }) => [key, primaryKey]), [['blue', 1], ['red', 1]]);
});

test('a unique index refuses a second record and leaves nothing of it', async () => {
  const store = await storeOf({ keyPath: 'id' }, (created) => {
    created.createIndex('plain', 'n');
    created.createIndex('unique', 'u', { unique: true });
  });
  store.put({ id: 1, n: 1, u: 'x' });
  const request = store.put({ id: 2, n: 2, u: 'x' });
  request.onerror = (event) => event.preventDefault();
  await assert.rejects(result(request), domException('ConstraintError'));
  assert.equal(await result(store.count()), 1);
  assert.equal(await result(store.index('plain').count()), 1);
  assert.equal(await result(store.put({ id: 1, n: 3, u: 'x' })), 1);
});

test('indexes see generated keys', async () => {
  const store = await storeOf({ keyPath: 'id', autoIncrement: true }, (created) => {
    created.createIndex('id', 'id');
  });
  store.put({});
  assert.equal(await result(store.index('id').getKey(1)), 1);
});

test('the same handle gives the same index object and key path array', async () => {
  const store = await storeOf({ keyPath: ['a', 'b'] }, (created) => created.createIndex('i', ['x', 'y']));
  assert.equal(store.index('i'), store.index('i'));
  assert.equal(store.keyPath, store.keyPath);
  assert.equal(store.index('i').keyPath, store.index('i').keyPath);
  assert.deepEqual(store.keyPath, ['a', 'b']);
});

test('a key beyond the limits makes no entry in an index, and is an error as the key of a record', async () => {
  const store = await storeOf({ keyPath: 'id' }, (created) => {
    created.createIndex('one', 'k');
    created.createIndex('each', 'k', { multiEntry: true });
  });
  const nested = (depth) => (depth === 0 ? 1 : [nested(depth - 1)]);
  const beyond = ['x'.repeat(1 << 20), nested(65)];
  for (const [id, k] of beyond.entries()) await result(store.put({ id, k }));
  await result(store.put({ id: 2, k: [beyond[0], 'short'] }));
  assert.equal(await result(store.count()), 3);
  assert.equal(await result(store.index('one').count()), 0);
  assert.deepEqual(await result(store.index('each').getAllKeys('short')), [2]);
  for (const id of beyond) assert.throws(() => store.put({ id }), domException('DataError'));
});

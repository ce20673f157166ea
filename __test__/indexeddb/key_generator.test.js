'use strict';

// Key generators, key paths and what is stored: https://w3c.github.io/IndexedDB/#key-generator-construct,
// #extract-key-from-value, #inject-key-into-value, #object-store-storage-operation

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBFactory } = require('../../index.js');
const { domException, finished, openDatabase, result, storeOf } = require('./support.js');

/** Its error, with the default of the error event prevented. */
async function errorOf(request) {
  request.addEventListener('error', (event) => event.preventDefault());
  return result(request).then(() => assert.fail('succeeded'), (error) => error);
}

test('2.11 key generators: explicit keys move the number up, to the integer above, never down', async () => {
  for (const [explicit, next] of [
    [5, 6], [5.9, 6], [0, 1], [0.5, 1], [-7, 1], [-Infinity, 1], ['9', 1], [new Date(9), 1], [[9], 1], [new Uint8Array([9]).buffer, 1],
    [2 ** 53 - 2, 2 ** 53 - 1], [2 ** 53 - 1, 2 ** 53],
  ]) {
    const store = await storeOf({ autoIncrement: true });
    await result(store.put('explicit', explicit));
    assert.equal(await result(store.put('generated')), next, String(explicit));
    if (next > 1 && next < 2 ** 53) assert.equal(await result(store.put('generated')), next + 1);
  }
});

test('2.11 key generators: beyond 2^53 a generated key is a ConstraintError, an explicit one is not', async () => {
  for (const explicit of [2 ** 53, 2 ** 53 + 2, 1e300, Infinity]) {
    const store = await storeOf({ autoIncrement: true });
    await result(store.put('explicit', explicit));
    assert.equal((await errorOf(store.put('generated'))).name, 'ConstraintError');
    assert.equal(await result(store.put('again', 1)), 1);
    assert.equal(await result(store.count()), 2);
  }
});

test('2.11 key generators: the last number is used, then none is left', async () => {
  const store = await storeOf({ keyPath: 'id', autoIncrement: true });
  await result(store.put({ id: 2 ** 53 - 1 }));
  assert.equal(await result(store.put({})), 2 ** 53);
  assert.equal((await errorOf(store.put({}))).name, 'ConstraintError');
});

test('2.11 key generators: a failed request takes no number back, an aborted transaction does', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s', { autoIncrement: true }).createIndex('u', 'u', { unique: true }));
  const first = db.transaction('s', 'readwrite');
  await result(first.objectStore('s').add({ u: 1 }));
  assert.equal((await errorOf(first.objectStore('s').add({ u: 1 }))).name, 'ConstraintError');
  const next = await result(first.objectStore('s').add({ u: 2 }));
  assert.equal(next > 1, true);
  await finished(first);
  const aborted = db.transaction('s', 'readwrite');
  assert.equal(await result(aborted.objectStore('s').add({ u: 3 })), next + 1);
  await result(aborted.objectStore('s').put({ u: 5 }, 1000));
  aborted.abort();
  assert.equal(await result(db.transaction('s', 'readwrite').objectStore('s').add({ u: 3 })), next + 1);
});

test('2.11 key generators: deleting and clearing leave the number; each store has its own, which survives reopening', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => ['a', 'b'].forEach((name) => created.createObjectStore(name, { autoIncrement: true })), { factory });
  const transaction = db.transaction(['a', 'b'], 'readwrite');
  const [a, b] = ['a', 'b'].map((name) => transaction.objectStore(name));
  assert.deepEqual([await result(a.add(1)), await result(a.add(1)), await result(b.add(1))], [1, 2, 1]);
  a.delete(2);
  assert.equal(await result(a.add(1)), 3);
  a.clear();
  assert.equal(await result(a.add(1)), 4);
  db.close();
  const again = await openDatabase(undefined, { factory });
  assert.equal(await result(again.transaction('a', 'readwrite').objectStore('a').add(1)), 5);
});

test('2.11 key generators: an aborted upgrade gives numbers back, a new store of an old name begins at 1', async () => {
  const factory = new IDBFactory();
  (await openDatabase((created) => created.createObjectStore('s', { autoIncrement: true }).add(1), { factory })).close();
  await assert.rejects(openDatabase((_, transaction) => {
    transaction.objectStore('s').add(1);
    transaction.objectStore('s').add(1).onsuccess = () => transaction.abort();
  }, { factory, version: 2 }), domException('AbortError'));
  const db = await openDatabase(undefined, { factory });
  assert.equal(await result(db.transaction('s', 'readwrite').objectStore('s').add(1)), 2);
  db.close();
  const later = await openDatabase((created) => {
    created.deleteObjectStore('s');
    created.createObjectStore('s', { autoIncrement: true });
  }, { factory, version: 2 });
  assert.equal(await result(later.transaction('s', 'readwrite').objectStore('s').add(1)), 1);
});

test('7.1 extract a key: what key paths find', async () => {
  const date = new Date(7);
  for (const [keyPath, value, key] of [
    ['', 'whole', 'whole'], ['a', { a: 1 }, 1], ['a.b', { a: { b: date } }, date], ['length', 'four', 4], ['length', [1, 2], 2],
    ['a.length', { a: 'xyz' }, 3], [['a', 'b.c'], { a: 1, b: { c: 'x' } }, [1, 'x']], [['a'], { a: 2 }, [2]], ['a', { a: [1, ['x']] }, [1, ['x']]],
  ]) {
    const store = await storeOf({ keyPath });
    assert.deepEqual(await result(store.add(value)), key);
    assert.deepEqual(await result(store.get(key)), value);
  }
});

test('7.1 extract a key: of Blobs and Files, size, type, name and lastModified', async () => {
  const file = new File(['four'], 'name', { type: 'text/plain', lastModified: 9 });
  for (const [keyPath, key] of [['size', 4], ['type', 'text/plain'], ['name', 'name'], ['lastModified', 9]]) {
    assert.equal(await result((await storeOf({ keyPath })).add(file)), key);
  }
  const blobs = await storeOf({ keyPath: 'size' });
  assert.equal(await result(blobs.add(new Blob(['abc']))), 3);
});

test('7.1 extract a key: nothing, or something that is no key, is a DataError at once', async () => {
  for (const [keyPath, values] of [
    ['a', [{}, { b: 1 }, { a: undefined }, { a: null }, { a: true }, { a: {} }, { a: [{}] }, { a: NaN }, 'text', 1, null, undefined, [1]]],
    ['a.b', [{ a: 1 }, { a: null }, { a: { c: 1 } }, {}]], [['a', 'b'], [{ a: 1 }, { a: 1, b: null }, {}]], ['', [{}, true, null, [undefined]]],
    ['toString', [{}]], ['a', [Object.create({ a: 1 })]],
  ]) {
    const store = await storeOf({ keyPath });
    for (const value of values) assert.throws(() => store.put(value), domException('DataError'), JSON.stringify([keyPath, value]));
    assert.equal(await result(store.count()), 0);
  }
});

test('7.2 inject a key: objects on the way are made, what is no object refuses', async () => {
  for (const [value, expected] of [
    [{}, { a: { b: { id: 1 } } }], [{ a: {} }, { a: { b: { id: 1 } } }], [{ a: { x: 1, b: { y: 2 } } }, { a: { x: 1, b: { y: 2, id: 1 } } }],
  ]) {
    const store = await storeOf({ keyPath: 'a.b.id', autoIncrement: true });
    assert.equal(await result(store.add(value)), 1);
    assert.deepEqual(await result(store.get(1)), expected);
  }
  const store = await storeOf({ keyPath: 'a.b.id', autoIncrement: true });
  for (const value of [{ a: 1 }, { a: null }, { a: { b: 'x' } }, 'text', 5, null]) {
    assert.throws(() => store.put(value), domException('DataError'), JSON.stringify(value));
  }
  assert.equal(await result(store.add({})), 1, 'a refused value has taken no number');
});

test('7.2 inject a key: one that is there is used and moves the generator', async () => {
  const store = await storeOf({ keyPath: 'id', autoIncrement: true });
  assert.equal(await result(store.put({ id: 10 })), 10);
  assert.equal(await result(store.put({})), 11);
  assert.equal(await result(store.put({ id: 'text' })), 'text');
  assert.throws(() => store.put({ id: null }), domException('DataError'));
  assert.deepEqual(await result(store.getAll()), [{ id: 10 }, { id: 11 }, { id: 'text' }]);
});

test('6.1 store a record: add() of an existing key changes nothing and the error names the key', async () => {
  const store = await storeOf({}, (created) => created.createIndex('i', 'x'));
  await result(store.put({ x: 1 }, 1));
  const error = await errorOf(store.add({ x: 2 }, 1));
  assert.equal(error.name, 'ConstraintError');
  assert.deepEqual(await result(store.getAll()), [{ x: 1 }]);
  assert.deepEqual(await result(store.index('i').getAllKeys()), [1]);
});

test('6.1 store a record: put() replaces the entries of its indexes, delete() and clear() remove them', async () => {
  const store = await storeOf({}, (created) => {
    created.createIndex('x', 'x');
    created.createIndex('many', 'many', { multiEntry: true });
  });
  const entries = async (name) => (await result(store.index(name).getAllRecords())).map(({ key, primaryKey }) => [key, primaryKey]);
  store.put({ x: 1, many: [1, 2, 2, null, 'a'] }, 'r');
  assert.deepEqual(await entries('many'), [[1, 'r'], [2, 'r'], ['a', 'r']]);
  store.put({ x: 2, many: [2, 3] }, 'r');
  assert.deepEqual([await entries('x'), await entries('many')], [[[2, 'r']], [[2, 'r'], [3, 'r']]]);
  store.put({ x: {}, many: 7 }, 'r');
  assert.deepEqual([await entries('x'), await entries('many')], [[], [[7, 'r']]]);
  store.put({ x: 3, many: [] }, 'q');
  store.delete('r');
  assert.deepEqual([await entries('x'), await entries('many')], [[[3, 'q']], []]);
  store.clear();
  assert.deepEqual([await entries('x'), await entries('many'), await result(store.count())], [[], [], 0]);
});

test('6.1 store a record: unique indexes, one entry of one multiEntry record after the other', async () => {
  const store = await storeOf({}, (created) => {
    created.createIndex('u', 'u', { unique: true, multiEntry: true });
  });
  await result(store.put({ u: [1, 2] }, 'a'));
  assert.equal((await errorOf(store.put({ u: [3, 2] }, 'b'))).name, 'ConstraintError');
  assert.deepEqual(await result(store.index('u').getAllKeys()), ['a', 'a'], 'nothing of the refused record is left');
  assert.equal(await result(store.put({ u: [2, 3] }, 'a')), 'a', 'a record does not stand in its own way');
  assert.equal(await result(store.put({ u: [1] }, 'b')), 'b', 'what is no longer used is free');
  assert.equal((await errorOf(store.put({ u: [1] }, 'c'))).name, 'ConstraintError');
  assert.deepEqual(await result(store.getAllKeys()), ['a', 'b']);
});

test('2.6 index: a compound key path needs all its parts; the index over existing records is complete', async () => {
  const factory = new IDBFactory();
  (await openDatabase((created) => {
    const store = created.createObjectStore('s');
    [{ a: 1, b: 2 }, { a: 1 }, { b: 2 }, { a: null, b: 2 }, { a: [1], b: 'x' }].forEach((value, i) => store.put(value, i));
  }, { factory })).close();
  const db = await openDatabase((_, transaction) => transaction.objectStore('s').createIndex('ab', ['a', 'b']), { factory, version: 2 });
  const index = db.transaction('s').objectStore('s').index('ab');
  assert.deepEqual((await result(index.getAllRecords())).map(({ key, primaryKey }) => [key, primaryKey]), [[[1, 2], 0], [[[1], 'x'], 4]]);
  assert.deepEqual([index.keyPath, index.unique, index.multiEntry, index.name, index.objectStore.name], [['a', 'b'], false, false, 'ab', 's']);
});

test('4.5 createIndex(): flags are read as booleans and kept; a deleted index is gone from names and handles', async () => {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    store.createIndex('z', 'a', { unique: 1, multiEntry: 0 });
    store.createIndex('a', 'a', { multiEntry: 'yes' });
    const gone = store.createIndex('m', 'a');
    assert.deepEqual([...store.indexNames], ['a', 'm', 'z']);
    store.deleteIndex('m');
    for (const call of [
      () => gone.get(1), () => gone.getKey(1), () => gone.getAll(), () => gone.getAllKeys(), () => gone.getAllRecords(), () => gone.count(),
      () => gone.openCursor(), () => gone.openKeyCursor(), () => { gone.name = 'x'; },
    ]) assert.throws(call, domException('InvalidStateError'));
    assert.throws(() => store.deleteIndex('m'), domException('NotFoundError'));
  });
  const store = db.transaction('s').objectStore('s');
  assert.deepEqual([...store.indexNames], ['a', 'z']);
  assert.deepEqual(['a', 'z'].map((name) => [store.index(name).unique, store.index(name).multiEntry]), [[false, true], [true, false]]);
});

test('4.4 deleteObjectStore(): the store, its indexes and their cursors are gone at once', async () => {
  await openDatabase((db) => {
    const store = db.createObjectStore('s');
    const index = store.createIndex('i', 'x');
    db.deleteObjectStore('s');
    for (const call of [
      () => store.put(1, 1), () => store.add(1, 1), () => store.get(1), () => store.getKey(1), () => store.getAll(), () => store.getAllKeys(),
      () => store.getAllRecords(), () => store.count(), () => store.clear(), () => store.delete(1), () => store.openCursor(), () => store.openKeyCursor(),
      () => store.index('i'), () => store.createIndex('j', 'x'), () => store.deleteIndex('i'), () => { store.name = 't'; }, () => index.get(1),
      () => { index.name = 'j'; },
    ]) assert.throws(call, domException('InvalidStateError'));
    assert.throws(() => db.deleteObjectStore('s'), domException('NotFoundError'));
    assert.deepEqual([...store.indexNames], []);
  });
});

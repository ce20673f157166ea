'use strict';

// Which exception comes first when several are due, method by method: https://w3c.github.io/IndexedDB/#async-api

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBFactory } = require('../../index.js');
const { domException, openDatabase, result } = require('./support.js');

/**
 * A store and an index in every bad state at once, one after the other taken away.
 * @param {{ deleted?: boolean, inactive?: boolean }} state
 * @param {(things: any) => void} check
 */
async function inState({ deleted = false, inactive = false }, check) {
  await openDatabase((db, transaction) => new Promise((resolve) => {
    const store = db.createObjectStore('s');
    const index = store.createIndex('i', 'x');
    store.put({ x: 1 }, 1);
    const request = index.openCursor();
    const keyRequest = store.openKeyCursor();
    keyRequest.addEventListener('success', () => {
      if (deleted) db.deleteObjectStore('s');
      const things = { db, transaction, store, index, cursor: request.result, keyCursor: keyRequest.result };
      if (!inactive) return resolve(check(things));
      let alive = true;
      db.createObjectStore('alive');
      const keepAlive = () => { if (alive) transaction.objectStore('alive').get(0).onsuccess = keepAlive; };
      keepAlive();
      return setTimeout(() => { check(things); alive = false; });
    }, { once: true });
  }));
}

/** Every method that begins with a check of the state, with arguments that are wrong too. */
const queries = (source) => ({
  get: () => source.get({}), getKey: () => source.getKey({}), getAll: () => source.getAll(NaN), getAllKeys: () => source.getAllKeys(NaN),
  getAllRecords: () => source.getAllRecords({ query: NaN }), count: () => source.count({}), openCursor: () => source.openCursor({}), openKeyCursor: () => source.openKeyCursor({}),
});
const writes = (store) => ({ put: () => store.put(Symbol(), {}), add: () => store.add(Symbol(), {}), delete: () => store.delete({}) });
const changes = (store, index) => ({
  createIndex: () => store.createIndex('i', 'not valid'), deleteIndex: () => store.deleteIndex('none'), storeName: () => { store.name = 's2'; }, indexName: () => { index.name = 'i2'; },
});

/** @param {Record<string, () => void>} calls */
function allThrow(calls, name) {
  for (const [method, call] of Object.entries(calls)) assert.throws(call, domException(name), method);
}

test('4.5, 4.6 a deleted source comes before an inactive transaction, and that before its arguments', async () => {
  await inState({ deleted: true, inactive: true }, ({ store, index }) => {
    allThrow({ ...queries(store), ...writes(store), clear: () => store.clear() }, 'InvalidStateError');
    allThrow(queries(index), 'InvalidStateError');
    allThrow({ storeName: changes(store, index).storeName, createIndex: changes(store, index).createIndex, deleteIndex: changes(store, index).deleteIndex }, 'InvalidStateError');
    allThrow({ indexName: changes(store, index).indexName }, 'TransactionInactiveError');
  });
  await inState({ inactive: true }, ({ store, index }) => {
    allThrow({ ...queries(store), ...writes(store), clear: () => store.clear(), ...changes(store, index) }, 'TransactionInactiveError');
    allThrow(queries(index), 'TransactionInactiveError');
  });
  await inState({}, ({ store, index }) => {
    allThrow({ ...queries(store), ...writes(store) }, 'DataError');
    allThrow(queries(index), 'DataError');
  });
});

test('4.9 cursor: inactive, then deleted, then moving, then key only, then the arguments', async () => {
  const methods = (cursor) => ({
    advance: () => cursor.advance(1), continue: () => cursor.continue({}), continuePrimaryKey: () => cursor.continuePrimaryKey({}, {}), update: () => cursor.update(Symbol()), delete: () => cursor.delete(),
  });
  await inState({ deleted: true, inactive: true }, ({ cursor }) => allThrow(methods(cursor), 'TransactionInactiveError'));
  await inState({ deleted: true }, ({ cursor }) => allThrow(methods(cursor), 'InvalidStateError'));
  await inState({}, ({ cursor, keyCursor }) => {
    assert.throws(() => cursor.advance(0), TypeError);
    assert.throws(() => cursor.continue({}), domException('DataError'));
    assert.throws(() => cursor.continuePrimaryKey({}, 1), domException('DataError'));
    assert.throws(() => cursor.continuePrimaryKey(1, {}), domException('DataError'));
    assert.throws(() => cursor.update(Symbol()), domException('DataCloneError'));
    assert.throws(() => keyCursor.update(Symbol()), domException('InvalidStateError'));
    assert.throws(() => keyCursor.delete(), domException('InvalidStateError'));
    assert.throws(() => keyCursor.continuePrimaryKey(9, 9), domException('InvalidAccessError'));
    cursor.continue();
    allThrow(methods(cursor), 'InvalidStateError');
    keyCursor.continue();
    assert.throws(() => keyCursor.continuePrimaryKey(9, 9), domException('InvalidAccessError'));
  });
});

test('4.9 cursor: a read-only transaction comes after an inactive one and before a cursor that moves', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').put(1, 1));
  const transaction = db.transaction('s');
  const cursor = await result(transaction.objectStore('s').openCursor());
  cursor.continue();
  assert.throws(() => cursor.update(Symbol()), domException('ReadOnlyError'));
  assert.throws(() => cursor.delete(), domException('ReadOnlyError'));
  await new Promise((resolve) => { transaction.oncomplete = resolve; });
  assert.throws(() => cursor.update(1), domException('TransactionInactiveError'));
  assert.throws(() => cursor.delete(), domException('TransactionInactiveError'));
});

test('4.5 put() and add(): read-only, then the kind of key, then the key, then the clone, then the key in the clone', async () => {
  const db = await openDatabase((created) => {
    created.createObjectStore('inline', { keyPath: 'id' });
    created.createObjectStore('outside');
  });
  const readonly = db.transaction('outside').objectStore('outside');
  assert.throws(() => readonly.put(Symbol(), {}), domException('ReadOnlyError'));
  const transaction = db.transaction(['inline', 'outside'], 'readwrite');
  const [inline, outside] = ['inline', 'outside'].map((name) => transaction.objectStore(name));
  for (const method of ['put', 'add']) {
    assert.throws(() => inline[method](Symbol(), 1), domException('DataError'));
    assert.throws(() => outside[method](Symbol()), domException('DataError'));
    assert.throws(() => outside[method](Symbol(), null), domException('DataError'));
    assert.throws(() => outside[method](Symbol(), 1), domException('DataCloneError'));
    assert.throws(() => inline[method]({ f: Symbol() }), domException('DataCloneError'));
    assert.throws(() => inline[method]({}), domException('DataError'));
    assert.throws(() => inline[method](), TypeError);
  }
  const thrown = new Error('mine');
  assert.throws(() => outside.put({ get x() { throw thrown; } }, 1), (error) => error === thrown);
  assert.throws(() => outside.put(1, [{ get x() { throw thrown; } }]), domException('DataError'));
  assert.equal(await result(outside.count()), 0, 'the transaction is active again');
});

test('4.4 createObjectStore(): no upgrade, inactive, key path, name, key generator', async () => {
  await openDatabase((db) => {
    db.createObjectStore('s');
    assert.throws(() => db.createObjectStore('s', { keyPath: 'not valid', autoIncrement: true }), domException('SyntaxError'));
    assert.throws(() => db.createObjectStore('s', { keyPath: '', autoIncrement: true }), domException('ConstraintError'));
    assert.throws(() => db.createObjectStore('t', { keyPath: '', autoIncrement: true }), domException('InvalidAccessError'));
    assert.throws(() => db.createObjectStore('t', { keyPath: ['a'], autoIncrement: true }), domException('InvalidAccessError'));
    assert.throws(() => db.createObjectStore('t', { keyPath: [] }), domException('SyntaxError'));
    for (const keyPath of ['a b', '.', 'a.', '.a', 'a..b', '1a', ' ', 'a,b', ['a', ''], ['a', 'b.']]) {
      if (Array.isArray(keyPath) && keyPath[1] === '') db.createObjectStore('empty part', { keyPath });
      else assert.throws(() => db.createObjectStore('t', { keyPath }), domException('SyntaxError'), String(keyPath));
    }
    assert.throws(() => db.createObjectStore('t', 5), TypeError);
    assert.equal(db.createObjectStore('u', { keyPath: null }).keyPath, null);
    assert.equal(db.createObjectStore('v', { keyPath: undefined, autoIncrement: true }).autoIncrement, true);
    assert.deepEqual([...db.objectStoreNames], ['empty part', 's', 'u', 'v']);
  });
});

test('4.5 createIndex(): no upgrade, deleted, inactive, name, key path, multiEntry', async () => {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    store.createIndex('i', 'x');
    assert.throws(() => store.createIndex('i', 'not valid'), domException('ConstraintError'));
    assert.throws(() => store.createIndex('j', 'not valid', { multiEntry: true }), domException('SyntaxError'));
    assert.throws(() => store.createIndex('j', [], { multiEntry: true }), domException('SyntaxError'));
    assert.throws(() => store.createIndex('j', ['a'], { multiEntry: true }), domException('InvalidAccessError'));
    assert.throws(() => store.createIndex('j'), TypeError);
    assert.equal(store.createIndex('', '').name, '');
  });
  const store = db.transaction('s', 'readwrite').objectStore('s');
  assert.throws(() => store.createIndex('i', 'not valid'), domException('InvalidStateError'));
  assert.throws(() => store.deleteIndex('none'), domException('InvalidStateError'));
  assert.throws(() => { store.index('i').name = 'i'; }, domException('InvalidStateError'));
  assert.throws(() => { store.name = 's'; }, domException('InvalidStateError'));
  assert.throws(() => store.index('none'), domException('NotFoundError'));
  assert.throws(() => store.index(), TypeError);
});

test('4.4 transaction(): arguments, then upgrade, then closed, then names, then an empty scope, then the mode', async () => {
  const db = await openDatabase((created) => {
    created.createObjectStore('s');
    assert.throws(() => created.transaction('none', 'other'), TypeError);
    assert.throws(() => created.transaction('none', 'versionchange'), domException('InvalidStateError'));
  });
  assert.throws(() => db.transaction('none', 'versionchange'), domException('NotFoundError'));
  assert.throws(() => db.transaction([], 'versionchange'), domException('InvalidAccessError'));
  assert.throws(() => db.transaction('s', 'versionchange'), TypeError);
  assert.throws(() => db.transaction(['s', 'none']), domException('NotFoundError'));
  assert.throws(() => db.transaction('s', 'readonly', 5), TypeError);
  assert.throws(() => db.transaction('s', null), TypeError);
  assert.equal(db.transaction('s', undefined).mode, 'readonly');
  assert.deepEqual([...db.transaction(new Set(['s'])).objectStoreNames], ['s']);
  db.close();
  assert.throws(() => db.transaction('none'), domException('InvalidStateError'));
  assert.throws(() => db.transaction([]), domException('InvalidStateError'));
});

test('4.3 open() and deleteDatabase(): their arguments', () => {
  const factory = new IDBFactory();
  for (const version of [0, -1, 0.9, NaN, Infinity, 2 ** 53, 'x', null, {}]) assert.throws(() => factory.open('d', version), TypeError, String(version));
  assert.throws(() => factory.open(), TypeError);
  assert.throws(() => factory.deleteDatabase(), TypeError);
  assert.throws(() => factory.open(Symbol()), TypeError);
  assert.throws(() => factory.cmp(1), TypeError);
  assert.throws(() => factory.cmp(1, {}), domException('DataError'));
});

for (const kind of ['store', 'index']) {
  test(`4.5, 4.6 name of ${kind}: the same name is nothing, another's is a ConstraintError, renames can be swapped`, async () => {
    const factory = new IDBFactory();
    const names = (parent) => [...(kind === 'store' ? parent.objectStoreNames : parent.indexNames)];
    const db = await openDatabase((created) => {
      const parent = kind === 'store' ? created : created.createObjectStore('parent');
      const [a, b] = ['a', 'b'].map((name) => (kind === 'store' ? created.createObjectStore(name) : parent.createIndex(name, name)));
      a.name = 'a';
      assert.throws(() => { a.name = 'b'; }, domException('ConstraintError'));
      assert.throws(() => { a.name = Symbol(); }, TypeError);
      b.name = 'c';
      a.name = 'b';
      b.name = 'a';
      assert.deepEqual([a.name, b.name, names(parent)], ['b', 'a', ['a', 'b']]);
      b.name = 5;
      assert.deepEqual([b.name, names(parent)], ['5', ['5', 'b']]);
    }, { factory });
    db.close();
    const again = await openDatabase(undefined, { factory });
    assert.deepEqual(names(kind === 'store' ? again : again.transaction('parent').objectStore('parent')), ['5', 'b']);
  });
}

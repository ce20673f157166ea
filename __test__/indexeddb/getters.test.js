'use strict';

// Goal: getters of values and keys run in the middle of a call, and one that ends the transaction there leaves it ended: the call throws,
// every request settles, and the events are those of one end. Method: each call with an argument whose getter aborts or commits, in memory
// and on disk.

const test = require('node:test');
const assert = require('node:assert');
const { IDBFactory } = require('../../index.js');
const { directory } = require('../fixture');
const { result, openDatabase, domException } = require('./support');

/** @param {IDBTransaction} transaction */
function eventsOf(transaction) {
  /** @type {string[]} */
  const events = [];
  for (const type of ['abort', 'complete']) transaction.addEventListener(type, () => events.push(type));
  return events;
}

/** @param {IDBDatabase} db */
const createStore = (db) => { db.createObjectStore('s').put('value', 1); };

/** In memory and on disk. @type {[string, (t: import('node:test').TestContext) => IDBFactory][]} */
const WORLDS = [['in memory', () => new IDBFactory()], ['on disk', (t) => new IDBFactory({ path: directory(t) })]];

for (const [where, factoryOf] of WORLDS) {
  for (const thrown of [null, new Error('mine')]) {
    const how = thrown === null ? 'goes on' : 'throws';
    test(`a getter of a value that aborts the transaction and ${how} leaves it aborted, ${where}`, async (t) => {
      const factory = factoryOf(t);
      const db = await openDatabase(createStore, { factory });
      const transaction = db.transaction('s', 'readwrite');
      const events = eventsOf(transaction);
      const store = transaction.objectStore('s');
      const earlier = result(store.put('written', 2));
      const value = {
        get part() {
          transaction.abort();
          if (thrown !== null) throw thrown;
          return 1;
        },
      };
      assert.throws(() => store.put(value, 1), thrown === null ? domException('TransactionInactiveError') : (error) => error === thrown);
      assert.throws(() => store.get(1), domException('TransactionInactiveError'));
      await assert.rejects(earlier, domException('AbortError'));
      assert.deepStrictEqual(await result(db.transaction('s').objectStore('s').getAll()), ['value']);
      await factory.close();
      assert.deepStrictEqual(events, ['abort']);
    });
  }
}

test('a getter of a value that update() is given may abort too', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s', 'readwrite');
  const events = eventsOf(transaction);
  const cursor = await result(transaction.objectStore('s').openCursor());
  assert.throws(() => cursor.update({ get part() { transaction.abort(); return 1; } }), domException('TransactionInactiveError'));
  assert.deepStrictEqual(await result(db.transaction('s').objectStore('s').getAll()), ['value']);
  assert.deepStrictEqual(events, ['abort']);
});

test('a getter that aborts a version change: no store can be made any more, and the open request fails once', async () => {
  const factory = new IDBFactory();
  (await openDatabase(createStore, { factory })).close();
  const request = factory.open('database', 2);
  /** @type {string[]} */
  const events = [];
  request.onupgradeneeded = () => {
    const transaction = /** @type {IDBTransaction} */ (request.transaction);
    transaction.onabort = () => events.push('abort');
    assert.throws(() => transaction.objectStore('s').put({ get part() { transaction.abort(); return 1; } }, 1), domException('TransactionInactiveError'));
    assert.throws(() => request.result.createObjectStore('other'), domException('TransactionInactiveError'));
  };
  request.onsuccess = () => events.push('success');
  await new Promise((resolve) => { request.onerror = () => resolve(events.push(/** @type {any} */ (request.error).name)); });
  await factory.close();
  assert.deepStrictEqual(events, ['abort', 'AbortError']);
});

/** @param {() => void} end @returns {any} a key whose only element is a getter */
function keyThatEnds(end) {
  return Object.defineProperty([0], 0, { get() { end(); return 1; }, enumerable: true });
}

/** Calls that convert a key. @type {[string, (store: IDBObjectStore, key: any) => unknown][]} */
const CALLS = [
  ['put', (store, key) => store.put('value', key)],
  ['add', (store, key) => store.add('value', key)],
  ['delete', (store, key) => store.delete(key)],
  ['get', (store, key) => store.get(key)],
  ['getKey', (store, key) => store.getKey(key)],
  ['getAll', (store, key) => store.getAll(key)],
  ['getAll with options', (store, key) => store.getAll({ query: key })],
  ['getAllRecords', (store, key) => /** @type {any} */ (store).getAllRecords({ query: key })],
  ['count', (store, key) => store.count(key)],
  ['openCursor', (store, key) => store.openCursor(key)],
  ['openKeyCursor', (store, key) => store.openKeyCursor(key)],
];

for (const [where, factoryOf] of WORLDS) {
  for (const [end, event] of /** @type {const} */ ([['abort', 'abort'], ['commit', 'complete']])) {
    test(`a getter of a key that calls ${end}() makes the call throw, ${where}`, async (t) => {
      const factory = factoryOf(t);
      const db = await openDatabase(createStore, { factory });
      for (const [name, call] of CALLS) {
        const transaction = db.transaction('s', 'readwrite');
        const events = eventsOf(transaction);
        const store = transaction.objectStore('s');
        assert.throws(() => call(store, keyThatEnds(() => transaction[end]())), domException('TransactionInactiveError'), name);
        assert.deepStrictEqual(await result(db.transaction('s', 'readwrite').objectStore('s').getAllKeys()), [1], name);
        assert.deepStrictEqual(events, [event], name);
      }
      await factory.close();
    });

    test(`and leaves the request of a cursor as it was when it calls ${end}(), ${where}`, async (t) => {
      const factory = factoryOf(t);
      const db = await openDatabase((created) => { created.createObjectStore('s').createIndex('i', 'i'); }, { factory });
      await result(db.transaction('s', 'readwrite').objectStore('s').put({ i: 1 }, 1));
      for (const method of ['continue', 'continuePrimaryKey']) {
        const transaction = db.transaction('s', 'readwrite');
        const ended = new Promise((resolve) => { transaction.onabort = transaction.oncomplete = resolve; });
        const request = transaction.objectStore('s').index('i').openCursor();
        const cursor = /** @type {any} */ (await result(request));
        const key = keyThatEnds(() => transaction[end]());
        assert.throws(() => cursor[method](...(method === 'continue' ? [key] : [1, key])), domException('TransactionInactiveError'), method);
        await ended;
        assert.strictEqual(request.readyState, 'done');
        assert.strictEqual(request.result, cursor);
      }
      await factory.close();
    });
  }
}

test('a getter of a key that moves the cursor makes the call throw: a cursor does not go back', async () => {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    store.createIndex('i', '');
    for (let key = 0; key < 6; key += 1) store.put([key], [key]);
  });
  const moves = { continue: (cursor, key) => cursor.continue(key), continuePrimaryKey: (cursor, key) => cursor.continuePrimaryKey(key, [5]) };
  for (const [name, move] of Object.entries(moves)) {
    const seen = [];
    const request = db.transaction('s').objectStore('s').index('i').openCursor();
    await new Promise((resolve) => {
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null) return resolve(undefined);
        seen.push(cursor.key[0]);
        if (seen.length > 1) return cursor.continue();
        const key = [0];
        Object.defineProperty(key, 0, { enumerable: true, get: () => { cursor.continue([4]); return 2; } });
        assert.throws(() => move(cursor, key), domException('InvalidStateError'), name);
      };
    });
    assert.deepStrictEqual(seen, [0, 4, 5], name);
  }
});

test('a getter of a key that deletes the store of the call makes it throw, and the version change goes on', async () => {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    assert.throws(() => store.put('value', keyThatEnds(() => created.deleteObjectStore('s'))), domException('InvalidStateError'));
    created.createObjectStore('other');
  });
  assert.deepStrictEqual([...db.objectStoreNames], ['other']);
});

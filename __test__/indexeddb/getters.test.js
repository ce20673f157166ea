'use strict';

// Goal: getters of values and keys run in the middle of a call, and one that ends the transaction there leaves it ended: the call throws,
// every request settles, and the events are those of one end. Method: each call with an argument whose getter aborts or commits, in memory
// and on disk.

const test = require('node:test');
const assert = require('node:assert');
const { IDBFactory } = require('../../index.js');
const { directory } = require('../fixture');
const { result, finished, openDatabase, domException } = require('./support');

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

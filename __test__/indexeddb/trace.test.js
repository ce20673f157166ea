'use strict';

// What subscribers of diagnostics_channel get, and what the messages of errors say.

const assert = require('node:assert/strict');
const diagnostics = require('node:diagnostics_channel');
const { test } = require('node:test');
const { IDBFactory, IDBKeyRange } = require('../../index.js');
const { finished, openDatabase, result } = require('./support.js');

/** The messages of a channel while a test runs. */
function subscribed(t, name) {
  const messages = [];
  const listener = (message) => messages.push(message);
  diagnostics.subscribe(`flowdb:indexeddb:${name}`, listener);
  t.after(() => diagnostics.unsubscribe(`flowdb:indexeddb:${name}`, listener));
  return messages;
}

const pick = (message, names) => names.map((name) => message[name]);

test('requests tell what they were, how many records they met, and how long it took', async (t) => {
  const db = await openDatabase((created) => created.createObjectStore('s').createIndex('i', 'x', { unique: true }));
  const messages = subscribed(t, 'request');
  const transaction = db.transaction('s', 'readwrite');
  const store = transaction.objectStore('s');
  const index = store.index('i');
  store.add({ x: 1 }, 1);
  store.put({ x: 2 }, ['k', new Date(0)]);
  store.get(1);
  index.getKey(5);
  index.getAll(IDBKeyRange.bound(1, 2, true), 10);
  store.getAllRecords({ direction: 'prev' });
  store.count();
  store.openCursor(1);
  store.add({ x: 1 }, 3).onerror = (event) => event.preventDefault();
  store.delete(IDBKeyRange.lowerBound('a', true));
  store.clear();
  await finished(transaction);
  assert.deepEqual(messages.map((message) => pick(message, ['operation', 'index', 'key', 'direction', 'count'])), [
    ['add', null, 1, null, 1], ['put', null, ['k', new Date(0)], null, 1], ['get', null, 1, null, 1], ['getKey', 'i', 5, null, 0], ['getAll', 'i', undefined, 'next', 1],
    ['getAll', null, undefined, 'prev', 2], ['count', null, undefined, null, 2], ['iterate', null, 1, 'next', 1], ['add', null, 3, null, null],
    ['delete', null, undefined, null, null], ['clear', null, undefined, null, null],
  ]);
  assert.deepEqual(messages[4].range, { lower: 1, upper: 2, lowerOpen: true, upperOpen: false });
  assert.deepEqual(messages[9].range, { lower: 'a', upper: undefined, lowerOpen: true, upperOpen: true });
  assert.equal(messages[8].error.name, 'ConstraintError');
  for (const message of messages) {
    assert.deepEqual(pick(message, ['database', 'objectStore']), ['database', 's']);
    assert.ok(message.waitMs >= 0 && message.durationMs >= 0 && message.transaction === messages[0].transaction);
  }
});

test('a range between keys that begin alike is none of a single key', async (t) => {
  const db = await openDatabase((created) => created.createObjectStore('s'));
  const messages = subscribed(t, 'request');
  const begin = 'a'.repeat(200);
  const store = db.transaction('s').objectStore('s');
  store.count(IDBKeyRange.bound(`${begin}1`, `${begin}2`));
  store.count(IDBKeyRange.bound(`${begin}1`, `${begin}1`));
  await finished(store.transaction);
  assert.deepEqual(messages.map(({ key, range }) => [key, range?.lower, range?.upper]), [
    [undefined, `${begin}1`, `${begin}2`], [`${begin}1`, undefined, undefined],
  ]);
});

test('requests tell the names that their object stores and indexes had', async (t) => {
  const messages = subscribed(t, 'request');
  await openDatabase((created) => {
    const store = created.createObjectStore('s');
    const index = store.createIndex('i', 'x');
    store.put({}, 0);
    index.count();
    index.name = 'j';
    store.name = 'r';
    store.deleteIndex('j');
    store.get(0);
    created.deleteObjectStore('r');
    created.createObjectStore('s');
  });
  assert.deepEqual(messages.map((message) => pick(message, ['operation', 'objectStore', 'index'])), [
    ['createStore', 's', null], ['createIndex', 's', 'i'], ['put', 's', null], ['count', 's', 'i'], ['renameIndex', 's', 'j'],
    ['renameStore', 'r', null], ['deleteIndex', 'r', 'j'], ['get', 'r', null], ['deleteStore', 'r', null], ['createStore', 's', null],
  ]);
});

test('requests that an abort takes back tell so; changes of the schema are told, too', async (t) => {
  const messages = subscribed(t, 'request');
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    store.createIndex('i', 'x');
    store.put({}, 0);
    store.createIndex('j', 'x');
  });
  assert.deepEqual(messages.map((message) => pick(message, ['operation', 'objectStore', 'index'])), [
    ['createStore', 's', null], ['createIndex', 's', 'i'], ['put', 's', null], ['createIndex', 's', 'j'], ['buildIndex', 's', 'j'],
  ], 'an index of a new, empty store has nothing to be built of');
  const transaction = db.transaction('s', 'readwrite');
  transaction.objectStore('s').put({}, 1);
  transaction.abort();
  await assert.rejects(finished(transaction));
  assert.deepEqual([messages[5].operation, messages[5].error.name, messages[5].durationMs], ['put', 'AbortError', 0]);
});

test('transactions tell how they ended, connections what became of them', async (t) => {
  const transactions = subscribed(t, 'transaction');
  const connections = subscribed(t, 'connection');
  const factory = new IDBFactory();
  const db = await openDatabase((created) => ['b', 'a'].forEach((name) => created.createObjectStore(name)), { factory });
  const failing = db.transaction(['b', 'a'], 'readwrite', { durability: 'strict' });
  failing.abort();
  await assert.rejects(finished(failing));
  await finished(db.transaction('a'));
  const names = ['database', 'mode', 'durability', 'objectStores', 'outcome', 'error'];
  assert.deepEqual(transactions.map((message) => pick(message, names)), [
    ['database', 'versionchange', 'default', ['a', 'b'], 'complete', null], ['database', 'readwrite', 'strict', ['a', 'b'], 'abort', null],
    ['database', 'readonly', 'default', ['a'], 'complete', null],
  ]);
  assert.ok(transactions.every(({ durationMs }) => durationMs >= 0));
  const request = factory.open('database', 3);
  request.onblocked = () => db.close();
  (await result(request)).close();
  await assert.rejects(result(factory.open('database', 2)));
  await result(factory.deleteDatabase('database'));
  assert.deepEqual(connections.map(({ event, database, oldVersion, newVersion, error }) => [event, database, oldVersion, newVersion, error?.name]), [
    ['upgrade', 'database', 0, 1, undefined], ['open', 'database', 1, 1, undefined], ['versionchange', 'database', 1, 3, undefined],
    ['blocked', 'database', 1, 3, undefined], ['close', 'database', 1, null, undefined], ['upgrade', 'database', 1, 3, undefined],
    ['open', 'database', 3, 3, undefined], ['close', 'database', 3, null, undefined], ['fail', 'database', null, null, 'VersionError'],
    ['delete', 'database', 3, null, undefined],
  ]);
});

test('without a subscriber nothing is kept, and one that comes later hears of what begins then', async (t) => {
  const db = await openDatabase((created) => created.createObjectStore('s'));
  const transaction = db.transaction('s', 'readwrite');
  transaction.objectStore('s').put('before', 1);
  const messages = subscribed(t, 'request');
  transaction.objectStore('s').put('after', 2);
  await finished(transaction);
  assert.deepEqual(messages.map(({ key }) => key), [2]);
});

async function failureOf(request) {
  request.addEventListener('error', (event) => event.preventDefault());
  return result(request).then(() => assert.fail('succeeded'), ({ name, message }) => `${name}: ${message}`);
}

test('errors of requests say operation, database, object store, index and key', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('people');
    store.createIndex('by mail', 'mail', { unique: true });
    store.createIndex('by tag', 'tags', { unique: true, multiEntry: true });
    store.put({ mail: 'a@b', tags: [1] }, 1);
  }, { factory, name: 'book' });
  const store = db.transaction('people', 'readwrite').objectStore('people');
  const exists = await failureOf(store.add({}, 1));
  for (const part of ['ConstraintError', 'add', "'book'", "'people'", 'key 1']) assert.ok(exists.includes(part), exists);
  const unique = await failureOf(store.put({ mail: 'a@b' }, 2));
  for (const part of ['ConstraintError', 'put', 'by mail', 'key 2', "key 'a@b' in index 'by mail'"]) assert.ok(unique.includes(part), unique);
  const many = await failureOf(store.put({ tags: [1] }, [3, 'x']));
  for (const part of ['ConstraintError', 'by tag', "key [3, 'x']"]) assert.ok(many.includes(part), many);
});

/** The message of what a call throws. */
function thrownBy(call) {
  try {
    call();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
  return assert.fail('did not throw');
}

test('exceptions say what they are about', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('people', { keyPath: 'id' });
    store.createIndex('mail', 'mail');
    for (const call of [() => created.createObjectStore('people'), () => store.createIndex('mail', 'x')]) assert.match(thrownBy(call), /ConstraintError.*people/);
    assert.match(thrownBy(() => created.createObjectStore('x', { keyPath: 'a b' })), /SyntaxError.*'a b'/);
    assert.match(thrownBy(() => created.deleteObjectStore('none')), /NotFoundError.*'none'.*'book'/);
    assert.match(thrownBy(() => store.deleteIndex('none')), /NotFoundError.*'none'.*'people'/);
  }, { factory, name: 'book', version: 4 });
  const transaction = db.transaction('people', 'readwrite');
  const store = transaction.objectStore('people');
  assert.match(thrownBy(() => store.put({})), /DataError.*'id'.*'people'/);
  assert.match(thrownBy(() => store.put({ id: {} })), /DataError.*'id'.*'people'/);
  assert.match(thrownBy(() => store.put({ id: 1 }, 1)), /DataError.*'people'/);
  assert.match(thrownBy(() => store.index('none')), /NotFoundError.*'none'.*'people'/);
  assert.match(thrownBy(() => transaction.objectStore('none')), /NotFoundError.*'none'.*'book'/);
  assert.match(thrownBy(() => db.transaction('none')), /NotFoundError.*'none'.*'book'/);
  assert.match(thrownBy(() => db.createObjectStore('x')), /InvalidStateError.*'book'/);
  assert.match(thrownBy(() => db.transaction('people').objectStore('people').clear()), /ReadOnlyError.*'book'/);
  await finished(transaction);
  assert.match(thrownBy(() => store.get(1)), /TransactionInactiveError.*'book'.*finished/);
  assert.match(thrownBy(() => transaction.objectStore('people')), /InvalidStateError.*'book'/);
  const lower = factory.open('book', 3);
  assert.match(await failureOf(lower), /VersionError: .*3.*4/);
  db.close();
  assert.match(thrownBy(() => db.transaction('people')), /InvalidStateError.*'book'/);
});

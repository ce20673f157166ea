'use strict';

// The interfaces as the standard's IDL declares them: https://w3c.github.io/IndexedDB/#idl-index

const assert = require('node:assert/strict');
const { test } = require('node:test');
const flowdb = require('../../index.js');
const { openDatabase, result } = require('./support.js');

/** Attributes (! can be set) and operations with their number of required arguments. */
const INTERFACES = {
  IDBRequest: ['EventTarget', 'result error source transaction readyState onsuccess! onerror!'],
  IDBOpenDBRequest: ['IDBRequest', 'onblocked! onupgradeneeded!'],
  IDBVersionChangeEvent: ['Event', 'oldVersion newVersion'],
  IDBFactory: [null, 'open(1) deleteDatabase(1) databases(0) cmp(2) close(0)'], // close is ours,
  IDBDatabase: ['EventTarget', 'name version objectStoreNames transaction(1) close(0) createObjectStore(1) deleteObjectStore(1) onabort! onclose! onerror! onversionchange!'],
  IDBObjectStore: [null, 'name! keyPath indexNames transaction autoIncrement put(1) add(1) delete(1) clear(0) get(1) getKey(1) getAll(0) getAllKeys(0) getAllRecords(0) count(0) openCursor(0) openKeyCursor(0) index(1) createIndex(2) deleteIndex(1)'],
  IDBIndex: [null, 'name! objectStore keyPath multiEntry unique get(1) getKey(1) getAll(0) getAllKeys(0) getAllRecords(0) count(0) openCursor(0) openKeyCursor(0)'],
  IDBKeyRange: [null, 'lower upper lowerOpen upperOpen includes(1)', 'only(1) lowerBound(1) upperBound(1) bound(2)'],
  IDBRecord: [null, 'key primaryKey value'],
  IDBCursor: [null, 'source direction key primaryKey request advance(1) continue(0) continuePrimaryKey(2) update(1) delete(0)'],
  IDBCursorWithValue: ['IDBCursor', 'value'],
  IDBTransaction: ['EventTarget', 'objectStoreNames mode durability db error objectStore(1) commit(0) abort(0) onabort! oncomplete! onerror!'],
};
/** Where our interfaces have event methods of their own. */
const OURS = ['addEventListener', 'removeEventListener', 'dispatchEvent', 'constructor'];
/** They answer with a promise, rejected if something is wrong. */
const REJECT = [flowdb.IDBFactory.prototype.databases, flowdb.IDBFactory.prototype.close];

/**
 * @param {object} holder
 * @param {string} declaration
 */
function checkMember(holder, declaration) {
  const [, name, settable, length] = /^(\w+)(!?)(?:\((\d)\))?$/.exec(declaration);
  const descriptor = Object.getOwnPropertyDescriptor(holder, name);
  assert.ok(descriptor, name);
  assert.equal(descriptor.enumerable && descriptor.configurable, true, name);
  if (length === undefined) {
    assert.equal(typeof descriptor.get, 'function', name);
    assert.equal(typeof descriptor.set, settable ? 'function' : 'undefined', name);
    assert.deepEqual([descriptor.get.name, descriptor.get.length], [`get ${name}`, 0]);
    assert.throws(() => descriptor.get.call({}), TypeError, name);
    if (settable) assert.throws(() => descriptor.set.call({}, 1), TypeError, name);
  } else {
    assert.deepEqual([descriptor.value.name, descriptor.value.length, descriptor.writable], [name, Number(length), true]);
    if (typeof holder !== 'function' && !REJECT.includes(descriptor.value)) assert.throws(() => descriptor.value.call({}, 1, 1), TypeError, name);
    assert.throws(() => new descriptor.value(), TypeError);
  }
  return name;
}

for (const [name, [parent, members, statics = '']] of Object.entries(INTERFACES)) {
  test(`4 API: interface ${name}`, () => {
    const constructor = flowdb[name];
    assert.deepEqual([constructor.name, constructor.length], [name, name === 'IDBVersionChangeEvent' ? 1 : 0]);
    const parentPrototype = parent === null ? Object.prototype : (flowdb[parent] ?? globalThis[parent]).prototype;
    assert.equal(Object.getPrototypeOf(constructor.prototype), parentPrototype);
    assert.equal(Object.prototype.toString.call(Object.create(constructor.prototype)), `[object ${name}]`);
    assert.equal(Object.getOwnPropertyDescriptor(constructor, 'prototype').writable, false);
    const declared = members.split(' ').map((each) => checkMember(constructor.prototype, each));
    assert.deepEqual(Object.getOwnPropertyNames(constructor.prototype).filter((each) => !OURS.includes(each)).sort(), declared.sort());
    const declaredStatics = statics.split(' ').filter(Boolean).map((each) => checkMember(constructor, each));
    assert.deepEqual(Object.keys(constructor).sort(), declaredStatics.sort());
  });
}

test('WebIDL: objects have no properties of their own', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').put(1, 1));
  const transaction = db.transaction('s');
  const store = transaction.objectStore('s');
  const request = store.openCursor();
  const cursor = await result(request);
  for (const object of [db, transaction, store, request, cursor, flowdb.IDBKeyRange.only(1), flowdb.indexedDB]) {
    assert.deepEqual(Object.keys(object), []);
  }
});

test('WebIDL: lists of names have an item(), contains() and indexes, and can be iterated', async () => {
  const db = await openDatabase((created) => ['b', 'a', '\uffff', '\ud83d\ude00'].forEach((name) => created.createObjectStore(name)));
  const { objectStoreNames: list } = db;
  assert.deepEqual([...list], ['a', 'b', '\ud83d\ude00', '\uffff'], 'in the order of code units');
  assert.deepEqual([list.length, list[0], list[4], list.item(1), list.item(4), list.item(-1), list.item('0')], [4, 'a', undefined, 'b', null, null, 'a']);
  assert.deepEqual([list.contains('a'), list.contains('c'), list.contains({ toString: () => 'b' })], [true, false, true]);
  assert.throws(() => list.item(), TypeError);
  assert.throws(() => list.contains(), TypeError);
  assert.equal(Object.prototype.toString.call(list), '[object DOMStringList]');
  assert.throws(() => new list.constructor(), TypeError);
});

test('WebIDL: lists of names are new, stay as they are, and follow every change of the schema', async () => {
  const lists = [];
  const expected = new Set();
  await openDatabase((db, transaction) => {
    const note = () => {
      assert.notEqual(db.objectStoreNames, db.objectStoreNames);
      assert.deepEqual([...db.objectStoreNames], [...expected].sort());
      lists.push([db.objectStoreNames, [...expected].sort()]);
    };
    const create = (name) => { db.createObjectStore(name); expected.add(name); };
    for (const name of ['m', 'c', 'x', 'a', 'n', '']) { create(name); note(); }
    db.deleteObjectStore('c'); expected.delete('c'); note();
    create('c'); note();
    transaction.objectStore('x').name = 'b'; expected.delete('x'); expected.add('b'); note();
    for (let i = 0; i < 30; i += 1) create(`many ${i}`);
    note();
    db.deleteObjectStore('b'); expected.delete('b'); create('z'); note();
  });
  for (const [list, names] of lists) {
    assert.deepEqual(Object.entries(list), names.map((name, i) => [String(i), name]));
    assert.throws(() => { list[0] = 'other'; }, TypeError);
  }
});

test('WebIDL: a list of names does not meet setters planted on prototypes', async () => {
  const db = await openDatabase((created) => { created.createObjectStore('a'); });
  Object.defineProperty(Object.prototype, '0', { set() { throw new Error('met'); }, configurable: true });
  try {
    assert.equal(db.objectStoreNames[0], 'a');
  } finally {
    delete Object.prototype[0];
  }
});

test('WebIDL: the next list of names takes no sorting', async () => {
  await openDatabase((db) => {
    const { sort } = Array.prototype;
    let sorted = 0;
    for (let i = 0; i < 20; i += 1) {
      db.createObjectStore(`store ${i}`);
      if (i === 10) Array.prototype.sort = function counted(...rest) { sorted += 1; return sort.apply(this, rest); };
      db.objectStoreNames;
    }
    Array.prototype.sort = sort;
    assert.equal(sorted, 0);
  });
});

test('WebIDL: strings, sequences, enumerations and dictionaries are converted, and what cannot be is a TypeError', async () => {
  const db = await openDatabase((created) => {
    assert.equal(created.createObjectStore(5).name, '5');
    assert.equal(created.createObjectStore(null).name, 'null');
    assert.deepEqual(created.createObjectStore('k', { keyPath: new Set(['a', 'b']) }).keyPath, ['a', 'b']);
    assert.equal(created.createObjectStore('o', { keyPath: { toString: () => 'x.y' } }).keyPath, 'x.y');
    assert.equal(created.createObjectStore('d', () => {}).keyPath, null);
    assert.equal(created.createObjectStore('String', { keyPath: new String('ab') }).keyPath.length, 2);
    for (const bad of [{ keyPath: Symbol() }, { keyPath: [Symbol()] }, { keyPath: { [Symbol.iterator]: 1 } }, 'options', 1]) {
      assert.throws(() => created.createObjectStore('t', bad), TypeError);
    }
    assert.throws(() => created.createObjectStore(), TypeError);
    assert.throws(() => created.createObjectStore(Symbol()), TypeError);
    assert.throws(() => created.deleteObjectStore(), TypeError);
    assert.throws(() => created.objectStoreNames.item(Symbol()), TypeError);
  });
  assert.equal(db.transaction('5', { toString: () => 'readwrite' }).mode, 'readwrite');
  assert.equal(db.transaction('5', 'readonly', { durability: new String('strict') }).durability, 'strict');
  assert.throws(() => db.transaction(['5', Symbol()]), TypeError);
  const transaction = db.transaction('5');
  for (const direction of ['up', '', null, 'NEXT']) assert.throws(() => transaction.objectStore('5').openCursor(null, direction), TypeError);
  assert.throws(() => transaction.objectStore(), TypeError);
});

test('4.2 version change event: constructed from a dictionary, its versions modulo 2^64', () => {
  const { IDBVersionChangeEvent } = flowdb;
  const of = (init) => { const event = new IDBVersionChangeEvent('t', init); return [event.oldVersion, event.newVersion]; };
  assert.deepEqual(of(), [0, null]);
  assert.deepEqual(of({ oldVersion: 3.9, newVersion: '7' }), [3, 7]);
  assert.deepEqual(of({ oldVersion: NaN, newVersion: null }), [0, null]);
  assert.deepEqual(of({ oldVersion: undefined, newVersion: undefined }), [0, null]);
  assert.deepEqual(of({ oldVersion: -1, newVersion: Infinity }), [2 ** 64, 0]);
  assert.throws(() => new IDBVersionChangeEvent(), TypeError);
  assert.throws(() => new IDBVersionChangeEvent('t', 5), TypeError);
  assert.ok(new IDBVersionChangeEvent('t') instanceof Event);
});

test('4.8 record: its members come from the snapshot and cannot be set', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').put({ x: 1 }, [1]));
  const [record] = await result(db.transaction('s').objectStore('s').getAllRecords());
  assert.equal(record.key, record.key);
  assert.equal(record.value, record.value);
  assert.throws(() => { record.key = 5; }, TypeError);
  assert.deepEqual([record.key, record.primaryKey, record.value], [[1], [1], { x: 1 }]);
});

'use strict';

// Shapes: interfaces, exports, globals.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const flowdb = require('../../index.js');
const { domException, openDatabase } = require('./support.js');

const { IDBFactory, IDBKeyRange, IDBVersionChangeEvent } = flowdb;

test('interfaces cannot be constructed, but for the factory and the event', () => {
  for (const [name, value] of Object.entries(flowdb)) {
    if (!name.startsWith('IDB') || value === IDBFactory || value === IDBVersionChangeEvent) continue;
    assert.throws(() => new value(), TypeError, name);
    assert.equal(value.length, 0);
    assert.equal(Object.prototype.toString.call(value.prototype), `[object ${name}]`);
  }
  for (const path of [1, null, '', 'a\0b', {}, new URL('https://example.org/data'), new URL('file:///a%2Fb')]) {
    assert.throws(() => new IDBFactory({ path }), { name: 'TypeError', message: /^path: / }, String(path));
  }
});

test('members are enumerable and check their object', () => {
  const descriptor = Object.getOwnPropertyDescriptor(IDBKeyRange.prototype, 'lower');
  assert.equal(descriptor.enumerable, true);
  assert.throws(() => descriptor.get.call({}), TypeError);
  assert.deepEqual(Object.keys(IDBKeyRange), ['only', 'lowerBound', 'upperBound', 'bound']);
});

test('missing arguments are a TypeError', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s'));
  const store = db.transaction('s', 'readwrite').objectStore('s');
  for (const call of [() => store.get(), () => store.put(), () => IDBKeyRange.only(), () => db.transaction(), () => flowdb.indexedDB.cmp(1)]) {
    assert.throws(call, TypeError);
  }
});

test('key ranges', () => {
  const range = IDBKeyRange.bound(1, [2], false, true);
  assert.deepEqual([range.lower, range.upper, range.lowerOpen, range.upperOpen], [1, [2], false, true]);
  assert.equal(range.includes(1), true);
  assert.equal(range.includes([2]), false);
  assert.throws(() => IDBKeyRange.bound(2, 1), domException('DataError'));
  assert.throws(() => IDBKeyRange.bound(1, 1, true), domException('DataError'));
  assert.equal(IDBKeyRange.upperBound(1).lower, undefined);
  assert.equal(IDBKeyRange.upperBound(1).lowerOpen, true);
});

test('cmp', () => {
  const { indexedDB } = flowdb;
  assert.equal(indexedDB.cmp(1, 2), -1);
  assert.equal(indexedDB.cmp('a', 1), 1);
  assert.equal(indexedDB.cmp([1, new Date(5)], [1, new Date(5)]), 0);
  assert.throws(() => indexedDB.cmp({}, 1), domException('DataError'));
});

test('version change events can be constructed', () => {
  const event = new IDBVersionChangeEvent('name', { oldVersion: 1, newVersion: 2, bubbles: true });
  assert.deepEqual([event.type, event.oldVersion, event.newVersion, event.bubbles], ['name', 1, 2, true]);
  assert.equal(new IDBVersionChangeEvent('name').newVersion, null);
});

test('setters planted on Object.prototype are not met', async (t) => {
  for (const name of ['store', 'keyPath', 'mode', 'objectStorePosition', 'closePending']) {
    Object.defineProperty(Object.prototype, name, { configurable: true, set: () => assert.fail(name) });
    t.after(() => delete Object.prototype[name]);
  }
  const db = await openDatabase((created) => created.createObjectStore('s').put(1, 1));
  assert.equal(db.objectStoreNames.length, 1);
});

test('setters and getters planted on Array.prototype are not met', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => created.createObjectStore('a').put('one', 1), { factory });
  const met = new Set();
  let events = '';
  const log = (event) => { events += `${event.type} `; };
  const indices = ['0', '1'];
  const plant = () => {
    for (const index of indices) {
      Object.defineProperty(Array.prototype, index, { configurable: true, get: () => 'planted', set: () => met.add(new Error('met').stack) });
    }
  };
  const free = () => { for (const index of indices) delete Array.prototype[index]; };
  // What Node does between our tasks is its own affair: they are there during each call, and each listener, alone.
  const during = (call) => { plant(); try { return call(); } finally { free(); } };
  const transaction = during(() => db.transaction(['a'], 'readwrite'));
  let all;
  const closing = await new Promise((resolve) => {
    during(() => {
      transaction.addEventListener('complete', log);
      const store = transaction.objectStore('a');
      const first = store.put('two', 2);
      first.onsuccess = (event) => during(() => {
        log(event);
        const next = db.transaction('a');
        next.addEventListener('complete', log);
        all = next.objectStore('a').getAll();
        event.composedPath();
        resolve(factory.close());
      });
    });
  });
  await closing;
  assert.deepEqual([...met], []);
  assert.deepEqual(all.result, ['one', 'two']);
  assert.equal(events, 'success complete complete ');
});

test('the auto entry installs globals, indexedDB as an accessor that can be assigned', () => {
  const script = `
require(${JSON.stringify(require.resolve('../../auto/index.js'))});
const { get } = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB');
console.log(typeof get, indexedDB instanceof IDBFactory, typeof IDBRecord, Object.keys(globalThis).includes('IDBFactory'));
indexedDB = 5;
console.log(indexedDB);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.equal(stdout, 'function true function false\n5\n', stderr);
});

test('the process ends by itself with an open database', () => {
  const script = `
const request = new (require(${JSON.stringify(require.resolve('../../index.js'))}).IDBFactory)().open('d');
request.onsuccess = () => console.log('open');`;
  const { stdout, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 10_000 });
  assert.equal(stdout, 'open\n');
  assert.equal(status, 0);
});

'use strict';

// Event dispatch: order, bubbling, default actions, and a microtask checkpoint after each listener.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { domException, finished, openDatabase, result } = require('./support.js');

const createStore = (db) => db.createObjectStore('s');

/** A request that fails with a ConstraintError. */
function failingAdd(transaction) {
  transaction.objectStore('s').add(1, 1);
  return transaction.objectStore('s').add(2, 1);
}

test('an error goes down the capture listeners and bubbles from request to database', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s', 'readwrite');
  const request = failingAdd(transaction);
  const order = [];
  const names = new Map([[request, 'request'], [transaction, 'transaction'], [db, 'database']]);
  for (const [target, name] of names) {
    target.addEventListener('error', (event) => {
      order.push(`${name} ${event.eventPhase}`);
      assert.equal(event.target, request);
      assert.equal(event.currentTarget, target);
      assert.deepEqual(event.composedPath(), [request, transaction, db]);
    });
    target.addEventListener('error', () => order.push(`${name} captures`), true);
  }
  db.addEventListener('error', (event) => event.preventDefault());
  await finished(transaction);
  assert.deepEqual(order, [
    'database captures', 'transaction captures', 'request captures', 'request 2', 'transaction 3', 'database 3',
  ]);
});

test('success does not bubble', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s');
  transaction.addEventListener('success', () => assert.fail('bubbled'));
  await result(transaction.objectStore('s').get(1));
});

test('an error whose default is not prevented aborts with the error of the request', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s', 'readwrite');
  const request = failingAdd(transaction);
  await assert.rejects(finished(transaction), domException('ConstraintError'));
  assert.equal(transaction.error, request.error);
});

test('stopPropagation and stopImmediatePropagation', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s', 'readwrite');
  const request = failingAdd(transaction);
  const order = [];
  request.addEventListener('error', (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    order.push(1);
  });
  request.addEventListener('error', () => order.push(2));
  transaction.onerror = () => order.push(3);
  await finished(transaction);
  assert.deepEqual(order, [1]);
});

test('a handler has the place of its first setting and can prevent the default by returning false', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s', 'readwrite');
  const request = failingAdd(transaction);
  const order = [];
  request.onerror = () => assert.fail('replaced');
  request.addEventListener('error', () => order.push('listener'));
  request.onerror = () => {
    order.push('handler');
    return false;
  };
  await finished(transaction);
  assert.deepEqual(order, ['handler', 'listener']);
  request.onerror = 5;
  assert.equal(request.onerror, null);
});

test('once, removal during dispatch, signal, and objects with handleEvent', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('s');
  const request = transaction.objectStore('s').get(1);
  const order = [];
  const removed = () => order.push('removed');
  const controller = new AbortController();
  request.addEventListener('success', () => request.removeEventListener('success', removed), { once: true });
  request.addEventListener('success', removed);
  request.addEventListener('success', () => order.push('aborted'), { signal: controller.signal });
  request.addEventListener('success', { handleEvent: () => order.push('object') });
  controller.abort();
  await finished(transaction);
  assert.deepEqual(order, ['object']);
});

test('dispatchEvent calls listeners at once and answers whether the default was kept', async () => {
  const db = await openDatabase(createStore);
  const seen = [];
  db.addEventListener('custom', (event) => {
    seen.push(event.target, event.eventPhase);
    event.preventDefault();
  });
  const event = new Event('custom', { cancelable: true });
  assert.equal(db.dispatchEvent(event), false);
  assert.deepEqual(seen, [db, 2]);
  assert.equal(event.eventPhase, 0);
  assert.equal(event.currentTarget, null);
});

test('events are native events of the interface, and requests native event targets', async () => {
  const db = await openDatabase(createStore);
  const request = db.transaction('s').objectStore('s').get(1);
  const event = await new Promise((resolve) => {
    request.onsuccess = resolve;
  });
  assert.ok(event instanceof Event);
  assert.equal(event.constructor, Event);
  assert.ok(request instanceof EventTarget);
});

const SCRIPT = `
const { IDBFactory } = require(${JSON.stringify(require.resolve('../../index.js'))});
const request = new IDBFactory().open('d');
const order = [];
for (const name of ['a', 'b', 'c']) request.addEventListener('upgradeneeded', () => {
  order.push(name);
  Promise.resolve().then(() => order.push(name + 1)).then(() => order.push(name + 2));
});
request.onsuccess = () => console.log(order.join(' '));
`;

for (const [title, prelude] of [
  ['with the checkpoint of the runtime', ''],
  ['with a macrotask for each listener when the runtime offers none', 'process._tickCallback = undefined;'],
]) {
  test(`microtasks run after each listener, ${title}`, () => {
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', prelude + SCRIPT], { encoding: 'utf8' });
    assert.equal(stdout.trim(), 'a a1 a2 b b1 b2 c c1 c2', stderr);
  });
}

test('an exception in a listener is reported, stops nobody else, and aborts the transaction', () => {
  const script = `
const { IDBFactory } = require(${JSON.stringify(require.resolve('../../index.js'))});
process.on('uncaughtException', (error) => console.log('reported', error.message));
const open = new IDBFactory().open('d');
open.onupgradeneeded = () => open.result.createObjectStore('s');
open.onsuccess = () => {
  const transaction = open.result.transaction('s');
  const request = transaction.objectStore('s').get(1);
  request.onsuccess = () => { throw new Error('mine'); };
  request.addEventListener('success', () => console.log('next listener'));
  transaction.onabort = () => console.log('abort', transaction.error.name);
};`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.deepEqual(stdout.trim().split('\n'), ['reported mine', 'next listener', 'abort AbortError']);
});

test('microtasks of a listener come before the next event, even if a nextTick callback throws', () => {
  const script = `
const { IDBFactory } = require(${JSON.stringify(require.resolve('../../index.js'))});
process.on('uncaughtException', (error) => console.log('reported', error.message));
const open = new IDBFactory().open('d');
open.onupgradeneeded = () => open.result.createObjectStore('s');
open.onsuccess = () => {
  const store = open.result.transaction('s').objectStore('s');
  store.get(0).onsuccess = () => {
    process.nextTick(() => { throw new Error('mine'); });
    Promise.resolve().then(() => { store.get(1).onsuccess = () => console.log('next'); console.log('microtask'); });
  };
};`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.deepEqual(stdout.trim().split('\n'), ['microtask', 'reported mine', 'next']);
});

const load = (name) => `require(${JSON.stringify(require.resolve(name))})`;
const IMPORT = `const { IDBFactory } = ${load('../../index.js')};`;
const FAKE_TIMERS = `for (const name of ['setImmediate', 'setTimeout', 'queueMicrotask']) globalThis[name] = () => {};
process.nextTick = () => {};`;

const FAKE_MODULE = "Object.assign(require('node:timers'), { setImmediate: () => {}, setTimeout: () => {}, clearImmediate: () => {} });";

for (const [when, begin] of [['after', IMPORT + FAKE_TIMERS], ['before', FAKE_TIMERS + IMPORT], ['in node:timers before', FAKE_TIMERS + FAKE_MODULE + IMPORT]]) {
  test(`fake timers that are installed ${when} the import do not stop the database`, () => {
    const script = `${begin}
const open = new IDBFactory().open('d');
open.onupgradeneeded = () => open.result.createObjectStore('s');
open.onsuccess = () => { open.result.transaction('s').oncomplete = () => console.log('complete'); };
const { checkpointFunction } = ${load('../../indexeddb/internal/checkpoint.js')};
process.on('exit', () => console.log(typeof checkpointFunction()));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    assert.equal(stdout.trim(), 'complete\nfunction', stderr);
  });
}

test('an exception in a listener is reported once, with a fake queueMicrotask before the import, too', () => {
  for (const begin of [IMPORT, FAKE_TIMERS + IMPORT]) {
    const script = `${begin}
process.on('uncaughtException', (error) => console.log('reported', error.message));
const open = new IDBFactory().open('d');
open.onsuccess = () => { throw new Error('mine'); };`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    assert.equal(stdout, 'reported mine\n', stderr);
  }
});

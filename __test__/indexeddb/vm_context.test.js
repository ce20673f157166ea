'use strict';

// Goal: the globals work where a test runner loads all modules in a vm context.
// Method: a loader as such runners have one, and a script in the context that uses the globals.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const vm = require('node:vm');
const { GIVEN, loaderOf } = require('../support/realm.js');

test('the globals work in a vm context', async () => {
  const context = vm.createContext(Object.fromEntries(GIVEN.map((name) => [name, globalThis[name]])));
  loaderOf(context)(require.resolve('../../auto/index.js'));
  const used = await vm.runInContext(`new Promise((resolve, reject) => {
    const request = globalThis.indexedDB.open('d');
    request.onerror = () => reject(request.error);
    request.onupgradeneeded = () => request.result.createObjectStore('s').put({ date: new Date(5), map: new Map([[1, [2]]]) }, [1]);
    request.onsuccess = () => {
      const get = request.result.transaction('s').objectStore('s').get(IDBKeyRange.only([1]));
      get.onsuccess = () => resolve([get.result instanceof Object, get.result.date instanceof Date, get.result.map.get(1) instanceof Array]);
    };
  })`, context);
  assert.deepEqual([...used], [true, true, true]);
  assert.equal(vm.runInContext('const before = indexedDB; indexedDB = 1; indexedDB', context), 1);
  assert.throws(() => vm.runInContext(`Object.getOwnPropertyDescriptor(globalThis, 'indexedDB').get.call({})`, context), { name: 'TypeError' });
});

test('errors of the engine keep their names where the global object has no TextDecoder, as in jsdom', async () => {
  const context = vm.createContext(Object.fromEntries(GIVEN.map((name) => [name, globalThis[name]])));
  loaderOf(context)(require.resolve('../../auto/index.js'));
  const added = await vm.runInContext(`new Promise((resolve) => {
    const request = globalThis.indexedDB.open('d');
    request.onupgradeneeded = () => request.result.createObjectStore('störe').put(1, 1);
    request.onsuccess = () => {
      const add = request.result.transaction('störe', 'readwrite').objectStore('störe').add(2, 1);
      add.onerror = (event) => {
        event.preventDefault();
        resolve(add.error);
      };
    };
  })`, context);
  assert.deepEqual([added.name, added instanceof DOMException], ['ConstraintError', true]);
  assert.match(added.message, /'störe'/);
});

test('the globals work in a context made from a proxy that asks for them by itself', () => {
  // As Jest does, to know what to remove at the end: it reads an attribute that was set from the object behind the proxy.
  const given = Object.fromEntries(GIVEN.map((name) => [name, globalThis[name]]));
  const seen = [];
  const context = vm.createContext(new Proxy(given, {
    defineProperty(target, name, attributes) {
      const { set } = attributes;
      const observed = (value) => {
        set(value);
        seen.push(Reflect.get(target, name));
      };
      return Reflect.defineProperty(target, name, set === undefined ? attributes : { ...attributes, set: observed });
    },
  }));
  loaderOf(context)(require.resolve('../../auto/index.js'));
  assert.equal(vm.runInContext('typeof indexedDB.open', context), 'function');
  assert.equal(vm.runInContext('indexedDB = 1; globalThis.indexedDB', context), 1);
  assert.deepEqual(seen, [1]);
});

test('flowdb loads where the global object has no timers, as in jsdom', () => {
  const context = vm.createContext(Object.fromEntries(GIVEN.map((name) => [name, globalThis[name]])));
  assert.equal(vm.runInContext('typeof setImmediate + typeof performance', context), 'undefinedundefined');
  assert.equal(typeof loaderOf(context)(require.resolve('../../index.js')).open, 'function');
});

'use strict';

// Goal: what put() takes and what a request answers with is what StructuredSerializeForStorage and StructuredDeserialize say, type by type,
// and user code that runs in the middle finds an inactive transaction. Method: each value through a store, in memory and on disk over a
// reopening, and a check written from the standard; value_format.test.js looks at the bytes.

const test = require('node:test');
const assert = require('node:assert');
const { runInNewContext } = require('node:vm');
const { IDBFactory } = require('../../index.js');
const { directory } = require('../fixture');
const { result, finished, openDatabase, domException } = require('./support');

/** Every question to it is an error. */
const HOSTILE_HANDLER = new Proxy({}, { get(_, trap) { throw new Error(`the trap ${String(trap)} was called`); } });
const HOSTILE = new Proxy({}, HOSTILE_HANDLER);

/**
 * @template {object} T
 * @param {T} value
 */
const belowHostile = (value) => Object.setPrototypeOf(value, HOSTILE);

/** @param {object} prototype above that of the class */
function instanceBelow(prototype) {
  class Own { a = 1; size = 2; type = 'b'; code = 3; }
  Object.setPrototypeOf(Own.prototype, prototype);
  return new Own();
}

/** @param {string} tag */
function tagged(tag) {
  class Tagged { a = 1; next() {} }
  Object.defineProperty(Tagged.prototype, Symbol.toStringTag, { value: tag });
  return new Tagged();
}

/** A value, and what must hold of its copy. @type {[string, () => any, (copy: any) => unknown][]} */
const CASES = [
  ['minus zero and NaN', () => [-0, NaN], (copy) => Object.is(copy[0], -0) && Object.is(copy[1], NaN)],
  ['lone surrogates', () => '\ud800a\udfff', (copy) => copy === '\ud800a\udfff'],
  ['boxed primitives', () => [Object(false), Object(-0), Object('s'), Object(3n)],
    ([a, b, c, d]) => a instanceof Boolean && !a.valueOf() && Object.is(b.valueOf(), -0) && c instanceof String && c.length === 1 && d.valueOf() === 3n],
  ['a sparse array', () => [1, , 3, ,], (copy) => copy.length === 4 && Object.keys(copy).join() === '0,2'],
  ['properties of an array', () => Object.assign([1], { extra: 2, '-1': 3 }), (copy) => copy.length === 1 && copy.extra === 2 && copy['-1'] === 3],
  ['a regular expression without its lastIndex', () => Object.assign(/a/gy, { lastIndex: 4, own: 1 }),
    (copy) => copy.source === 'a' && copy.flags === 'gy' && copy.lastIndex === 0 && !('own' in copy)],
  ['a Date without its properties', () => Object.assign(new Date(7), { own: 1 }), (copy) => copy.getTime() === 7 && !('own' in copy)],
  ['an invalid Date', () => new Date(NaN), (copy) => copy instanceof Date && Number.isNaN(copy.getTime())],
  ['a subclass of an error', () => new (class Own extends TypeError {})('m'),
    (copy) => Object.getPrototypeOf(copy) === TypeError.prototype && copy.message === 'm' && Object.keys(copy).length === 0],
  ['an error of another name', () => Object.assign(new RangeError('m'), { name: 'Own' }), (copy) => Object.getPrototypeOf(copy) === Error.prototype],
  ['a Map in its order', () => new Map([['b', 1], ['a', new Map()]]), (copy) => [...copy.keys()].join() === 'b,a' && copy.get('a') instanceof Map],
  ['a Set with itself', () => { const set = new Set([1]); set.add(/** @type {any} */ (set)); return set; }, (copy) => copy.has(copy) && copy.size === 2],
  ['views that share a buffer', () => { const b = new ArrayBuffer(8); return [new DataView(b, 2, 4), new Uint16Array(b, 4), b]; },
    ([a, b, c]) => a.buffer === c && b.buffer === c && a.byteOffset === 2 && a.byteLength === 4 && b.length === 2],
  ['a view that tracks its length', () => new Uint8Array(new (/** @type {any} */ (ArrayBuffer))(2, { maxByteLength: 4 })),
    (copy) => { copy.buffer.resize(4); return copy.length === 4; }],
  ['cycles and shared objects', () => { const o = { list: /** @type {any[]} */ ([]) }; o.list.push(o, o.list); return o; }, (copy) => copy.list[0] === copy && copy.list[1] === copy.list],
  ['own enumerable string keys alone', () => Object.create({ a: 1 }, { b: { value: 2, enumerable: true }, c: { value: 3 }, [Symbol('d')]: { value: 4, enumerable: true } }),
    (copy) => Object.getPrototypeOf(copy) === Object.prototype && Reflect.ownKeys(copy).join() === 'b'],
  ['a getter as data', () => ({ get a() { return 5; } }), (copy) => Object.getOwnPropertyDescriptor(copy, 'a')?.value === 5],
  ['a private field not at all', () => new (class { #a = 1; b = 2; get a() { return this.#a; } })(), (copy) => Reflect.ownKeys(copy).join() === 'b' && copy.a === undefined],
  ['methods with the names of those of a WeakRef', () => new (class { a = 1; deref() {} unregister() {} })(), (copy) => Reflect.ownKeys(copy).join() === 'a'],
  ['an object with a Proxy above it, which is not asked', () => [Object.setPrototypeOf({ a: 1, size: 2 }, HOSTILE), instanceBelow(HOSTILE)],
    ([object, instance]) => Object.keys(object).join() === 'a,size' && Object.keys(instance).join() === 'a,size,type,code'],
  ['an empty object with a Proxy above it, which is not asked, and one with members like those of a Blob between them',
    () => [belowHostile({}), Object.create(Object.create(HOSTILE, { size: { value: 1 }, code: { get: assert.fail }, type: { value: 'a' } }))],
    ([empty, object]) => Reflect.ownKeys(empty).length === 0 && Reflect.ownKeys(object).length === 0],
  ['a DOMException with a Proxy above it, which is not asked', () => belowHostile(new DOMException('m', 'AbortError')),
    (copy) => copy instanceof DOMException && copy.name === 'AbortError' && copy.message === 'm'],
  ['an object whose constructor is a Proxy, which is not asked', () => Object.create({ constructor: new Proxy(class {}, HOSTILE_HANDLER) }, { a: { value: 1, enumerable: true } }),
    (copy) => copy.a === 1],
  ['instances of classes with tags like those of the language', () => ['List Iterator', 'Temporal.Mine', 'Intl.Collator', 'WebAssembly.Memory', 'Intl.'].map(tagged),
    (copy) => copy.length === 5 && copy.every((/** @type {any} */ each) => Object.keys(each).join() === 'a')],
  ['a File', () => new File(['abc'], 'n', { type: 'a/b', lastModified: 9 }),
    async (copy) => copy instanceof File && copy.name === 'n' && copy.type === 'a/b' && copy.lastModified === 9 && await copy.text() === 'abc'],
  ['a Blob', () => new Blob(['abc'], { type: 'c/d' }), async (copy) => !(copy instanceof File) && copy.type === 'c/d' && await copy.text() === 'abc'],
];

/** @param {IDBDatabase} db */
const createStore = (db) => { db.createObjectStore('store'); };

/** @param {IDBDatabase} db */
async function checkAll(db) {
  const found = await result(db.transaction('store').objectStore('store').getAll());
  for (const [i, [description, , check]] of CASES.entries()) assert.ok(await check(found[i]), description);
}

/** @param {IDBDatabase} db */
function putAll(db) {
  const transaction = db.transaction('store', 'readwrite');
  for (const [i, [, make]] of CASES.entries()) transaction.objectStore('store').put(make(), i);
  return finished(transaction);
}

test('each type comes back as the standard says', async () => {
  const db = await openDatabase(createStore);
  await putAll(db);
  await checkAll(db);
});

test('and does so on disk, after a reopening', async (t) => {
  const path = directory(t);
  const factory = new IDBFactory({ path });
  await putAll(await openDatabase(createStore, { factory }));
  await factory.close();
  const again = new IDBFactory({ path });
  await checkAll(await openDatabase(undefined, { factory: again }));
  await again.close();
});

test('what cannot be cloned is refused, and the transaction goes on', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('store', 'readwrite');
  const store = transaction.objectStore('store');
  const detached = new ArrayBuffer(4);
  structuredClone(detached, { transfer: [detached] });
  const ofLanguage = '[new Intl.Collator(), new Intl.Locale("en"), [].values(), "".matchAll(/a/g), new WebAssembly.Memory({ initial: 1 })]';
  for (const [i, value] of [
    () => 1, Symbol(), new Proxy([], {}), new WeakMap(), new SharedArrayBuffer(1), detached, Promise.resolve(), db, store, new WeakRef({}),
    new URLSearchParams().keys(), ...runInNewContext(ofLanguage), ...runInNewContext(ofLanguage, { Intl, WebAssembly }),
    tagged('Temporal.PlainDate'), ...[
      new Blob(['a']), new File(['a'], 'n'), new WeakRef({}), new FinalizationRegistry(() => {}), new Intl.Collator(), [].values(), new EventTarget(),
      new MessageChannel().port1, Object.assign(new WeakRef({}), { a: 1 }), Object.defineProperty(new Blob(['a']), 'size', { value: 1 }),
      new WebAssembly.Memory({ initial: 1 }),
    ].map(belowHostile),
    Object.setPrototypeOf(new Blob(['a']), Object.create(HOSTILE, { size: { value: 1 }, type: { value: 'a' } })),
  ].entries()) {
    assert.throws(() => store.put({ part: [value] }, 1), domException('DataCloneError'), `value ${i}`);
  }
  store.put('kept', 2);
  await finished(transaction);
  assert.deepStrictEqual(await result(db.transaction('store').objectStore('store').getAllKeys()), [2]);
});

test('while a value is cloned its transaction is inactive', async () => {
  const db = await openDatabase(createStore);
  const transaction = db.transaction('store', 'readwrite');
  const store = transaction.objectStore('store');
  /** @type {any[]} */
  const seen = [];
  const inactive = (/** @type {() => unknown} */ call) => { try { call(); seen.push('active'); } catch (error) { seen.push(/** @type {any} */ (error).name); } };
  store.put({ get a() { inactive(() => store.put(1, 1)); inactive(() => store.get(1)); inactive(() => transaction.commit()); return 1; } }, 'key');
  store.put('after', 'other');
  await finished(transaction);
  assert.deepStrictEqual(seen, ['TransactionInactiveError', 'TransactionInactiveError', 'InvalidStateError']);
  assert.deepStrictEqual(await result(db.transaction('store').objectStore('store').getAllKeys()), ['key', 'other']);
});

test('a getter that throws leaves the transaction active and nothing stored', async () => {
  const db = await openDatabase(createStore);
  const store = db.transaction('store', 'readwrite').objectStore('store');
  const thrown = new Error('mine');
  assert.throws(() => store.put({ get a() { throw thrown; } }, 1), (error) => error === thrown);
  assert.strictEqual(await result(store.count()), 0);
});

test('a getter may put into another transaction', async () => {
  const db = await openDatabase(createStore);
  const outer = db.transaction('store', 'readwrite');
  /** @type {IDBTransaction | undefined} */
  let inner;
  outer.objectStore('store').put({
    before: 'x'.repeat(5000),
    get a() {
      inner = db.transaction('store', 'readwrite');
      inner.objectStore('store').put({ inner: [1, { deep: true }] }, 'inner');
      return { of: 'outer' };
    },
    after: [1n],
  }, 'outer');
  await finished(/** @type {IDBTransaction} */ (/** @type {unknown} */ (inner)));
  assert.deepStrictEqual(await result(db.transaction('store').objectStore('store').getAll()), [
    { inner: [1, { deep: true }] }, { before: 'x'.repeat(5000), a: { of: 'outer' }, after: [1n] },
  ]);
});

test('setters planted on prototypes are met neither when a value is written nor when it is read', async () => {
  const db = await openDatabase(createStore);
  const store = db.transaction('store', 'readwrite').objectStore('store');
  const calls = [];
  /** @type {[any, string][]} */
  const places = [[Object.prototype, 'planted'], [Map.prototype, 'set'], [Set.prototype, 'add']];
  const before = places.map(([prototype, name]) => Object.getOwnPropertyDescriptor(prototype, name));
  store.put({ planted: ['e'], map: new Map([[1, 2]]), set: new Set([3]) }, 1);
  for (const [prototype, name] of places) {
    Object.defineProperty(prototype, name, { get() { calls.push(name); return undefined; }, set() { calls.push(name); }, configurable: true });
  }
  let copy;
  try {
    const request = store.get(1);
    await new Promise((resolve) => { request.onsuccess = resolve; });
    copy = request.result;
  } finally {
    for (const [i, [prototype, name]] of places.entries()) {
      const descriptor = before[i];
      if (descriptor) Object.defineProperty(prototype, name, descriptor);
      else delete prototype[name];
    }
  }
  assert.deepStrictEqual(calls, []);
  assert.deepStrictEqual(copy, { planted: ['e'], map: new Map([[1, 2]]), set: new Set([3]) });
});

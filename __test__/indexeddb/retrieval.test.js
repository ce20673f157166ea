'use strict';

// What reads records, on stores and indexes: https://w3c.github.io/IndexedDB/#object-store-retrieval-operation,
// #index-retrieval-operation, #record-counting-operation, #object-store-deletion-operation, #create-request-to-retrieve-multiple-items
// Method: every query, direction and count over a small set of records, against the same on an array.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBKeyRange, IDBRecord } = require('../../index.js');
const { domException, openDatabase, result } = require('./support.js');

const RECORDS = [[1, 'a'], [2, 'b'], [3, 'a'], [4, 'b'], [5, 'c']].map(([key, x]) => ({ primaryKey: key, value: { id: key, x } }));
const BY_INDEX = [...RECORDS].sort((a, b) => (a.value.x === b.value.x ? a.primaryKey - b.primaryKey : a.value.x < b.value.x ? -1 : 1));
const DIRECTIONS = ['next', 'nextunique', 'prev', 'prevunique'];

async function sources() {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s', { keyPath: 'id' });
    store.createIndex('i', 'x');
    for (const { value } of RECORDS) store.put(value);
  });
  const store = db.transaction('s', 'readwrite').objectStore('s');
  const of = (records, keyOf) => records.map((record) => ({ ...record, key: keyOf(record) }));
  return [
    { source: store, records: of(RECORDS, ({ primaryKey }) => primaryKey), queries: [3, 9, IDBKeyRange.bound(2, 4), IDBKeyRange.bound(2, 4, true, true), IDBKeyRange.lowerBound(6)] },
    { source: store.index('i'), records: of(BY_INDEX, ({ value }) => value.x), queries: ['a', 'z', IDBKeyRange.lowerBound('a', true), IDBKeyRange.upperBound('b'), IDBKeyRange.only('c')] },
  ];
}

const matches = (query) => ({ key }) => query === undefined || query === null || (query instanceof IDBKeyRange ? query : IDBKeyRange.only(query)).includes(key);

test('6.2, 6.3 get() and getKey(): the first record of a range, or undefined', async () => {
  for (const { source, records, queries } of await sources()) {
    for (const query of queries) {
      const first = records.find(matches(query));
      assert.deepEqual(await result(source.get(query)), first?.value);
      assert.deepEqual(await result(source.getKey(query)), first?.primaryKey);
    }
    for (const nothing of [undefined, null]) {
      assert.throws(() => source.get(nothing), domException('DataError'));
      assert.throws(() => source.getKey(nothing), domException('DataError'));
    }
  }
});

test('6.5 count(): of a query, of everything', async () => {
  for (const { source, records, queries } of await sources()) {
    for (const query of [...queries, undefined, null]) assert.equal(await result(source.count(query)), records.filter(matches(query)).length);
    assert.equal(await result(source.count()), records.length);
    assert.throws(() => source.count({}), domException('DataError'));
  }
});

/** What a request for several items answers, on an array. */
function expectedItems(records, query, direction, count) {
  const within = records.filter(matches(query));
  const unique = direction.endsWith('unique') ? within.filter((record, i) => i === 0 || within[i - 1].key !== record.key) : within;
  const ordered = direction.startsWith('prev') ? [...unique].reverse() : unique;
  return count ? ordered.slice(0, count) : ordered;
}

test('5.12 getAll(), getAllKeys(), getAllRecords(): every query, direction and count', async () => {
  for (const { source, records, queries } of await sources()) {
    for (const query of [undefined, null, ...queries]) {
      for (const count of [undefined, 0, 1, 2, 100, 2.9]) {
        for (const direction of DIRECTIONS) {
          const expected = expectedItems(records, query, direction, count && Math.trunc(count));
          const options = { query, count, direction };
          assert.deepEqual(await result(source.getAll(options)), expected.map(({ value }) => value));
          assert.deepEqual(await result(source.getAllKeys(options)), expected.map(({ primaryKey }) => primaryKey));
          const found = await result(source.getAllRecords(options));
          assert.deepEqual(found.map(({ key, primaryKey, value }) => ({ primaryKey, value, key })), expected);
          assert.ok(found.every((record) => record instanceof IDBRecord && Object.keys(record).length === 0));
        }
        const forward = expectedItems(records, query, 'next', count && Math.trunc(count));
        assert.deepEqual(await result(source.getAll(query, count)), forward.map(({ value }) => value));
        assert.deepEqual(await result(source.getAllKeys(query, count)), forward.map(({ primaryKey }) => primaryKey));
      }
    }
  }
});

test('5.12 options: members are converted in the order of their names, the second argument before everything, only dictionaries are taken apart', async () => {
  const [{ source }] = await sources();
  const order = [];
  const options = Object.fromEntries(['query', 'direction', 'count'].map((name) => [name, undefined]));
  for (const name of Object.keys(options)) Object.defineProperty(options, name, { get: () => void order.push(name) });
  await result(source.getAll(options, { valueOf: () => { order.push('argument'); return 1; } }));
  assert.deepEqual(order, ['argument', 'count', 'direction', 'query']);
  for (const bad of [{ count: -1 }, { count: 2 ** 32 }, { count: NaN }, { direction: 'up' }, { direction: null }]) {
    assert.throws(() => source.getAll(bad), TypeError);
    assert.throws(() => source.getAllRecords(bad), TypeError);
  }
  for (const bad of [NaN, [NaN], new Date(NaN)]) assert.throws(() => source.getAllKeys(bad), domException('DataError'));
  for (const bad of [true, 1n, Symbol.iterator]) assert.throws(() => source.getAll(bad), TypeError);
  assert.throws(() => source.getAllRecords(5), TypeError);
  assert.throws(() => source.getAll({ query: {} }), domException('DataError'));
  for (const bad of [-1, 2 ** 32, NaN, Infinity, 'x']) assert.throws(() => source.getAll(null, bad), TypeError);
  for (const key of [new Date(1), new Uint8Array(1), new ArrayBuffer(1), [1], 'x']) assert.deepEqual(await result(source.getAll(key)), []);
});

test('6.4 delete(): what a range holds and nothing else, with its index entries; undefined is the result', async () => {
  const [{ source: store }, { source: index }] = await sources();
  for (const nothing of [undefined, null, {}, NaN]) assert.throws(() => store.delete(nothing), domException('DataError'));
  assert.equal(await result(store.delete(9)), undefined);
  assert.equal(await result(store.delete(2)), undefined);
  assert.deepEqual(await result(store.getAllKeys()), [1, 3, 4, 5]);
  store.delete(IDBKeyRange.bound(3, 5, true, true));
  assert.deepEqual(await result(store.getAllKeys()), [1, 3, 5]);
  assert.deepEqual(await result(index.getAllKeys()), [1, 3, 5]);
  store.delete(IDBKeyRange.upperBound(5, true));
  assert.deepEqual(await result(index.getAllKeys()), [5]);
});

test('6.6 clear(): all records and index entries of that store only; undefined is the result', async () => {
  const db = await openDatabase((created) => ['a', 'b'].forEach((name) => created.createObjectStore(name).createIndex('i', 'x')));
  const transaction = db.transaction(['a', 'b'], 'readwrite');
  const [a, b] = ['a', 'b'].map((name) => transaction.objectStore(name));
  for (const store of [a, b]) store.put({ x: 1 }, 1);
  assert.equal(await result(a.clear()), undefined);
  a.put({ x: 2 }, 2);
  assert.deepEqual([await result(a.index('i').getAllKeys()), await result(b.index('i').getAllKeys())], [[2], [1]]);
});

test('2.9 key range: what is in one, with open and closed and missing bounds', () => {
  const cases = [
    [IDBKeyRange.only([2]), [[2]], [[1], [3], 2]], [IDBKeyRange.lowerBound(2), [2, 3, 'x', []], [1, -Infinity]],
    [IDBKeyRange.lowerBound(2, true), [2.5], [2, 1]], [IDBKeyRange.upperBound(2), [2, 1, -Infinity], [3, 'x']],
    [IDBKeyRange.upperBound(2, true), [1.9], [2]], [IDBKeyRange.bound(1, 3), [1, 2, 3], [0, 4]], [IDBKeyRange.bound(1, 3, true, true), [2], [1, 3]],
    [IDBKeyRange.bound(1, 3, true), [2, 3], [1]], [IDBKeyRange.bound(1, 3, false, true), [1, 2], [3]],
  ];
  for (const [range, inside, outside] of cases) {
    for (const key of inside) assert.equal(range.includes(key), true, String(key));
    for (const key of outside) assert.equal(range.includes(key), false, String(key));
  }
  assert.throws(() => cases[0][0].includes({}), domException('DataError'));
});

test('4.7 key range: its attributes, and what cannot be one', () => {
  const of = ({ lower, upper, lowerOpen, upperOpen }) => [lower, upper, lowerOpen, upperOpen];
  assert.deepEqual(of(IDBKeyRange.only('x')), ['x', 'x', false, false]);
  assert.deepEqual(of(IDBKeyRange.lowerBound(1)), [1, undefined, false, true]);
  assert.deepEqual(of(IDBKeyRange.lowerBound(1, 'yes')), [1, undefined, true, true]);
  assert.deepEqual(of(IDBKeyRange.upperBound(1, true)), [undefined, 1, true, true]);
  assert.deepEqual(of(IDBKeyRange.upperBound(1)), [undefined, 1, true, false]);
  assert.deepEqual(of(IDBKeyRange.bound(1, 1)), [1, 1, false, false]);
  for (const call of [
    () => IDBKeyRange.bound(1, 1, true), () => IDBKeyRange.bound(1, 1, false, true), () => IDBKeyRange.bound('a', 1), () => IDBKeyRange.only(null),
    () => IDBKeyRange.only(IDBKeyRange.only(1)), () => IDBKeyRange.lowerBound({}), () => IDBKeyRange.upperBound(undefined), () => IDBKeyRange.bound(1, {}),
  ]) assert.throws(call, domException('DataError'));
});

test('2.4 keys: compared by kind, then by value', () => {
  const { indexedDB } = require('../../index.js');
  const ordered = [
    -Infinity, -1.5, 0, 5e-324, 1, Infinity, new Date(-8.64e15), new Date(0), new Date(8.64e15), '', '\0', 'a', 'a\0', 'aa', 'b', '\ud800', '\uffff',
    new ArrayBuffer(0), new Uint8Array([0]), new Uint8Array([0, 0]), new Uint8Array([1]), new Uint8Array([255]), [], [-1], [1], [1, 1], ['a'], [[]], [[], []], [[1]],
  ];
  ordered.forEach((first, i) => ordered.forEach((second, j) => assert.equal(indexedDB.cmp(first, second), Math.sign(i - j), `${i} ${j}`)));
  assert.equal(indexedDB.cmp(-0, 0), 0);
  assert.equal(indexedDB.cmp(new DataView(new Uint8Array([9, 1, 9]).buffer, 1, 1), new Uint8Array([1])), 0);
});

'use strict';

// Goal: cursors go where the standard's steps say. https://w3c.github.io/IndexedDB/#cursor-iteration-operation
// Method: the steps, written down on a sorted array, for every direction, range, start and target over a small set of records.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBKeyRange, indexedDB } = require('../../index.js');
const { domException, openDatabase, result, walk } = require('./support.js');

const DIRECTIONS = ['next', 'nextunique', 'prev', 'prevunique'];
/** Key in the index and primary key; sorted. */
const RECORDS = [[1, 1], [1, 4], [2, 2], [2, 5], [2, 6], [4, 3], ['a', 0]];

const inRange = (range, key) => range === null || range.includes(key);
const { cmp } = indexedDB;
const compare = (a, b) => Reflect.apply(cmp, indexedDB, [a, b]);

/**
 * "Iterate a cursor", steps 8 and 9, with records of [key, primary key].
 * @param {[any, any][]} records sorted
 * @param {{ direction: string, range: IDBKeyRange | null, position: [any, any] | null }} cursor
 * @param {{ key?: any, primaryKey?: any, count?: number }} by
 */
function iterate(records, { direction, range, position }, { key, primaryKey, count = 1 } = {}) {
  let at = position;
  for (let left = count; left > 0; left -= 1) {
    const forward = direction.startsWith('next');
    const sign = forward ? 1 : -1;
    const ordered = forward ? records : [...records].reverse();
    let found = ordered.find(([recordKey, recordPrimaryKey]) => {
      if (!inRange(range, recordKey)) return false;
      if (key !== undefined) {
        const order = compare(recordKey, key) * sign;
        if (order < 0) return false;
        if (primaryKey !== undefined && order === 0 && compare(recordPrimaryKey, primaryKey) * sign < 0) return false;
      }
      if (at === null) return true;
      const order = compare(recordKey, at[0]) * sign;
      if (direction.endsWith('unique')) return order > 0;
      return order > 0 || (order === 0 && compare(recordPrimaryKey, at[1]) * sign > 0);
    });
    if (found === undefined) return null;
    if (direction === 'prevunique') found = records.find(([recordKey]) => compare(recordKey, found[0]) === 0);
    at = found;
  }
  return at;
}

/** Everything the cursor meets from one position on. */
function expectedWalk(records, direction, range) {
  const passed = [];
  let position = iterate(records, { direction, range, position: null });
  while (position !== null) {
    passed.push(position);
    position = iterate(records, { direction, range, position });
  }
  return passed;
}

async function withRecords() {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    store.createIndex('i', 'k');
    store.put({ none: true }, 100);
    for (const [k, primaryKey] of RECORDS) store.put({ k }, primaryKey);
  });
  const store = db.transaction('s').objectStore('s');
  return { store, index: store.index('i') };
}

const RANGES = [
  null, IDBKeyRange.only(2), IDBKeyRange.lowerBound(1, true), IDBKeyRange.lowerBound(2), IDBKeyRange.upperBound(2), IDBKeyRange.upperBound(2, true),
  IDBKeyRange.bound(1, 4, true, true), IDBKeyRange.bound(3, 3.5), IDBKeyRange.upperBound('a'), IDBKeyRange.lowerBound([]),
];

test('6.7 iterate: every direction and range on an index', async () => {
  const { index } = await withRecords();
  for (const direction of DIRECTIONS) {
    for (const range of RANGES) {
      const expected = expectedWalk(RECORDS, direction, range);
      assert.deepEqual((await walk(index.openKeyCursor(range, direction))).map((each) => each.slice(0, 2)), expected, direction);
      assert.deepEqual(await walk(index.openCursor(range, direction)), expected.map(([k, p]) => [k, p, { k }]), direction);
    }
  }
});

test('6.7 iterate: every direction and range on a store', async () => {
  const { store } = await withRecords();
  const records = [0, 1, 2, 3, 4, 5, 6, 100].map((key) => [key, key]);
  for (const direction of DIRECTIONS) {
    for (const range of [null, IDBKeyRange.only(3), IDBKeyRange.bound(1, 5, true, false), IDBKeyRange.bound(1, 5, false, true), IDBKeyRange.lowerBound(7)]) {
      const expected = expectedWalk(records, direction, range);
      assert.deepEqual((await walk(store.openKeyCursor(range, direction))).map((each) => each.slice(0, 2)), expected, direction);
      assert.deepEqual((await walk(store.openCursor(range, direction))).map((each) => each.slice(0, 2)), expected, direction);
    }
  }
});

/** The cursor, after as many steps as it takes to get to a position. */
async function cursorAt(open, target) {
  const request = open();
  for (;;) {
    const cursor = await result(request);
    if (compare([cursor.key, cursor.primaryKey], target) === 0) return { cursor, request };
    cursor.continue();
  }
}

test('4.9 continue(key): to the first record at or beyond the key; not beyond the position is a DataError', async () => {
  const { index } = await withRecords();
  const range = IDBKeyRange.bound(1, 4);
  for (const direction of DIRECTIONS) {
    const sign = direction.startsWith('next') ? 1 : -1;
    for (const position of expectedWalk(RECORDS, direction, range)) {
      for (const key of [0, 1, 1.5, 2, 3, 4, 5, 'a']) {
        const { cursor, request } = await cursorAt(() => index.openKeyCursor(range, direction), position);
        if (compare(key, position[0]) * sign <= 0) {
          assert.throws(() => cursor.continue(key), domException('DataError'));
          continue;
        }
        cursor.continue(key);
        const after = await result(request);
        const expected = iterate(RECORDS, { direction, range, position }, { key });
        assert.deepEqual(after && [after.key, after.primaryKey], expected, `${direction} ${position} to ${key}`);
      }
    }
  }
});

test('4.9 continuePrimaryKey(): to the first record at or beyond both keys', async () => {
  const { index } = await withRecords();
  for (const direction of ['next', 'prev']) {
    const sign = direction === 'next' ? 1 : -1;
    for (const position of RECORDS) {
      for (const [key, primaryKey] of [...RECORDS, [2, 3], [2, 7], [3, 0], [1, 0], ['a', 1], [0, 0]]) {
        const { cursor, request } = await cursorAt(() => index.openKeyCursor(null, direction), position);
        if (compare([key, primaryKey], position) * sign <= 0) {
          assert.throws(() => cursor.continuePrimaryKey(key, primaryKey), domException('DataError'));
          continue;
        }
        cursor.continuePrimaryKey(key, primaryKey);
        const after = await result(request);
        const expected = iterate(RECORDS, { direction, range: null, position }, { key, primaryKey });
        assert.deepEqual(after && [after.key, after.primaryKey], expected, `${direction} ${position} to ${key} ${primaryKey}`);
      }
    }
  }
});

test('4.9 advance(count): as many steps as asked for, in every direction', async () => {
  const { index } = await withRecords();
  for (const direction of DIRECTIONS) {
    for (const position of expectedWalk(RECORDS, direction, null)) {
      for (const count of [1, 2, 3, 7, 0xffff_ffff]) {
        const { cursor, request } = await cursorAt(() => index.openCursor(null, direction), position);
        cursor.advance(count);
        const after = await result(request);
        const expected = iterate(RECORDS, { direction, range: null, position }, { count: Math.min(count, RECORDS.length + 1) });
        assert.deepEqual(after && [after.key, after.primaryKey, after.value.k], expected && [...expected, expected[0]]);
      }
    }
  }
  const cursor = await result(index.openCursor());
  for (const count of [0, -1, 2 ** 32, NaN, Infinity, 'x', undefined]) assert.throws(() => cursor.advance(count), TypeError);
  assert.throws(() => cursor.advance(), TypeError);
});

test('6.7 iterate: a cursor sees what was written and deleted since its last step, before and after it', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').createIndex('i', 'k'));
  const store = db.transaction('s', 'readwrite').objectStore('s');
  for (const key of [2, 4, 6]) store.put({ k: key }, key);
  const passed = [];
  await walk(store.index('i').openCursor(), (cursor) => {
    passed.push([cursor.key, cursor.primaryKey]);
    if (cursor.key === 2) {
      store.put({ k: 1 }, 1); // before it
      store.put({ k: 3 }, 3); // after it
      store.delete(4);
    }
    if (cursor.key === 3) cursor.update({ k: 5 }); // the same record, further on
    cursor.continue();
  });
  assert.deepEqual(passed, [[2, 2], [3, 3], [5, 3], [6, 6]]);
});

test('4.9 delete() and update() at the cursor: undefined and the key as results; the position stays', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').createIndex('i', 'k'));
  const store = db.transaction('s', 'readwrite').objectStore('s');
  for (const key of [1, 2, 3]) store.put({ k: key }, key);
  const request = store.index('i').openCursor();
  const cursor = await result(request);
  const deletion = cursor.delete();
  assert.equal(deletion.source, cursor);
  assert.equal(await result(deletion), undefined);
  assert.deepEqual([cursor.key, cursor.primaryKey, cursor.value], [1, 1, { k: 1 }]);
  assert.equal(await result(cursor.update({ k: 9 })), 1, 'the deleted record comes back, under the same primary key');
  cursor.continue();
  assert.equal((await result(request)).key, 2);
  assert.deepEqual(await result(store.index('i').getAllKeys()), [2, 3, 1]);
  cursor.value.k = 'mine';
  assert.equal(cursor.value.k, 'mine', 'the value belongs to the script');
  assert.deepEqual(await result(store.get(2)), { k: 2 });
});

test('4.9 a moving cursor refuses everything, one at its end too, and has no request until it was opened', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').createIndex('i', 'k'));
  const store = db.transaction('s', 'readwrite').objectStore('s');
  store.put({ k: 1 }, 1);
  const request = store.index('i').openCursor();
  const cursor = await result(request);
  const refuseAll = () => {
    for (const call of [
      () => cursor.continue(), () => cursor.continue(9), () => cursor.advance(1), () => cursor.continuePrimaryKey(9, 9), () => cursor.update({}),
      () => cursor.delete(),
    ]) assert.throws(call, domException('InvalidStateError'));
  };
  cursor.continue();
  refuseAll();
  assert.deepEqual([cursor.key, cursor.primaryKey, cursor.value], [1, 1, { k: 1 }], 'keys stay until the step is done');
  assert.equal(await result(request), null);
  refuseAll();
  assert.deepEqual([cursor.key, cursor.primaryKey, cursor.value, cursor.direction], [undefined, undefined, undefined, 'next']);
  assert.equal(cursor.request, request);
});

test('4.9 key and primaryKey are the same object until the cursor moves, and changing them changes nothing else', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s'));
  const store = db.transaction('s', 'readwrite').objectStore('s');
  store.put('a', [1]);
  store.put('b', [2]);
  const request = store.openCursor();
  const cursor = await result(request);
  assert.equal(cursor.key, cursor.key);
  assert.equal(cursor.primaryKey, cursor.primaryKey);
  cursor.key.push('changed');
  cursor.primaryKey.push('changed');
  const { key } = cursor;
  cursor.continue();
  await result(request);
  assert.notEqual(cursor.key, key);
  assert.deepEqual(cursor.key, [2]);
  assert.equal(await result(store.get([1])), 'a');
});

test('4.9 a request is pending again while its cursor moves', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s').put('value', 1));
  const request = db.transaction('s').objectStore('s').openCursor();
  await result(request);
  for (const property of ['result', 'error']) assert.doesNotThrow(() => request[property]);
  assert.equal(request.readyState, 'done');
  request.result.continue();
  assert.equal(request.readyState, 'pending');
  for (const property of ['result', 'error']) assert.throws(() => request[property], domException('InvalidStateError'));
  assert.equal(await result(request), null);
});

'use strict';

// Cursors: https://w3c.github.io/IndexedDB/#cursor-interface

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBCursor, IDBCursorWithValue, IDBKeyRange } = require('../../index.js');
const { domException, openDatabase, result, walk } = require('./support.js');

/** Five records; two pairs share a key in the index. */
async function store() {
  const db = await openDatabase((created) => created.createObjectStore('s').createIndex('i', 'k'));
  const opened = db.transaction('s', 'readwrite').objectStore('s');
  ['a', 'b', 'a', 'b', 'c'].forEach((k, i) => opened.put({ k }, i + 1));
  return opened;
}

const keysOf = (records) => records.map(([key, primaryKey]) => `${key}${primaryKey}`).join(' ');

test('an index cursor goes in four directions', async () => {
  const index = (await store()).index('i');
  const expected = {
    next: 'a1 a3 b2 b4 c5',
    nextunique: 'a1 b2 c5',
    prev: 'c5 b4 b2 a3 a1',
    prevunique: 'c5 b2 a1',
  };
  for (const [direction, keys] of Object.entries(expected)) {
    assert.equal(keysOf(await walk(index.openCursor(null, direction))), keys);
    assert.equal(keysOf(await walk(index.openKeyCursor(null, direction))), keys);
  }
});

test('a store cursor stays in its range and tells keys and value', async () => {
  const opened = await store();
  const records = await walk(opened.openCursor(IDBKeyRange.bound(2, 4, true), 'prev'));
  assert.deepEqual(records, [[4, 4, { k: 'b' }], [3, 3, { k: 'a' }]]);
});

test('continue takes a key beyond the position, continuePrimaryKey a pair', async () => {
  const index = (await store()).index('i');
  const passed = await walk(index.openCursor(), (cursor) => {
    if (cursor.primaryKey === 1) {
      assert.throws(() => cursor.continue('a'), domException('DataError'));
      assert.throws(() => cursor.continuePrimaryKey('a', 1), domException('DataError'));
      cursor.continuePrimaryKey('b', 3);
      assert.throws(() => cursor.continue('c'), domException('InvalidStateError'));
    } else {
      cursor.continue(cursor.key === 'b' ? 'c' : undefined);
    }
  });
  assert.equal(keysOf(passed), 'a1 b4 c5');
});

test('continuePrimaryKey needs an index and a direction without unique', async () => {
  const opened = await store();
  const ofStore = await result(opened.openCursor());
  assert.throws(() => ofStore.continuePrimaryKey(2, 2), domException('InvalidAccessError'));
  const unique = await result(opened.index('i').openCursor(null, 'nextunique'));
  assert.throws(() => unique.continuePrimaryKey('b', 1), domException('InvalidAccessError'));
});

test('advance skips, and 0 is a TypeError', async () => {
  const index = (await store()).index('i');
  const passed = await walk(index.openKeyCursor(), (cursor) => {
    assert.throws(() => cursor.advance(0), TypeError);
    cursor.advance(2);
  });
  assert.equal(keysOf(passed), 'a1 b2 c5');
});

test('update and delete change the record the cursor is at, seen by the cursor itself', async () => {
  const opened = await store();
  const passed = await walk(opened.openCursor(), (cursor) => {
    if (cursor.key === 2) cursor.update({ k: 'changed' });
    if (cursor.key === 3) cursor.delete();
    if (cursor.key === 1) opened.delete(4);
    cursor.continue();
  });
  assert.deepEqual(passed.map(([key]) => key), [1, 2, 3, 5]);
  assert.deepEqual(await result(opened.getAllKeys()), [1, 2, 5]);
  assert.equal(await result(opened.index('i').getKey('changed')), 2);
});

test('update with in-line keys must keep the key', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s', { keyPath: 'id' }));
  const opened = db.transaction('s', 'readwrite').objectStore('s');
  opened.put({ id: 1 });
  const cursor = await result(opened.openCursor());
  assert.throws(() => cursor.update({ id: 2 }), domException('DataError'));
  assert.throws(() => cursor.update({}), domException('DataError'));
  const request = cursor.update({ id: 1, more: true });
  assert.equal(request.source, cursor);
  assert.equal(await result(request), 1);
});

test('key cursors cannot modify, readonly ones neither', async () => {
  const opened = await store();
  const keyCursor = await result(opened.openKeyCursor());
  assert.throws(() => keyCursor.delete(), domException('InvalidStateError'));
  assert.ok(!('value' in keyCursor) && keyCursor instanceof IDBCursor && !(keyCursor instanceof IDBCursorWithValue));
});

test('the request of a cursor is used again, pending while it moves', async () => {
  const opened = await store();
  const request = opened.openCursor();
  const cursor = await result(request);
  assert.equal(cursor.request, request);
  assert.equal(cursor.source, opened);
  assert.equal(cursor.value, cursor.value);
  cursor.continue();
  assert.equal(request.readyState, 'pending');
  assert.equal(await result(request), cursor);
  assert.equal(cursor.key, 2);
});

test('at its end a cursor is null and has no key', async () => {
  const opened = await store();
  const request = opened.openCursor(5);
  const cursor = await result(request);
  cursor.continue();
  assert.equal(await result(request), null);
  assert.equal(cursor.key, undefined);
  assert.throws(() => cursor.continue(), domException('InvalidStateError'));
});

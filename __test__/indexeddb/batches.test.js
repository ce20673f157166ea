'use strict';

// Requests cross to the native side together, while nobody may notice: what is answered, and when, is as if each had crossed alone.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { domException, finished, openDatabase, result } = require('./support.js');

const createStores = (db) => {
  db.createObjectStore('a');
  db.createObjectStore('b', { keyPath: 'id' }).createIndex('unique', 'unique', { unique: true });
};

test('requests of all sizes in one transaction, and of two transactions in turns', async () => {
  const db = await openDatabase(createStores);
  const lengths = [0, 10, 1000, 40_000, 65_000, 65_536, 70_000, 300_000, 1_000_000];
  const [first, second] = [db.transaction('a', 'readwrite'), db.transaction('b', 'readwrite')];
  for (let i = 0; i < 600; i += 1) {
    const text = 'x'.repeat(i < 30 ? lengths[i % lengths.length] : i);
    first.objectStore('a').put(text, i);
    second.objectStore('b').put({ id: i, text });
  }
  await Promise.all([finished(first), finished(second)]);
  const reading = db.transaction(['a', 'b']);
  const gets = Array.from({ length: 600 }, (_, i) => [
    result(reading.objectStore('a').get(i)), result(reading.objectStore('b').get(i)),
  ]);
  for (const [i, pair] of gets.entries()) {
    const [text, object] = await Promise.all(pair);
    assert.equal(text.length, i < 30 ? lengths[i % lengths.length] : i);
    assert.deepEqual(object, { id: i, text });
  }
});

test('an error among others: the others stand if it is handled, none does if it is not', async () => {
  const db = await openDatabase(createStores);
  const put = (handle) => {
    const transaction = db.transaction('b', 'readwrite');
    const store = transaction.objectStore('b');
    const outcomes = [];
    for (let id = 0; id < 10; id += 1) {
      const request = store.put({ id, unique: id === 5 ? 0 : id });
      request.onsuccess = () => outcomes.push(id);
      request.onerror = (event) => {
        outcomes.push(request.error.name);
        if (handle) event.preventDefault();
      };
    }
    return { outcomes, done: finished(transaction) };
  };
  const aborted = put(false);
  await assert.rejects(aborted.done, domException('ConstraintError'));
  assert.deepEqual(aborted.outcomes, [0, 1, 2, 3, 4, 'ConstraintError', ...Array(4).fill('AbortError')]);
  assert.equal(await result(db.transaction('b').objectStore('b').count()), 0);
  const handled = put(true);
  await handled.done;
  assert.deepEqual(handled.outcomes, [0, 1, 2, 3, 4, 'ConstraintError', 6, 7, 8, 9]);
  assert.equal(await result(db.transaction('b').objectStore('b').count()), 9);
});

test('an abort in a listener undoes what has been executed ahead', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  const outcomes = [];
  for (let i = 0; i < 5; i += 1) {
    const request = store.put('value', i);
    request.onsuccess = () => {
      outcomes.push(i);
      if (i === 1) transaction.abort();
    };
    request.onerror = () => outcomes.push(request.error.name);
  }
  await assert.rejects(finished(transaction));
  assert.deepEqual(outcomes, [0, 1, 'AbortError', 'AbortError', 'AbortError']);
  assert.equal(await result(db.transaction('a').objectStore('a').count()), 0);
});

test('what a listener asks for comes behind what was asked for before', async () => {
  const db = await openDatabase(createStores);
  const transaction = db.transaction('a', 'readwrite');
  const store = transaction.objectStore('a');
  const seen = [];
  store.put(1, 'key').onsuccess = () => {
    store.get('key').onsuccess = ({ target }) => seen.push(['nested', target.result]);
  };
  store.get('key').onsuccess = ({ target }) => seen.push(['second', target.result]);
  store.put(2, 'key');
  await finished(transaction);
  assert.deepEqual(seen, [['second', 1], ['nested', 2]]);
});

test('a transaction made while an upgrade ends waits for the success event of the open request', async () => {
  const order = [];
  await openDatabase((db, upgrade) => {
    createStores(db);
    upgrade.oncomplete = () => {
      const request = db.transaction('a').objectStore('a').count();
      request.onsuccess = () => order.push('count');
    };
  }).then(() => order.push('open'));
  while (order.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ['open', 'count']);
});

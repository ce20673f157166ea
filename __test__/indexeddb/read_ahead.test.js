'use strict';

// Cursors read ahead. Goal: nobody can tell. Method: cursors in every direction over many records, between whose steps the transaction
// writes, against an array that each step looks up anew.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { domException, finished, openDatabase, result, walk } = require('./support.js');

const RECORDS = 400;
const DIRECTIONS = ['next', 'nextunique', 'prev', 'prevunique'];

/** A small generator of whole numbers below a limit. */
function randomOf(seed) {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

async function filled() {
  const db = await openDatabase((created) => {
    created.createObjectStore('s').createIndex('group', 'group');
    created.createObjectStore('other');
  });
  const transaction = db.transaction('s', 'readwrite');
  for (let key = 0; key < RECORDS; key += 1) transaction.objectStore('s').put({ group: key % 40, text: 'x'.repeat(key % 50) }, key);
  await finished(transaction);
  return db;
}

/** What the standard's steps find: the nearest record beyond the position, of [key, primaryKey] pairs in order. */
function following(pairs, direction, position) {
  const forward = direction.startsWith('next');
  const ordered = forward ? pairs : [...pairs].reverse();
  const order = (a, b) => (forward ? 1 : -1) * Math.sign(a[0] - b[0] || (direction.endsWith('unique') ? 0 : a[1] - b[1]));
  const found = ordered.find((pair) => position === null || order(pair, position) > 0);
  return direction === 'prevunique' && found ? pairs.find(([key]) => key === found[0]) : found;
}

/** The contents of the store as pairs of an index or of itself, in order. */
function pairsOf(model, ofIndex) {
  const pairs = [...model].map(([primaryKey, { group }]) => [ofIndex ? group : primaryKey, primaryKey]);
  return pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

test('steps and writes in turns are those of an array', async (t) => {
  const seed = Number(process.env.FLOWDB_SEED ?? Date.now() % 1e6);
  t.diagnostic(`FLOWDB_SEED=${seed}`);
  const random = randomOf(seed + 1);
  for (const ofIndex of [false, true]) {
    for (const direction of DIRECTIONS) {
      const db = await filled();
      const store = db.transaction('s', 'readwrite').objectStore('s');
      const model = new Map(Array.from({ length: RECORDS }, (_, key) => [key, { group: key % 40, text: 'x'.repeat(key % 50) }]));
      const request = (ofIndex ? store.index('group') : store).openCursor(null, direction);
      let position = null;
      let steps = 0;
      await new Promise((resolve, reject) => {
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          try {
            const cursor = request.result;
            let expected = position;
            for (let i = 0; i < Math.max(steps, 1) && expected !== undefined; i += 1) {
              expected = following(pairsOf(model, ofIndex), direction, expected);
            }
            assert.deepEqual(cursor && [cursor.key, cursor.primaryKey], expected ?? null);
            if (cursor === null) return resolve();
            assert.deepEqual(cursor.value, model.get(cursor.primaryKey));
            position = expected;
            write(store, cursor, model, random, ofIndex);
            steps = random(12) === 0 ? 1 + random(5) : 0;
            if (steps === 0) cursor.continue();
            else cursor.advance(steps);
          } catch (error) {
            reject(error);
          }
        };
      });
      db.close();
    }
  }
});

function put(store, model, key, group) {
  const value = { group, text: 'new' };
  store.put(value, key);
  model.set(key, value);
}

/** Sometimes something that changes what is ahead. */
function write(store, cursor, model, random, ofIndex) {
  switch (random(25)) {
    case 0:
      put(store, model, random(RECORDS * 2), random(40));
      break;
    case 1: {
      const key = random(RECORDS);
      store.delete(key);
      model.delete(key);
      break;
    }
    case 2:
      cursor.delete();
      model.delete(cursor.primaryKey);
      break;
    case 3: {
      const value = { group: ofIndex ? cursor.key : random(40), text: 'updated' };
      cursor.update(value);
      model.set(cursor.primaryKey, value);
      break;
    }
    default:
  }
}

test('a write that is asked for behind a step is seen by the step after', async () => {
  const db = await filled();
  const store = db.transaction('s', 'readwrite').objectStore('s');
  const passed = [];
  const records = await walk(store.openCursor(), (cursor) => {
    passed.push(cursor.key);
    cursor.continue();
    if (cursor.key === 100) store.delete(101).onsuccess = () => passed.push('deleted');
    if (cursor.key === 200) store.put('late', 201.5);
    if (cursor.key === 300) store.clear();
  });
  assert.deepEqual(passed.slice(99, 104), [99, 100, 101, 'deleted', 102]);
  assert.deepEqual(records.slice(200, 204).map(([key]) => key), [200, 201, 201.5, 202]);
  assert.deepEqual(records.slice(-2).map(([key]) => key), [300, 301]);
});

test('several cursors, other stores and other requests between the steps', async () => {
  const db = await filled();
  const transaction = db.transaction(['s', 'other'], 'readwrite');
  const store = transaction.objectStore('s');
  const order = [];
  const walks = [store.openCursor(), store.openKeyCursor(null, 'prev'), store.index('group').openCursor()].map((request, i) =>
    walk(request, (cursor) => {
      if (cursor.primaryKey % 100 === 50) store.get(cursor.primaryKey).onsuccess = () => order.push(`${i} got ${cursor.primaryKey}`);
      if (cursor.primaryKey === 7) transaction.objectStore('other').put(i, i);
      cursor.continue();
    }));
  const [forward, backward, grouped] = await Promise.all(walks);
  const keys = Array.from({ length: RECORDS }, (_, key) => key);
  assert.deepEqual(forward.map(([key]) => key), keys);
  assert.deepEqual(backward.map(([key]) => key), keys.reverse());
  assert.deepEqual(grouped.map(([key, primaryKey]) => [key, primaryKey]), pairsOf(new Map(keys.map((key) => [key, { group: key % 40 }])), true));
  assert.equal(order.length, 12);
});

test('each step gives objects of its own', async () => {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s');
    for (let i = 0; i < 40; i += 1) store.put({ nested: [i] }, [i, new Date(i)]);
  });
  const seen = new Set();
  const records = await walk(db.transaction('s').objectStore('s').openCursor());
  for (const [key, primaryKey, value] of records) for (const object of [key, primaryKey, value, value.nested]) seen.add(object);
  assert.equal(seen.size, 160);
});

test('an abort and the end of the transaction end it, wherever its records are', async () => {
  const db = await filled();
  const transaction = db.transaction('s');
  const request = transaction.objectStore('s').openCursor();
  let steps = 0;
  let last;
  request.onsuccess = () => {
    last = request.result;
    steps += 1;
    last.continue();
    if (steps === 30) transaction.abort();
  };
  await assert.rejects(finished(transaction));
  assert.equal(steps, 30);
  assert.throws(() => last.continue(), domException('TransactionInactiveError'));
  const cursor = await result(db.transaction('s').objectStore('s').openCursor());
  await finished(cursor.source.transaction);
  assert.throws(() => cursor.continue(), domException('TransactionInactiveError'));
});

'use strict';

// Blobs and Files in values: https://w3c.github.io/IndexedDB/#clone-value, https://w3c.github.io/FileAPI/#blob-section

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBFactory } = require('../../index.js');
const { directory } = require('../fixture.js');
const { domException, finished, openDatabase, result } = require('./support.js');

/** Bytes in which a part at the wrong place would show. */
const bytesOf = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff);

for (const place of ['memory', 'disk']) {
  test(`5.11 clone: Blobs and Files of every size come back, after reopening too, in ${place}`, async (t) => {
    const options = place === 'disk' ? { path: directory(t) } : undefined;
    let factory = new IDBFactory(options);
    const sizes = [0, 1, 1000, 70_000, 1_200_000];
    const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
    const transaction = db.transaction('s', 'readwrite');
    const store = transaction.objectStore('s');
    for (const size of sizes) {
      const file = new File([bytesOf(size)], `file ${size}`, { type: 'a/b', lastModified: size });
      const blob = file.slice(Math.trunc(size / 3), size - 1, 'c/d');
      store.put({ file, list: [blob, blob], map: new Map([[1, file]]) }, size);
    }
    await finished(transaction);
    db.close();
    if (options !== undefined) {
      await factory.close();
      factory = new IDBFactory(options);
    }
    const again = await openDatabase(undefined, { factory });
    for (const size of sizes) {
      const { file, list: [blob, same], map } = await result(again.transaction('s').objectStore('s').get(size));
      assert.deepEqual([file.constructor, file.name, file.type, file.lastModified, file.size], [File, `file ${size}`, 'a/b', size, size]);
      assert.deepEqual([blob.constructor, blob.type, same === blob, map.get(1) === file], [Blob, 'c/d', true, true]);
      assert.equal(Buffer.compare(Buffer.from(await file.arrayBuffer()), bytesOf(size)), 0);
      assert.equal(Buffer.compare(Buffer.from(await blob.arrayBuffer()), bytesOf(size).subarray(Math.trunc(size / 3), Math.max(size - 1, Math.trunc(size / 3)))), 0);
    }
    await factory.close();
  });
}

/** A Blob that is read when the test says so. */
function heldBack(content) {
  const blob = new Blob([content]);
  let go;
  const allowed = new Promise((resolve, reject) => { go = { now: resolve, never: reject }; });
  let reads = 0;
  blob.arrayBuffer = async () => {
    reads += 1;
    await allowed;
    return new TextEncoder().encode(content).buffer;
  };
  return { blob, go, reads: () => reads };
}

test('5.6 execute a request: a Blob is read from the put on; its transaction waits, others do not, and no order changes', async () => {
  const db = await openDatabase((created) => ['a', 'b'].forEach((name) => created.createObjectStore(name)));
  const { blob, go, reads } = heldBack('content');
  const transaction = db.transaction('a', 'readwrite');
  const log = [];
  transaction.objectStore('a').put('before', 0).onsuccess = () => log.push('before');
  transaction.objectStore('a').put(blob, 1).onsuccess = () => log.push('blob');
  assert.equal(reads(), 1);
  transaction.objectStore('a').get(1).onsuccess = ({ target }) => log.push(`after ${target.result.size}`);
  const other = db.transaction('b', 'readwrite');
  other.objectStore('b').put(1, 1).onsuccess = () => log.push('other');
  await finished(other);
  assert.deepEqual(new Set(log), new Set(['before', 'other']));
  go.now();
  await finished(transaction);
  assert.deepEqual(log.filter((each) => each !== 'other'), ['before', 'blob', 'after 7']);
});

test('5.6 execute a request: a Blob that cannot be read fails its request with an UnknownError, and the transaction if nobody minds', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a', { autoIncrement: true }));
  for (const handled of [true, false]) {
    const { blob, go } = heldBack('content');
    const transaction = db.transaction('a', 'readwrite');
    transaction.objectStore('a').put('other', 1);
    const request = transaction.objectStore('a').put(blob, 2);
    if (handled) request.onerror = (event) => event.preventDefault();
    go.never(new Error('the file is gone'));
    if (handled) await finished(transaction);
    else await assert.rejects(finished(transaction), domException('UnknownError'));
    assert.deepEqual([request.error.name, request.result], ['UnknownError', undefined]);
    assert.match(request.error.message, /the file is gone/);
    assert.deepEqual(await result(db.transaction('a').objectStore('a').getAllKeys()), [1]);
  }
});

test('5.5 abort: while a Blob is being read', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a'));
  const { blob, go } = heldBack('content');
  const transaction = db.transaction('a', 'readwrite');
  const request = transaction.objectStore('a').put(blob, 1);
  await new Promise((resolve) => { setImmediate(resolve); });
  transaction.abort();
  await assert.rejects(finished(transaction));
  go.now();
  assert.equal(request.error.name, 'AbortError');
  assert.equal(await result(db.transaction('a').objectStore('a').count()), 0);
});

test('5.4 commit: waits for a Blob that is being read', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a'));
  const { blob, go } = heldBack('content');
  const transaction = db.transaction('a', 'readwrite');
  transaction.objectStore('a').put(blob, 1);
  transaction.commit();
  await new Promise((resolve) => { setImmediate(resolve); });
  go.now();
  await finished(transaction);
  assert.equal(await (await result(db.transaction('a').objectStore('a').get(1))).text(), 'content');
});

test('4.9 update(): with a Blob, and a Blob whose size is not what it gives', async () => {
  const db = await openDatabase((created) => created.createObjectStore('a').put('old', 1));
  const store = db.transaction('a', 'readwrite').objectStore('a');
  const cursor = await result(store.openCursor());
  await result(cursor.update({ blob: new Blob(['new']) }));
  const { blob } = await result(store.get(1));
  const lying = new Blob(['four']);
  lying.arrayBuffer = async () => new ArrayBuffer(3);
  const request = store.put(lying, 2);
  request.addEventListener('error', (event) => event.preventDefault());
  await assert.rejects(result(request), domException('UnknownError'));
  assert.equal(await result(store.count()), 1);
  assert.equal(await blob.text(), 'new');
});

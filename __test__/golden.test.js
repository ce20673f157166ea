'use strict';

// What scripts/golden.mjs wrote with an earlier version is read by this one. The records and the bytes themselves are checked
// in crates/flowdb-store/tests/golden.rs.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { IDBFactory, IDBKeyRange, open } = require('../index.js');

const FOLDER = path.join(__dirname, '../crates/flowdb-store/tests/golden');
const NOON = 1_767_268_800_000_000;

/** @param {any} request */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

for (const format of fs.readdirSync(FOLDER)) {
  describe(format, () => {
    /** @type {string} */
    let directory;
    before(() => {
      // A copy: opening a directory writes to it.
      directory = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-golden-'));
      fs.cpSync(path.join(FOLDER, format), directory, { recursive: true });
    });
    after(() => fs.rmSync(directory, { recursive: true, force: true }));

    test('records', async () => {
      const db = await open({ path: directory, createIfMissing: false });
      const entries = await db.kv.scan().all();
      assert.deepEqual(entries, [
        { key: 'bytes', value: Buffer.from([0, 255]) },
        { key: 'far', value: 'until 2200' },
        { key: 'late', value: 'in the log' },
        { key: 'text', value: 'Grüße' },
        { key: 'value', value: { list: [1, -2.5, null], when: new Date(0) } },
      ]);
      assert.deepEqual(await db.series.scan().all(), [
        { key: 'oven', ts: NOON, value: 181.5 },
        { key: 'oven', ts: NOON + 60_000_000, value: 183 },
      ]);
      await db.close();
    });

    test('IndexedDB', async () => {
      const factory = new IDBFactory({ path: directory });
      assert.deepEqual(await factory.databases(), [{ name: 'library', version: 3 }]);
      const connection = await settled(factory.open('library'));
      const transaction = connection.transaction(['books', 'loose']);
      const books = transaction.objectStore('books');
      const notes = { title: 'Notes', year: 1843, authors: ['Ada', 'Luigi'], id: 1 };
      const computing = { id: 7, title: 'Computing', year: 1950, authors: ['Alan'] };
      assert.deepEqual([books.keyPath, books.autoIncrement, [...books.indexNames]], ['id', true, ['authors', 'year and title']]);
      assert.deepEqual([books.index('authors').multiEntry, books.index('year and title').unique], [true, true]);
      const loose = transaction.objectStore('loose');
      const [all, byAuthor, byYear, keys, values] = await Promise.all([
        books.getAll(), books.index('authors').getAll('Luigi'),
        books.index('year and title').getAll(IDBKeyRange.lowerBound([1900])), loose.getAllKeys(), loose.getAll(),
      ].map(settled));
      assert.deepEqual([all, byAuthor, byYear], [[notes, computing], [notes], [computing]]);
      assert.deepEqual(keys, [-Infinity, '\ud800', ['key', new Date(5), new Uint8Array([0, 1]).buffer]]);
      assert.deepEqual(values, ['minus infinity', 'lone surrogate', new Map([['set', new Set([1n, 'two'])]])]);
      const added = connection.transaction('books', 'readwrite').objectStore('books').add({ title: 'New', year: 2026 });
      assert.equal(await settled(added), 8);
      await factory.close();
    });
  });
}

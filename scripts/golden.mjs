// Writes a small database directory that tests go on to open for ever: the golden files of one format version.
//
//     node scripts/golden.mjs crates/flowdb-store/tests/golden/format_1
//
// Run it once for each format version, never again for one that was released: the point of the files is that they are
// old. docs/format.md takes its worked examples from them.
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { IDBFactory, open } from '../index.js';
import { Failure } from './failure.mjs';
import { main } from './run.mjs';

/** Microseconds since the epoch: 2026-01-01T12:00Z. */
const NOON = 1_767_268_800_000_000;

/** @param {string} directory */
async function writeRecords(directory) {
  const db = await open(directory);
  await db.kv.put('text', 'Grüße');
  await db.batch([
    { type: 'put', key: 'bytes', value: new Uint8Array([0, 255]) },
    { type: 'put', key: 'value', value: { list: [1, -2.5, null], when: new Date(0) } },
    { type: 'put', key: 'far', value: 'until 2200', expiresAt: Date.UTC(2200, 0) },
    { type: 'put', key: 'gone', value: 'deleted below' },
    { type: 'put', key: 'oven', value: 181.5, ts: NOON },
    { type: 'put', key: 'oven', value: 183, ts: NOON + 60_000_000 },
    { type: 'put', key: 'dropped', value: 0, ts: NOON },
  ]);
  return db;
}

/** @param {string} directory */
async function writeDocuments(directory) {
  const factory = new IDBFactory({ path: directory });
  const request = factory.open('library', 3);
  request.onupgradeneeded = () => {
    const books = request.result.createObjectStore('books', { keyPath: 'id', autoIncrement: true });
    books.createIndex('authors', 'authors', { multiEntry: true });
    books.createIndex('year and title', ['year', 'title'], { unique: true });
    request.result.createObjectStore('loose');
  };
  const connection = await settled(request);
  const transaction = connection.transaction(['books', 'loose'], 'readwrite');
  transaction.objectStore('books').add({ title: 'Notes', year: 1843, authors: ['Ada', 'Luigi'] });
  transaction.objectStore('books').put({ id: 7, title: 'Computing', year: 1950, authors: ['Alan'] });
  const loose = transaction.objectStore('loose');
  loose.put(new Map([['set', new Set([1n, 'two'])]]), ['key', new Date(5), new Uint8Array([0, 1])]);
  loose.put('minus infinity', -Infinity);
  loose.put('lone surrogate', '\ud800');
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = reject;
  });
  await factory.close();
}

/** @param {any} request */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

await main(async () => {
  const directory = path.resolve(process.argv[2] ?? '');
  if (process.argv[2] === undefined || existsSync(directory)) throw new Failure('name a folder that does not exist yet');
  const db = await writeRecords(directory);
  await writeDocuments(directory);
  await db.flush();
  // What follows stays in the log.
  await db.kv.delete('gone');
  await db.series.delete('dropped');
  await db.kv.put('late', 'in the log');
  await db.close();
  for (const name of ['LOCK', 'LOCK.holder']) rmSync(path.join(directory, name));
});

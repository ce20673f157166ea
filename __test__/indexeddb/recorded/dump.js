'use strict';

// Everything a database holds, into the log: schema, records, the entries of indexes, and the next keys that would be generated.
// Afterwards the database is gone.

const { canonical } = require('./canonical');
const { storeText, indexText } = require('./operations');

/** @param {any} request */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('a connection was left open'));
  });
}

/** @param {any} transaction */
function ended(transaction) {
  return new Promise((resolve) => { transaction.oncomplete = transaction.onabort = resolve; });
}

/**
 * The values of a store, or the keys of an index, each with its primary key.
 * @param {any} source
 * @param {string} method
 * @returns {Promise<string[]>}
 */
function walk(source, method) {
  /** @type {string[]} */
  const lines = [];
  return new Promise((resolve, reject) => {
    const request = source[method]();
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor === null) return resolve(lines);
      lines.push(method === 'openCursor' ? `${canonical(cursor.key)} = ${canonical(cursor.value)}` : `${canonical(cursor.key)} -> ${canonical(cursor.primaryKey)}`);
      return cursor.continue();
    };
  });
}

/**
 * @param {(line: string) => void} write
 * @param {any} store
 */
async function dumpStore(write, store) {
  write(`store ${storeText(store)}`);
  for (const line of await walk(store, 'openCursor')) write(line);
  for (const name of store.indexNames) {
    const index = store.index(name);
    write(`index ${indexText(index)}`);
    for (const line of await walk(index, 'openKeyCursor')) write(line);
  }
}

/**
 * @param {(line: string) => void} write
 * @param {any} store
 */
async function dumpNextKey(write, store) {
  try {
    write(`next key of ${canonical(store.name)}: ${canonical(await result(store.put({})))}`);
  } catch (error) {
    write(`next key of ${canonical(store.name)}: ${/** @type {any} */ (error).name}`);
  }
}

/** @param {import('./interpreter').Interpreter} interpreter */
async function dump({ environment: { indexedDB }, name, log }) {
  const write = (/** @type {string} */ line) => log.write('all', line);
  const db = await result(indexedDB.open(name));
  write(`version ${db.version} ${canonical(db.objectStoreNames)}`);
  const names = Array.from(db.objectStoreNames);
  if (names.length > 0) {
    const reading = db.transaction(names);
    for (const store of names) await dumpStore(write, reading.objectStore(store));
    for (const store of names) {
      const writing = db.transaction(store, 'readwrite');
      const end = ended(writing);
      if (writing.objectStore(store).autoIncrement) await dumpNextKey(write, writing.objectStore(store));
      else writing.abort();
      await end;
    }
  }
  db.close();
  await result(indexedDB.deleteDatabase(name));
}

module.exports = { dump };

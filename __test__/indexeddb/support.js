'use strict';

// Promises around requests, for tests. They settle in listeners, so a transaction is still active in what awaits them.

const { IDBFactory } = require('../../index.js');

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

/**
 * @param {IDBTransaction} transaction
 * @returns {Promise<string>} 'complete', or rejects with the error of an abort
 */
function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve('complete'));
    transaction.addEventListener('abort', () => reject(transaction.error ?? new Error('abort')));
  });
}

/**
 * Opens a database of a fresh world in memory, or of the given factory.
 * @param {(db: IDBDatabase, transaction: IDBTransaction, event: IDBVersionChangeEvent) => void} [upgrade]
 * @param {{ factory?: IDBFactory, name?: string, version?: number }} [options]
 * @returns {Promise<IDBDatabase>}
 */
function openDatabase(upgrade, { factory = new IDBFactory(), name = 'database', version } = {}) {
  const request = factory.open(name, version);
  request.onupgradeneeded = (event) => upgrade?.(request.result, request.transaction, event);
  return result(request);
}

/**
 * A store 's' of a fresh world, in a transaction that may write; `prepare` gets it during the upgrade.
 * @param {IDBObjectStoreParameters} [parameters]
 * @param {(store: IDBObjectStore) => void} [prepare]
 * @returns {Promise<IDBObjectStore>}
 */
async function storeOf(parameters, prepare) {
  const db = await openDatabase((created) => {
    const store = created.createObjectStore('s', parameters);
    prepare?.(store);
  });
  return db.transaction('s', 'readwrite').objectStore('s');
}

/**
 * All records a cursor passes.
 * @param {IDBRequest<IDBCursorWithValue | IDBCursor | null>} request
 * @param {(cursor: any) => void} [step]
 */
function walk(request, step = (cursor) => cursor.continue()) {
  const passed = [];
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor === null) return resolve(passed);
      passed.push([cursor.key, cursor.primaryKey, cursor.value]);
      return step(cursor);
    };
  });
}

/**
 * @param {string} name of a DOMException
 */
function domException(name) {
  return (error) => error instanceof DOMException && error.constructor === DOMException && error.name === name;
}

module.exports = { result, finished, openDatabase, storeOf, walk, domException };

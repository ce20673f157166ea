'use strict';

const { assertActive, assertIndexExists, assertStoreExists, assertUpgrade } = require('./internal/checks.js');
const { exception } = require('../common/exceptions.js');
const { openCursor } = require('./internal/open_cursor.js');
const operations = require('./internal/operations.js');
const { executeSchemaChange } = require('./internal/request_queue.js');
const source = require('./internal/source.js');
const {
  assertConstructible,
  defineInterface,
  requireArguments,
  toDOMString,
} = require('./internal/webidl.js');

/** @typedef {import('./object_store.js').IDBObjectStore} IDBObjectStore */
/** @typedef {import('./internal/schema.js').Index} Index */

/** https://w3c.github.io/IndexedDB/#idbindex */
class IDBIndex {
  #handle;
  #index;
  #objectStore;
  /** Arrays are the same object at each reading. */
  #keyPath;

  /**
   * @param {symbol} [token]
   * @param {IDBObjectStore} [objectStore]
   * @param {source.SourceHandle} [storeHandle]
   * @param {Index} [index]
   */
  constructor(token = undefined, objectStore = undefined, storeHandle = undefined, index = undefined) {
    assertConstructible(token);
    const { transaction, store } = /** @type {source.SourceHandle} */ (storeHandle);
    this.#index = /** @type {Index} */ (index);
    this.#objectStore = objectStore;
    this.#handle = new source.SourceHandle(transaction, store, this.#index);
    this.#handle.object = this;
    const { keyPath } = this.#index;
    this.#keyPath = Array.isArray(keyPath) ? [...keyPath] : keyPath;
  }

  get name() {
    return this.#index.name;
  }

  set name(value) {
    const { transaction, store } = this.#handle;
    const index = this.#index;
    const name = toDOMString(value);
    assertUpgrade(transaction); // step 4
    assertActive(transaction); // step 5
    assertStoreExists(store); // step 6
    assertIndexExists(index);
    if (index.name === name) return; // step 7
    if (store.indexes.has(name)) throw exception('ConstraintError', `There is an index named '${name}' in object store '${store.name}'`); // step 8
    store.indexes.delete(index.name);
    index.name = name; // step 9
    store.indexes.set(name, index);
    executeSchemaChange(transaction, operations.renameIndex(store, index));
  }

  get objectStore() {
    return this.#objectStore;
  }

  get keyPath() {
    return this.#keyPath;
  }

  get multiEntry() {
    return this.#index.multiEntry;
  }

  get unique() {
    return this.#index.unique;
  }

  /** @param {unknown} query */
  get(query) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBIndex.get');
    return source.get(handle, query);
  }

  /** @param {unknown} query */
  getKey(query) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBIndex.getKey');
    return source.getKey(handle, query);
  }

  /**
   * @param {unknown} [queryOrOptions]
   * @param {number} [count]
   */
  getAll(queryOrOptions = undefined, count = undefined) {
    return source.getAll(this.#handle, 'value', queryOrOptions, count);
  }

  /**
   * @param {unknown} [queryOrOptions]
   * @param {number} [count]
   */
  getAllKeys(queryOrOptions = undefined, count = undefined) {
    return source.getAll(this.#handle, 'key', queryOrOptions, count);
  }

  /** @param {unknown} [options] */
  getAllRecords(options = undefined) {
    return source.getAllRecords(this.#handle, options);
  }

  /** @param {unknown} [query] */
  count(query = undefined) {
    return source.count(this.#handle, query);
  }

  /**
   * @param {unknown} [query]
   * @param {IDBCursorDirection} [direction]
   */
  openCursor(query = undefined, direction = 'next') {
    return openCursor(this.#handle, query, direction, false);
  }

  /**
   * @param {unknown} [query]
   * @param {IDBCursorDirection} [direction]
   */
  openKeyCursor(query = undefined, direction = 'next') {
    return openCursor(this.#handle, query, direction, true);
  }
}

defineInterface(IDBIndex, 'IDBIndex');

module.exports = { IDBIndex };

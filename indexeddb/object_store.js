'use strict';

const { assertActive, assertStoreExists, assertUpgrade, assertWritable } = require('./internal/checks.js');
const { sortedNameList } = require('./internal/dom_string_list.js');
const { exception } = require('../common/exceptions.js');
const { checkInlineKey, cloneDuringTransaction, putOperation } = require('./internal/store_record.js');
const { isValidKeyPath } = require('./internal/key_path.js');
const { openCursor } = require('./internal/open_cursor.js');
const operations = require('./internal/operations.js');
const { keyFromValue } = require('./internal/keys.js');
const { convertToRange } = require('./internal/range.js');
const { executeSchemaChange } = require('./internal/request_queue.js');
const { Index } = require('./internal/schema.js');
const source = require('./internal/source.js');
const {
  INTERNAL,
  assertConstructible,
  defineInterface,
  requireArguments,
  toDictionary,
  toDOMString,
  toStringOrSequence,
} = require('./internal/webidl.js');
const { IDBIndex } = require('./idb_index.js');

/** @typedef {import('./internal/transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {import('./internal/schema.js').ObjectStore} ObjectStore */

/** https://w3c.github.io/IndexedDB/#idbobjectstore */
class IDBObjectStore {
  #handle;
  /** Arrays are the same object at each reading. */
  #keyPath;
  /** @type {Map<Index, IDBIndex> | null} */
  #indexes = null;

  /**
   * @param {symbol} [token]
   * @param {Transaction} [transaction]
   * @param {ObjectStore} [store]
   */
  constructor(token = undefined, transaction = undefined, store = undefined) {
    assertConstructible(token);
    this.#handle = new source.SourceHandle(
      /** @type {Transaction} */ (transaction),
      /** @type {ObjectStore} */ (store),
      null,
    );
    this.#handle.object = this;
    const { keyPath } = this.#handle.store;
    this.#keyPath = Array.isArray(keyPath) ? [...keyPath] : keyPath;
  }

  get name() {
    return this.#handle.store.name;
  }

  set name(value) {
    const { transaction, store } = this.#handle;
    const name = toDOMString(value);
    assertStoreExists(store); // step 4
    assertUpgrade(transaction); // step 5
    assertActive(transaction); // step 6
    if (store.name === name) return; // step 7
    const { stores } = transaction.connection.schema;
    if (stores.has(name)) throw exception('ConstraintError', `There is an object store named '${name}' in database '${transaction.connection.name}'`); // step 8
    stores.delete(store.name);
    store.name = name; // step 9
    stores.set(name, store);
    executeSchemaChange(transaction, operations.renameStore(store));
  }

  get keyPath() {
    return this.#keyPath;
  }

  get indexNames() {
    return sortedNameList(this.#handle.store.indexes);
  }

  get transaction() {
    return this.#handle.transaction.object;
  }

  get autoIncrement() {
    return this.#handle.store.autoIncrement;
  }

  /**
   * @param {unknown} value
   * @param {unknown} [key]
   */
  put(value, key = undefined) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.put');
    return addOrPut(handle, value, key, false);
  }

  /**
   * @param {unknown} value
   * @param {unknown} [key]
   */
  add(value, key = undefined) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.add');
    return addOrPut(handle, value, key, true);
  }

  /** @param {unknown} query */
  delete(query) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.delete');
    assertStoreExists(handle.store);
    assertActive(handle.transaction);
    assertWritable(handle.transaction);
    const range = convertToRange(query, true);
    return source.request(handle, operations.deleteRecords(handle.store, range));
  }

  clear() {
    const handle = this.#handle;
    assertStoreExists(handle.store);
    assertActive(handle.transaction);
    assertWritable(handle.transaction);
    return source.request(handle, operations.clear(handle.store));
  }

  /** @param {unknown} query */
  get(query) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.get');
    return source.get(handle, query);
  }

  /** @param {unknown} query */
  getKey(query) {
    const handle = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.getKey');
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

  /** @param {string} name */
  index(name) {
    const { transaction, store } = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.index');
    const text = toDOMString(name);
    assertStoreExists(store);
    if (transaction.finished) throw exception('InvalidStateError', `The transaction of database '${transaction.connection.name}' is finished`);
    const index = store.indexes.get(text);
    if (index === undefined) throw exception('NotFoundError', `There is no index named '${text}' in object store '${store.name}'`);
    return this.#indexObject(index);
  }

  /**
   * @param {string} name
   * @param {string | string[]} keyPath
   * @param {unknown} [options]
   */
  createIndex(name, keyPath, options = undefined) {
    const { transaction, store } = this.#handle;
    requireArguments(arguments, 2, 'IDBObjectStore.createIndex');
    const text = toDOMString(name);
    const path = toStringOrSequence(keyPath);
    const { multiEntry, unique } = toIndexParameters(options);
    assertUpgrade(transaction); // step 3
    assertStoreExists(store); // step 4
    assertActive(transaction); // step 5
    if (store.indexes.has(text)) throw exception('ConstraintError', `There is an index named '${text}' in object store '${store.name}'`); // step 6
    assertKeyPath(path, multiEntry); // steps 7 to 10
    const index = new Index(store.nextIndexId, text, path, unique, multiEntry);
    store.nextIndexId += 1;
    store.indexes.set(text, index);
    executeSchemaChange(transaction, operations.createIndex(store, index));
    if (!store.isNew) executeSchemaChange(transaction, operations.buildIndex(store, index));
    return this.#indexObject(index);
  }

  /** @param {string} name */
  deleteIndex(name) {
    const { transaction, store } = this.#handle;
    requireArguments(arguments, 1, 'IDBObjectStore.deleteIndex');
    const text = toDOMString(name);
    assertUpgrade(transaction);
    assertStoreExists(store);
    assertActive(transaction);
    const index = store.indexes.get(text);
    if (index === undefined) throw exception('NotFoundError', `There is no index named '${text}' in object store '${store.name}'`);
    executeSchemaChange(transaction, operations.deleteIndex(store, index));
    store.indexes.delete(text);
    index.deleted = true;
  }

  /** @param {Index} index */
  #indexObject(index) {
    const existing = this.#indexes?.get(index);
    if (existing !== undefined) return existing;
    const object = new IDBIndex(INTERNAL, this, this.#handle, index);
    (this.#indexes ??= new Map()).set(index, object);
    return object;
  }
}

/** @param {unknown} value */
function toIndexParameters(value) {
  const { multiEntry, unique } = toDictionary(value, 'IDBIndexParameters');
  return { multiEntry: Boolean(multiEntry), unique: Boolean(unique) };
}

/**
 * @param {string | string[]} keyPath
 * @param {boolean} multiEntry
 */
function assertKeyPath(keyPath, multiEntry) {
  if (!isValidKeyPath(keyPath)) throw exception('SyntaxError', `The key path '${keyPath}' is not valid`);
  if (Array.isArray(keyPath) && multiEntry) {
    throw exception('InvalidAccessError', 'A multiEntry index cannot have an array as key path');
  }
}

/**
 * https://w3c.github.io/IndexedDB/#add-or-put
 * @param {source.SourceHandle} handle
 * @param {unknown} value
 * @param {unknown} key
 * @param {boolean} noOverwrite
 */
function addOrPut(handle, value, key, noOverwrite) {
  const { transaction, store } = handle;
  assertStoreExists(store); // step 3
  assertActive(transaction); // step 4
  assertWritable(transaction); // step 5
  const inline = store.keyPath !== null;
  if (inline && key !== undefined) throw exception('DataError', `The object store '${store.name}' uses in-line keys`); // step 6
  if (!inline && !store.autoIncrement && key === undefined) throw exception('DataError', `No key specified for object store '${store.name}'`); // step 7
  const encodedKey = key === undefined ? null : keyFromValue(key); // step 8
  const clone = cloneDuringTransaction(transaction, value, store.keyName); // step 10
  if (inline) checkInlineKey(clone, store); // step 11
  return putOperation(handle, clone, encodedKey, noOverwrite); // steps 12 and 13
}

defineInterface(IDBObjectStore, 'IDBObjectStore');

module.exports = { IDBObjectStore };

'use strict';

const { assertActive } = require('./internal/checks.js');
const { closeConnection, forceCloseConnection } = require('./internal/connection.js');
const { sortedNameList } = require('./internal/dom_string_list.js');
const { defineEventHandlers, defineEventTarget } = require('./internal/event_target.js');
const { exception } = require('../common/exceptions.js');
const { isValidKeyPath } = require('./internal/key_path.js');
const operations = require('./internal/operations.js');
const { executeSchemaChange } = require('./internal/request_queue.js');
const { ObjectStore } = require('./internal/schema.js');
const { Transaction, deactivateAfterMicrotasks } = require('./internal/transaction_lifecycle.js');
const {
  assertConstructible,
  defineInterface,
  requireArguments,
  toDictionary,
  toDOMString,
  toEnum,
  toStringOrSequence,
} = require('./internal/webidl.js');
const { createTransactionObject, objectStoreObject } = require('./transaction.js');

/** @typedef {import('./internal/connection.js').Connection} Connection */
/** @typedef {import('./internal/schema.js').KeyPath} KeyPath */

/** @type {readonly IDBTransactionMode[]} */
const MODES = ['readonly', 'readwrite', 'versionchange'];
/** @type {readonly IDBTransactionDurability[]} */
const DURABILITIES = ['default', 'strict', 'relaxed'];

/** @type {(object: IDBDatabase) => Connection} */
let stateOf;

/** https://w3c.github.io/IndexedDB/#idbdatabase */
class IDBDatabase extends EventTarget {
  static {
    stateOf = (object) => object.#state;
  }

  /** @type {Connection} */
  #state;

  /**
   * @param {symbol} [token]
   * @param {Connection} [state]
   */
  constructor(token = undefined, state = undefined) {
    assertConstructible(token);
    super();
    this.#state = /** @type {Connection} */ (state);
  }

  get name() {
    return this.#state.name;
  }

  get version() {
    return this.#state.version;
  }

  get objectStoreNames() {
    return sortedNameList(this.#state.schema.stores);
  }

  /**
   * @param {string | string[]} storeNames
   * @param {IDBTransactionMode} [mode]
   * @param {unknown} [options]
   */
  transaction(storeNames, mode = 'readonly', options = undefined) {
    const connection = this.#state;
    requireArguments(arguments, 1, 'IDBDatabase.transaction');
    const names = toStringOrSequence(storeNames);
    const transactionMode = toEnum(mode, MODES, 'mode');
    const durability = toDurability(options);
    assertOpen(connection); // steps 1 and 2
    const scope = toScope(connection, names); // steps 3 to 5
    if (transactionMode === 'versionchange') throw new TypeError('mode: expected readonly or readwrite'); // step 6
    const transaction = new Transaction(connection, transactionMode, durability, scope.stores, null); // step 7
    connection.world.begin(transaction, scope.ids);
    deactivateAfterMicrotasks(transaction); // step 8
    const object = createTransactionObject(transaction);
    transaction.object = object;
    return object;
  }

  close() {
    closeConnection(this.#state);
  }

  /**
   * @param {string} name
   * @param {unknown} [options]
   */
  createObjectStore(name, options = undefined) {
    const connection = this.#state;
    requireArguments(arguments, 1, 'IDBDatabase.createObjectStore');
    const text = toDOMString(name);
    const { autoIncrement, keyPath } = toObjectStoreParameters(options);
    const transaction = upgradeTransactionOf(connection); // steps 2 and 3
    assertKeyPath(keyPath); // step 5
    const { schema } = connection;
    if (schema.stores.has(text)) throw exception('ConstraintError', `There is an object store named '${text}' in database '${connection.name}'`); // step 6
    if (autoIncrement && (keyPath === '' || Array.isArray(keyPath))) {
      throw exception('InvalidAccessError', 'A key generator needs a key path that is one non-empty string'); // step 7
    }
    const store = new ObjectStore(schema.nextStoreId, text, keyPath, autoIncrement);
    store.isNew = true;
    schema.nextStoreId += 1;
    schema.stores.set(text, store);
    executeSchemaChange(transaction, operations.createStore(store));
    return objectStoreObject(transaction, store);
  }

  /** @param {string} name */
  deleteObjectStore(name) {
    const connection = this.#state;
    requireArguments(arguments, 1, 'IDBDatabase.deleteObjectStore');
    const text = toDOMString(name);
    const transaction = upgradeTransactionOf(connection);
    const { stores } = connection.schema;
    const store = stores.get(text);
    if (store === undefined) throw exception('NotFoundError', `There is no object store named '${text}' in database '${connection.name}'`);
    executeSchemaChange(transaction, operations.deleteStore(store));
    stores.delete(text);
    store.deleted = true;
    for (const index of store.indexes.values()) index.deleted = true;
    store.indexes = new Map();
  }
}

/** @param {Connection} connection */
function assertOpen({ name, upgradeTransaction, closePending }) {
  if (upgradeTransaction !== null) throw exception('InvalidStateError', `A version change transaction of database '${name}' is running`);
  if (closePending) throw exception('InvalidStateError', `The connection to database '${name}' is closed`);
}

/** @param {unknown} options IDBTransactionOptions */
function toDurability(options) {
  const { durability } = toDictionary(options, 'IDBTransactionOptions');
  return durability === undefined ? 'default' : toEnum(durability, DURABILITIES, 'durability');
}

/**
 * The same for each transaction over one object store: outside of version changes the schema of a connection stays as it is.
 * @param {Connection} connection
 * @param {string | string[]} names
 */
function toScope(connection, names) {
  if (typeof names !== 'string') return createScope(connection, names);
  const existing = connection.scopes.get(names);
  if (existing !== undefined) return existing;
  const scope = createScope(connection, [names]);
  connection.scopes.set(names, scope);
  return scope;
}

/**
 * @param {Connection} connection
 * @param {string[]} names
 * @returns {import('./internal/connection.js').Scope}
 */
function createScope({ name: databaseName, schema }, names) {
  /** @type {Map<string, ObjectStore>} */
  const scope = new Map();
  for (const name of names) {
    const store = schema.stores.get(name);
    if (store === undefined) throw exception('NotFoundError', `There is no object store named '${name}' in database '${databaseName}'`);
    scope.set(name, store);
  }
  if (scope.size === 0) throw exception('InvalidAccessError', 'No object store named');
  return { stores: scope, ids: Uint32Array.from(scope.values(), ({ id }) => id) };
}

/** @param {unknown} value */
function toObjectStoreParameters(value) {
  const options = toDictionary(value, 'IDBObjectStoreParameters');
  const autoIncrement = Boolean(options.autoIncrement);
  const { keyPath } = options;
  const path = keyPath === undefined || keyPath === null ? null : toStringOrSequence(keyPath);
  return { autoIncrement, keyPath: path };
}

/** @param {KeyPath} keyPath */
function assertKeyPath(keyPath) {
  if (keyPath !== null && !isValidKeyPath(keyPath)) throw exception('SyntaxError', `The key path '${keyPath}' is not valid`);
}

/** @param {Connection} connection */
function upgradeTransactionOf({ name, upgradeTransaction }) {
  if (upgradeTransaction === null) {
    throw exception('InvalidStateError', `No version change transaction of database '${name}' is running`);
  }
  assertActive(upgradeTransaction);
  return upgradeTransaction;
}

defineEventTarget(IDBDatabase, stateOf);
defineEventHandlers(IDBDatabase, stateOf, ['abort', 'close', 'error', 'versionchange']);
defineInterface(IDBDatabase, 'IDBDatabase');

/**
 * Closes a connection as if something outside had broken it: transactions are aborted and a close event is fired.
 * @param {IDBDatabase} db
 */
function forceCloseDatabase(db) {
  forceCloseConnection(stateOf(db));
}

module.exports = { IDBDatabase, forceCloseDatabase };

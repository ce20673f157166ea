'use strict';

const { sortedNameList } = require('./internal/dom_string_list.js');
const { defineEventHandlers, defineEventTarget } = require('./internal/event_target.js');
const { exception } = require('./internal/exceptions.js');
const { abortTransaction, commitTransaction } = require('./internal/transaction_lifecycle.js');
const {
  INTERNAL,
  assertConstructible,
  defineInterface,
  requireArguments,
  toDOMString,
} = require('./internal/webidl.js');
const { IDBObjectStore } = require('./object_store.js');

/** @typedef {import('./internal/transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {import('./internal/schema.js').ObjectStore} ObjectStore */

/** @type {(object: IDBTransaction) => Transaction} */
let stateOf;

/** https://w3c.github.io/IndexedDB/#idbtransaction */
class IDBTransaction extends EventTarget {
  static {
    stateOf = (object) => object.#state;
  }

  /** @type {Transaction} */
  #state;

  /**
   * @param {symbol} [token]
   * @param {Transaction} [state]
   */
  constructor(token = undefined, state = undefined) {
    assertConstructible(token);
    super();
    this.#state = /** @type {Transaction} */ (state);
  }

  get objectStoreNames() {
    return sortedNameList(scopeOf(this.#state).keys());
  }

  get mode() {
    return this.#state.mode;
  }

  get durability() {
    return this.#state.durability;
  }

  get db() {
    return this.#state.connection.object;
  }

  get error() {
    return this.#state.error;
  }

  /** @param {string} name */
  objectStore(name) {
    const state = this.#state;
    requireArguments(arguments, 1, 'IDBTransaction.objectStore');
    const text = toDOMString(name);
    const database = state.connection.name;
    if (state.finished) throw exception('InvalidStateError', `The transaction of database '${database}' is finished`);
    const store = scopeOf(state).get(text);
    if (store === undefined) throw exception('NotFoundError', `There is no object store named '${text}' in the scope of the transaction of database '${database}'`);
    return objectStoreObject(state, store);
  }

  commit() {
    const state = this.#state;
    if (state.state !== 'active') throw exception('InvalidStateError', 'The transaction is not active');
    commitTransaction(state);
  }

  abort() {
    const state = this.#state;
    if (state.state === 'committing' || state.finished) {
      throw exception('InvalidStateError', 'The transaction is finished or committing');
    }
    abortTransaction(state, null);
  }
}

/** @param {Transaction} transaction */
function scopeOf({ scope, connection }) {
  return scope ?? connection.schema.stores;
}

/**
 * The handle of a store in a transaction: the same object at each call.
 * @param {Transaction} transaction
 * @param {ObjectStore} store
 */
function objectStoreObject(transaction, store) {
  let object = transaction.handles.get(store);
  if (object === undefined) {
    object = new IDBObjectStore(INTERNAL, transaction, store);
    transaction.handles.set(store, object);
  }
  return object;
}

defineEventTarget(IDBTransaction, stateOf);
defineEventHandlers(IDBTransaction, stateOf, ['abort', 'complete', 'error']);
defineInterface(IDBTransaction, 'IDBTransaction');

module.exports = { IDBTransaction, objectStoreObject };

'use strict';

const { sortedNameList } = require('./internal/dom_string_list.js');
const { defineEventHandlers, defineEventTarget } = require('./internal/event_target.js');
const { exception } = require('../common/exceptions.js');
const { abortTransaction, commitTransaction } = require('./internal/transaction_lifecycle.js');
const { Slotted } = require('./internal/slot.js');
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

class TransactionSlot extends Slotted {
  /** @type {Transaction} */
  #state;

  /**
   * @param {object} object
   * @param {Transaction} state
   */
  constructor(object, state) {
    super(object);
    this.#state = state;
  }

  /** @param {any} object other objects throw TypeError */
  static stateOf(object) {
    return /** @type {TransactionSlot} */ (object).#state;
  }
}

const { stateOf } = TransactionSlot;

/** https://w3c.github.io/IndexedDB/#idbtransaction */
class IDBTransaction extends EventTarget {
  constructor() {
    assertConstructible(undefined);
    super();
  }

  get objectStoreNames() {
    return sortedNameList(scopeOf(stateOf(this)));
  }

  get mode() {
    return stateOf(this).mode;
  }

  get durability() {
    return stateOf(this).durability;
  }

  get db() {
    return stateOf(this).connection.object;
  }

  get error() {
    return stateOf(this).error;
  }

  /** @param {string} name */
  objectStore(name) {
    const state = stateOf(this);
    requireArguments(arguments, 1, 'IDBTransaction.objectStore');
    const text = toDOMString(name);
    const database = state.connection.name;
    if (state.finished) throw exception('InvalidStateError', `The transaction of database '${database}' is finished`);
    const store = scopeOf(state).get(text);
    if (store === undefined) throw exception('NotFoundError', `There is no object store named '${text}' in the scope of the transaction of database '${database}'`);
    return objectStoreObject(state, store);
  }

  commit() {
    const state = stateOf(this);
    if (state.state !== 'active') throw exception('InvalidStateError', 'The transaction is not active');
    commitTransaction(state);
  }

  abort() {
    const state = stateOf(this);
    if (state.state === 'committing' || state.finished) {
      throw exception('InvalidStateError', 'The transaction is finished or committing');
    }
    abortTransaction(state, null);
  }
}

/**
 * What scripts see of a transaction.
 * @param {Transaction} state
 * @returns {IDBTransaction}
 */
function createTransactionObject(state) {
  const object = Object.create(IDBTransaction.prototype);
  new TransactionSlot(object, state);
  return object;
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
  if (transaction.firstStore === store) return /** @type {IDBObjectStore} */ (transaction.firstHandle);
  const existing = transaction.handles?.get(store);
  if (existing !== undefined) return existing;
  const object = new IDBObjectStore(INTERNAL, transaction, store);
  keepHandle(transaction, store, object);
  return object;
}

/**
 * @param {Transaction} transaction
 * @param {ObjectStore} store
 * @param {IDBObjectStore} object
 */
function keepHandle(transaction, store, object) {
  if (transaction.firstStore === null) {
    transaction.firstStore = store;
    transaction.firstHandle = object;
  } else {
    (transaction.handles ??= new Map()).set(store, object);
  }
}

defineEventTarget(IDBTransaction, stateOf);
defineEventHandlers(IDBTransaction, stateOf, ['abort', 'complete', 'error']);
defineInterface(IDBTransaction, 'IDBTransaction');

module.exports = { IDBTransaction, createTransactionObject, objectStoreObject };

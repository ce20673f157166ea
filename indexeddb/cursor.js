'use strict';

const { assertActive, assertWritable } = require('./internal/checks.js');
const { cloneDuringTransaction, extractKeyFrom, putOperation } = require('./internal/store_record.js');
const { exception } = require('../common/exceptions.js');
const { assertGotValue, iterateAgain } = require('./internal/iterate.js');
const { compareKeys, keyFromValue } = require('./internal/keys.js');
const operations = require('./internal/operations.js');
const { only } = require('./internal/range.js');
const { assertExists, request, SourceHandle } = require('./internal/source.js');
const {
  assertConstructible,
  defineInterface,
  requireArguments,
  toUnsignedLong,
} = require('./internal/webidl.js');

/** @typedef {import('./internal/iterate.js').Cursor} Cursor */

/** https://w3c.github.io/IndexedDB/#idbcursor */
class IDBCursor {
  /** @type {Cursor} */
  #cursor;

  /**
   * @param {symbol} [token]
   * @param {Cursor} [cursor]
   */
  constructor(token = undefined, cursor = undefined) {
    assertConstructible(token);
    this.#cursor = /** @type {Cursor} */ (cursor);
  }

  get source() {
    return this.#cursor.source.object;
  }

  get direction() {
    return this.#cursor.direction;
  }

  get key() {
    return this.#cursor.key;
  }

  get primaryKey() {
    return this.#cursor.primaryKey;
  }

  get request() {
    return this.#cursor.request?.object;
  }

  /** @param {number} count */
  advance(count) {
    const cursor = this.#cursor;
    requireArguments(arguments, 1, 'IDBCursor.advance');
    const steps = toUnsignedLong(count, 'count');
    if (steps === 0) throw new TypeError('count: expected at least 1');
    assertActive(cursor.source.transaction);
    assertExists(cursor.source);
    assertGotValue(cursor);
    iterateAgain(cursor, null, null, steps);
  }

  /** @param {unknown} [key] */
  continue(key = undefined) {
    const cursor = this.#cursor;
    assertActive(cursor.source.transaction);
    assertExists(cursor.source);
    assertGotValue(cursor);
    if (key === undefined) {
      iterateAgain(cursor, null, null, 1);
      return;
    }
    const target = keyFromValue(key);
    const order = compareKeys(target, /** @type {Uint8Array} */ (cursor.position));
    if (cursor.forward ? order <= 0 : order >= 0) {
      throw exception('DataError', "The key is not beyond the cursor's position in its direction");
    }
    iterateAgain(cursor, target, null, 1);
  }

  /**
   * @param {unknown} key
   * @param {unknown} primaryKey
   */
  continuePrimaryKey(key, primaryKey) {
    const cursor = this.#cursor;
    requireArguments(arguments, 2, 'IDBCursor.continuePrimaryKey');
    assertActive(cursor.source.transaction);
    assertExists(cursor.source);
    assertPrimaryKeyDirection(cursor);
    assertGotValue(cursor);
    const targetKey = keyFromValue(key);
    const targetPrimaryKey = keyFromValue(primaryKey);
    assertBeyond(cursor, targetKey, targetPrimaryKey);
    iterateAgain(cursor, targetKey, targetPrimaryKey, 1);
  }

  /** @param {unknown} value */
  update(value) {
    const cursor = this.#cursor;
    requireArguments(arguments, 1, 'IDBCursor.update');
    assertCanModify(cursor);
    const { transaction, store } = cursor.source;
    const clone = cloneDuringTransaction(transaction, value, null);
    const key = /** @type {Uint8Array} */ (cursor.objectStorePosition);
    if (store.keyPath !== null) {
      const extracted = extractKeyFrom(clone.bytes, store);
      if (extracted === null || compareKeys(extracted, key) !== 0) {
        throw exception('DataError', "The value's key is not the cursor's");
      }
    }
    return putOperation(sourceOf(this, cursor), clone, key, false);
  }

  delete() {
    const cursor = this.#cursor;
    assertCanModify(cursor);
    const range = only(/** @type {Uint8Array} */ (cursor.objectStorePosition));
    return request(sourceOf(this, cursor), operations.deleteRecords(cursor.source.store, range));
  }
}

/**
 * The effective object store, for requests whose source is the cursor.
 * @param {IDBCursor} object
 * @param {Cursor} cursor
 */
function sourceOf(object, { source }) {
  const handle = new SourceHandle(source.transaction, source.store, null);
  handle.object = object;
  return handle;
}

/** @param {Cursor} cursor */
function assertPrimaryKeyDirection({ source, direction }) {
  if (source.index === null) throw exception('InvalidAccessError', "The cursor's source is not an index");
  if (direction !== 'next' && direction !== 'prev') {
    throw exception('InvalidAccessError', "The cursor's direction is not next or prev");
  }
}

/**
 * continuePrimaryKey, steps 12 to 15
 * @param {Cursor} cursor
 * @param {Uint8Array} key
 * @param {Uint8Array} primaryKey
 */
function assertBeyond(cursor, key, primaryKey) {
  const sign = cursor.forward ? 1 : -1;
  const order = compareKeys(key, /** @type {Uint8Array} */ (cursor.position)) * sign;
  const primaryOrder = compareKeys(primaryKey, /** @type {Uint8Array} */ (cursor.objectStorePosition)) * sign;
  if (order < 0 || (order === 0 && primaryOrder <= 0)) {
    throw exception('DataError', "The keys are not beyond the cursor's position in its direction");
  }
}

/**
 * What update() and delete() check first.
 * @param {Cursor} cursor
 */
function assertCanModify(cursor) {
  const { source } = cursor;
  assertActive(source.transaction);
  assertWritable(source.transaction);
  assertExists(source);
  assertGotValue(cursor);
  if (cursor.keyOnly) throw exception('InvalidStateError', 'The cursor has keys only');
}

defineInterface(IDBCursor, 'IDBCursor');

module.exports = { IDBCursor };

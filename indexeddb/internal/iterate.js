'use strict';

// Cursors: https://w3c.github.io/IndexedDB/#cursor-construct. The native side keeps nothing of a cursor: each step names the
// position it starts from, so that a step sees every write before it.

const { assertActive } = require('./checks.js');
const { exception } = require('../../common/exceptions.js');
const operations = require('./operations.js');
const { ReadAhead } = require('./read_ahead.js');
const { answerRequest, executeRequest } = require('./request_queue.js');
const trace = require('./trace.js');

/** @typedef {import('./request_queue.js').Request} Request */
/** @typedef {import('./response.js').Response} Response */

/** Bytes that a cursor may keep beside the keys of its record. */
const KEPT_BYTES_MAX = 64 * 1024;

class Cursor {
  source;
  range;
  direction;
  keyOnly;
  ahead;
  /** What scripts see. @type {import('../cursor.js').IDBCursor | null} */
  object = null;
  /** @type {Request | null} */
  request = null;
  /** What has the keys of the current record. @type {Response | null} */
  #record = null;
  #keyPlace = 0;
  #primaryKeyPlace = 0;
  gotValue = false;
  /** @type {any} */
  key = undefined;
  /** @type {any} */
  primaryKey = undefined;
  /** @type {any} */
  value = undefined;
  /** The end of each step. */
  read = (/** @type {Response} */ response) => readIteration(this, response);

  /**
   * @param {import('./source.js').SourceHandle} source
   * @param {import('./range.js').Range} range
   * @param {IDBCursorDirection} direction
   * @param {boolean} keyOnly
   */
  constructor(source, range, direction, keyOnly) {
    this.source = source;
    this.range = range;
    this.direction = direction;
    this.keyOnly = keyOnly;
    this.ahead = new ReadAhead(source.transaction.writes);
  }

  /** Encoded key of the current record. */
  get position() {
    return this.#record === null ? null : this.#record.bytesAt(this.#keyPlace);
  }

  /** Encoded primary key of the current record. */
  get objectStorePosition() {
    return this.#record === null ? null : this.#record.bytesAt(this.#primaryKeyPlace);
  }

  /**
   * @param {Response} record
   * @param {number} keyPlace
   * @param {number} primaryKeyPlace
   */
  stand(record, keyPlace, primaryKeyPlace) {
    this.#record = record;
    this.#keyPlace = keyPlace;
    this.#primaryKeyPlace = primaryKeyPlace;
  }

  get forward() {
    return this.direction === 'next' || this.direction === 'nextunique';
  }
}

/**
 * Moves the cursor, with the request it has always had: https://w3c.github.io/IndexedDB/#iterate-a-cursor
 * @param {Cursor} cursor
 * @param {Uint8Array | null} key
 * @param {Uint8Array | null} primaryKey
 * @param {number} count
 */
function iterateAgain(cursor, key, primaryKey, count) {
  const request = /** @type {Request} */ (cursor.request);
  const { transaction } = cursor.source;
  // A getter of the key may have ended it, or moved the cursor.
  assertActive(transaction);
  assertGotValue(cursor);
  cursor.gotValue = false;
  request.reset();
  const known = cursor.ahead.take(transaction.writes);
  // Durations are told of what is sent, each step by itself.
  const isPlain = key === null && count === 1 && !trace.requests.hasSubscribers;
  if (isPlain && known !== null) {
    answerRequest(transaction, request, known, cursor.read);
    return;
  }
  const packed = operations.iterate(cursor, key, primaryKey, count, isPlain ? cursor.ahead.grow() : 0);
  executeRequest(transaction, request, packed, cursor.read);
}

/** @param {Cursor} cursor */
function assertGotValue(cursor) {
  if (!cursor.gotValue) throw exception('InvalidStateError', 'The cursor is being iterated or past its end');
}

/**
 * The end of "iterate a cursor": the cursor at its new record, or null.
 * @param {Cursor} cursor
 * @param {Response} response
 */
function readIteration(cursor, response) {
  if (response.u8() === 0) {
    cursor.key = undefined;
    cursor.primaryKey = undefined;
    cursor.value = undefined;
    return null;
  }
  const { source } = cursor;
  const records = response.rest();
  const keyPlace = records.place();
  const primaryKeyPlace = records.place();
  const primaryKey = records.keyAt(primaryKeyPlace);
  // Each attribute is an object of its own, if it is one.
  const isSame = source.index === null && typeof primaryKey !== 'object';
  const key = isSame ? primaryKey : records.keyAt(keyPlace);
  const value = cursor.keyOnly ? undefined : records.value(source.store.keyPath, primaryKey);
  // A large value that is decoded is not kept once more for as long as the cursor.
  const kept = records.isEmpty && records.length > KEPT_BYTES_MAX ? records.keysUpTo(primaryKeyPlace) : records;
  cursor.stand(kept, keyPlace, primaryKeyPlace);
  cursor.key = key;
  cursor.primaryKey = primaryKey;
  cursor.value = value;
  cursor.gotValue = true;
  if (!records.isEmpty) cursor.ahead.keep(records);
  return cursor.object;
}

module.exports = { Cursor, assertGotValue, iterateAgain };

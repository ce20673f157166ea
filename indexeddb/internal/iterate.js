'use strict';

// Cursors: https://w3c.github.io/IndexedDB/#cursor-construct. The native side keeps nothing of a cursor: each step names the
// position it starts from, so that a step sees every write before it.

const operations = require('./operations.js');
const { executeRequest } = require('./request_queue.js');
const { decodeKey } = require('./keys.js');

/** @typedef {import('./request_queue.js').Request} Request */
/** @typedef {import('./response.js').Response} Response */

class Cursor {
  source;
  range;
  direction;
  keyOnly;
  /** What scripts see. @type {import('../cursor.js').IDBCursor | null} */
  object = null;
  /** @type {Request | null} */
  request = null;
  /** Encoded key of the current record. @type {Uint8Array | null} */
  position = null;
  /** Encoded primary key of the current record. @type {Uint8Array | null} */
  objectStorePosition = null;
  gotValue = false;
  /** @type {any} */
  key = undefined;
  /** @type {any} */
  primaryKey = undefined;
  /** @type {any} */
  value = undefined;

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
  cursor.gotValue = false;
  request.reset();
  const packed = operations.iterate(cursor, key, primaryKey, count);
  executeRequest(cursor.source.transaction, request, packed, (response) => readIteration(cursor, response));
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
  const position = response.bytes();
  const objectStorePosition = response.bytes();
  const primaryKey = decodeKey(objectStorePosition);
  const value = cursor.keyOnly ? undefined : response.value(cursor.source.store.keyPath, primaryKey);
  cursor.position = position;
  cursor.objectStorePosition = objectStorePosition;
  cursor.key = decodeKey(position);
  cursor.primaryKey = primaryKey;
  cursor.value = value;
  cursor.gotValue = true;
  return cursor.object;
}

module.exports = { Cursor, iterateAgain, readIteration };

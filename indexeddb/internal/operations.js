'use strict';

// The requests that cross to the native side, as bytes; little-endian, "bytes" is a u32 length and the bytes.

/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('./schema.js').Index} Index */
/** @typedef {import('./range.js').Range} Range */
/** @typedef {{ store: ObjectStore, index: Index | null }} Source */

const OPERATION = Object.freeze({
  put: 1,
  get: 2,
  getAll: 3,
  count: 4,
  delete: 5,
  clear: 6,
  iterate: 7,
  createStore: 8,
  deleteStore: 9,
  renameStore: 10,
  createIndex: 11,
  deleteIndex: 12,
  renameIndex: 13,
  buildIndex: 14,
  resume: 15,
});

const RANGE = Object.freeze({ lower: 1, lowerOpen: 2, upper: 4, upperOpen: 8 });
const PUT = Object.freeze({ noOverwrite: 1, keyGiven: 2 });
const ITERATE_KEY = 1;
const ITERATE_PRIMARY_KEY = 2;
const ITERATE_POSITION = 4;
const INDEX_UNIQUE = 1;
const INDEX_MULTI_ENTRY = 2;

/** What getAll returns of each record. */
const PART = Object.freeze({ key: 1, primaryKey: 2, value: 4 });

/** @type {readonly IDBCursorDirection[]} in the order of their numbers */
const DIRECTIONS = Object.freeze(['next', 'nextunique', 'prev', 'prevunique']);

const BUFFER_SIZE_MIN = 1024;
let buffer = Buffer.allocUnsafe(BUFFER_SIZE_MIN);
let length = 0;

/** @param {number} size */
function reserve(size) {
  if (length + size <= buffer.length) return;
  const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + size));
  buffer.copy(larger, 0, 0, length);
  buffer = larger;
}

/** @param {number} operation */
function begin(operation) {
  length = 0;
  u8(operation);
}

/** The finished request, in memory of its own. Nothing between begin and end may run code of the user. */
function end() {
  const bytes = Buffer.from(buffer.subarray(0, length));
  if (buffer.length > 65536) buffer = Buffer.allocUnsafe(BUFFER_SIZE_MIN);
  return bytes;
}

/** @param {number} value */
function u8(value) {
  reserve(1);
  buffer[length] = value;
  length += 1;
}

/** @param {number} value */
function u32(value) {
  reserve(4);
  buffer.writeUInt32LE(value, length);
  length += 4;
}

/** @param {Uint8Array} value */
function raw(value) {
  reserve(value.length);
  buffer.set(value, length);
  length += value.length;
}

/** @param {Uint8Array} value */
function bytes(value) {
  u32(value.length);
  raw(value);
}

/** @param {string} value */
function name(value) {
  u32(value.length);
  reserve(value.length * 2);
  length += buffer.write(value, length, 'utf16le');
}

/** @param {Source} source */
function putSource({ store, index }) {
  u32(store.id);
  u32(index === null ? 0 : index.id);
}

/** @param {Range} range */
function putRange({ lower, upper, lowerOpen, upperOpen }) {
  u8(
    (lower === null ? 0 : RANGE.lower) |
      (lowerOpen ? RANGE.lowerOpen : 0) |
      (upper === null ? 0 : RANGE.upper) |
      (upperOpen ? RANGE.upperOpen : 0),
  );
  if (lower !== null) bytes(lower);
  if (upper !== null) bytes(upper);
}

/**
 * @param {ObjectStore} store
 * @param {Uint8Array} value
 * @param {Uint8Array | null} key
 * @param {boolean} noOverwrite
 * @returns {{ bytes: Buffer, valueOffset: number }}
 */
function put(store, value, key, noOverwrite) {
  const header = 6 + (key === null ? 0 : 4 + key.length);
  const request = Buffer.allocUnsafe(header + value.length);
  request[0] = OPERATION.put;
  request.writeUInt32LE(store.id, 1);
  request[5] = (noOverwrite ? PUT.noOverwrite : 0) | (key === null ? 0 : PUT.keyGiven);
  if (key !== null) {
    request.writeUInt32LE(key.length, 6);
    request.set(key, 10);
  }
  request.set(value, header);
  return { bytes: request, valueOffset: header };
}

/**
 * @param {Source} source
 * @param {Range} range
 * @param {boolean} keyOnly
 */
function get(source, range, keyOnly) {
  begin(OPERATION.get);
  putSource(source);
  putRange(range);
  u8(keyOnly ? 1 : 0);
  return end();
}

/**
 * @param {Source} source
 * @param {Range} range
 * @param {IDBCursorDirection} direction
 * @param {number} limit 0 for all
 * @param {number} parts of PART
 */
function getAll(source, range, direction, limit, parts) {
  begin(OPERATION.getAll);
  putSource(source);
  putRange(range);
  u8(DIRECTIONS.indexOf(direction));
  u32(limit);
  u8(parts);
  return end();
}

/**
 * @param {Source} source
 * @param {Range} range
 */
function count(source, range) {
  begin(OPERATION.count);
  putSource(source);
  putRange(range);
  return end();
}

/**
 * @param {ObjectStore} store
 * @param {Range} range
 */
function deleteRecords(store, range) {
  begin(OPERATION.delete);
  u32(store.id);
  putRange(range);
  return end();
}

/** @param {ObjectStore} store */
function clear(store) {
  begin(OPERATION.clear);
  u32(store.id);
  return end();
}

/**
 * @typedef {{
 *   source: Source, range: Range, direction: IDBCursorDirection, keyOnly: boolean,
 *   position: Uint8Array | null, objectStorePosition: Uint8Array | null,
 * }} Iteration
 *
 * @param {Iteration} iteration
 * @param {Uint8Array | null} key
 * @param {Uint8Array | null} primaryKey
 * @param {number} steps
 */
function iterate({ source, range, direction, keyOnly, position, objectStorePosition }, key, primaryKey, steps) {
  begin(OPERATION.iterate);
  putSource(source);
  putRange(range);
  u8(DIRECTIONS.indexOf(direction));
  u8(keyOnly ? 1 : 0);
  const positioned = position !== null && objectStorePosition !== null;
  u8(
    (key === null ? 0 : ITERATE_KEY) |
      (primaryKey === null ? 0 : ITERATE_PRIMARY_KEY) |
      (positioned ? ITERATE_POSITION : 0),
  );
  if (key !== null) bytes(key);
  if (primaryKey !== null) bytes(primaryKey);
  if (positioned) {
    bytes(position);
    bytes(objectStorePosition);
  }
  u32(steps);
  return end();
}

/** @param {ObjectStore} store */
function createStore(store) {
  begin(OPERATION.createStore);
  u32(store.id);
  u8(store.autoIncrement ? 1 : 0);
  name(store.name);
  raw(store.keyPathBytes);
  return end();
}

/** @param {ObjectStore} store */
function deleteStore(store) {
  begin(OPERATION.deleteStore);
  u32(store.id);
  return end();
}

/** @param {ObjectStore} store */
function renameStore(store) {
  begin(OPERATION.renameStore);
  u32(store.id);
  name(store.name);
  return end();
}

/**
 * @param {ObjectStore} store
 * @param {Index} index
 * @param {Uint8Array} keyPath
 */
function createIndex(store, index, keyPath) {
  begin(OPERATION.createIndex);
  u32(store.id);
  u32(index.id);
  u8((index.unique ? INDEX_UNIQUE : 0) | (index.multiEntry ? INDEX_MULTI_ENTRY : 0));
  name(index.name);
  raw(keyPath);
  return end();
}

/**
 * @param {ObjectStore} store
 * @param {Index} index
 */
function deleteIndex(store, index) {
  begin(OPERATION.deleteIndex);
  u32(store.id);
  u32(index.id);
  return end();
}

/**
 * @param {ObjectStore} store
 * @param {Index} index
 */
function renameIndex(store, index) {
  begin(OPERATION.renameIndex);
  u32(store.id);
  u32(index.id);
  name(index.name);
  return end();
}

/**
 * @param {ObjectStore} store
 * @param {Index} index
 */
function buildIndex(store, index) {
  begin(OPERATION.buildIndex);
  u32(store.id);
  u32(index.id);
  return end();
}

/**
 * An operation of which a portion is done.
 * @param {Uint8Array} operation
 * @param {Uint8Array} place where to go on, from the response
 */
function resume(operation, place) {
  begin(OPERATION.resume);
  bytes(place);
  raw(operation);
  return end();
}

module.exports = {
  DIRECTIONS,
  OPERATION,
  PART,
  PUT,
  RANGE,
  put,
  get,
  getAll,
  count,
  deleteRecords,
  clear,
  iterate,
  createStore,
  deleteStore,
  renameStore,
  createIndex,
  deleteIndex,
  renameIndex,
  buildIndex,
  resume,
};

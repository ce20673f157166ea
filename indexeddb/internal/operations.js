'use strict';

// The requests that cross to the native side, as bytes; little-endian, "bytes" is a u32 length and the bytes.

const { KEY_PATH } = require('./key_path.js');

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
const ITERATE_AHEAD = 8;
const INDEX_UNIQUE = 1;
const INDEX_MULTI_ENTRY = 2;

/** What getAll returns of each record. */
const PART = Object.freeze({ key: 1, primaryKey: 2, value: 4 });

/** @type {readonly IDBCursorDirection[]} in the order of their numbers */
const DIRECTIONS = Object.freeze(['next', 'nextunique', 'prev', 'prevunique']);

/** Requests are packed one behind the other, so that those of a transaction that lie together can cross together. */
const CHUNK_BYTES = 64 << 10;
/** Up to this many bytes a loop is faster than a call. */
const LOOP_MAX = 32;
/** In front of each request. */
const LENGTH_BYTES = 4;
let buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
/** Where the request being written starts. */
let start = 0;
/** Where it ends so far, or the last one. */
let length = 0;

/** A finished request. */
class Packed {
  chunk;
  start;
  end;

  /**
   * @param {Buffer} chunk never written again where it holds a request, but for the bytes of Blobs
   * @param {number} from
   * @param {number} to
   */
  constructor(chunk, from, to) {
    this.chunk = chunk;
    this.start = from;
    this.end = to;
  }

  /** True if it may change what others read. */
  get writes() {
    const operation = this.chunk[this.start];
    return operation === OPERATION.put || operation === OPERATION.delete || operation === OPERATION.clear || operation >= OPERATION.createStore;
  }

  /** With its length in front of it, as it crosses. */
  get framedStart() {
    return this.start - LENGTH_BYTES;
  }

  get bytes() {
    return this.chunk.subarray(this.start, this.end);
  }

  /**
   * True if the other request lies behind this one.
   * @param {Packed} other
   */
  isFollowedBy(other) {
    return this.chunk === other.chunk && this.end === other.start - LENGTH_BYTES;
  }
}

/** @param {number} size */
function reserve(size) {
  if (length + size <= buffer.length) return;
  const written = length - start;
  const needed = LENGTH_BYTES + written + size;
  const larger = Buffer.allocUnsafeSlow(needed <= CHUNK_BYTES / 2 ? CHUNK_BYTES : needed + CHUNK_BYTES);
  buffer.copy(larger, LENGTH_BYTES, start, length);
  buffer = larger;
  start = LENGTH_BYTES;
  length = start + written;
}

/** @param {number} operation */
function begin(operation) {
  if (length + LENGTH_BYTES >= buffer.length) newChunk();
  start = length + LENGTH_BYTES;
  length = start;
  u8(operation);
}

/** The finished request. Nothing between begin and end may run code of the user. */
function end() {
  buffer.writeUInt32LE(length - start, start - LENGTH_BYTES);
  const packed = new Packed(buffer, start, length);
  // What is left of a chunk made for a large request would keep all of it in memory.
  if (buffer.length > CHUNK_BYTES) newChunk();
  return packed;
}

function newChunk() {
  buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  length = 0;
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
  buffer[length] = value;
  buffer[length + 1] = value >>> 8;
  buffer[length + 2] = value >>> 16;
  buffer[length + 3] = value >>> 24;
  length += 4;
}

/** @param {Uint8Array} value */
function raw(value) {
  const count = value.length;
  reserve(count);
  if (count > LOOP_MAX) buffer.set(value, length);
  else for (let i = 0; i < count; i += 1) buffer[length + i] = value[i];
  length += count;
}

/** @param {Uint8Array} value */
function bytes(value) {
  u32(value.length);
  raw(value);
}

/** @param {string} value */
function name(value) {
  const count = value.length;
  u32(count);
  reserve(count * 2);
  if (count > LOOP_MAX) {
    length += buffer.write(value, length, 'utf16le');
    return;
  }
  for (let i = 0; i < count; i += 1) {
    const unit = value.charCodeAt(i);
    buffer[length] = unit;
    buffer[length + 1] = unit >>> 8;
    length += 2;
  }
}

/**
 * The bytes of docs/format.md section 7.2, as encodeKeyPath makes them.
 * @param {import('./schema.js').KeyPath} keyPath
 */
function putKeyPath(keyPath) {
  if (keyPath === null) {
    u8(KEY_PATH.none);
  } else if (typeof keyPath === 'string') {
    u8(KEY_PATH.string);
    name(keyPath);
  } else {
    u8(KEY_PATH.array);
    u32(keyPath.length);
    for (const part of keyPath) name(part);
  }
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
 * @returns {Packed} with the value at its end
 */
function put(store, value, key, noOverwrite) {
  begin(OPERATION.put);
  u32(store.id);
  u8((noOverwrite ? PUT.noOverwrite : 0) | (key === null ? 0 : PUT.keyGiven));
  if (key !== null) bytes(key);
  raw(value);
  return end();
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
 * @param {number} ahead how many records to bring besides
 */
function iterate({ source, range, direction, keyOnly, position, objectStorePosition }, key, primaryKey, steps, ahead) {
  begin(OPERATION.iterate);
  putSource(source);
  putRange(range);
  u8(DIRECTIONS.indexOf(direction));
  u8(keyOnly ? 1 : 0);
  const positioned = position !== null && objectStorePosition !== null;
  u8(
    (key === null ? 0 : ITERATE_KEY) |
      (primaryKey === null ? 0 : ITERATE_PRIMARY_KEY) |
      (positioned ? ITERATE_POSITION : 0) |
      (ahead > 0 ? ITERATE_AHEAD : 0),
  );
  if (key !== null) bytes(key);
  if (primaryKey !== null) bytes(primaryKey);
  if (positioned) {
    bytes(position);
    bytes(objectStorePosition);
  }
  u32(steps);
  if (ahead > 0) u32(ahead);
  return end();
}

/** @param {ObjectStore} store */
function createStore(store) {
  begin(OPERATION.createStore);
  u32(store.id);
  u8(store.autoIncrement ? 1 : 0);
  name(store.name);
  putKeyPath(store.keyPath);
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
 */
function createIndex(store, index) {
  begin(OPERATION.createIndex);
  u32(store.id);
  u32(index.id);
  u8((index.unique ? INDEX_UNIQUE : 0) | (index.multiEntry ? INDEX_MULTI_ENTRY : 0));
  name(index.name);
  putKeyPath(index.keyPath);
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
  Packed,
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

'use strict';

// What object stores and indexes have in common: queries over a source.
// https://w3c.github.io/IndexedDB/#object-store-interface, https://w3c.github.io/IndexedDB/#index-interface

const { IDBRecord } = require('../record.js');
const { createRequestObject } = require('../request.js');
const { assertActive, assertIndexExists, assertStoreExists } = require('./checks.js');
const operations = require('./operations.js');
const { convertToRange, isPotentiallyValidKeyRange } = require('./range.js');
const { Request, executeRequest } = require('./request_queue.js');
const { append } = require('../../common/intrinsics.js');
const { INTERNAL, toDictionary, toEnum, toUnsignedLong } = require('./webidl.js');

/** @typedef {import('./request_queue.js').Read} Read */
/** @typedef {import('./response.js').Response} Response */
/** @typedef {'key' | 'value' | 'record'} Kind what a request to retrieve multiple items asks for */

const { DIRECTIONS, PART } = operations;

/** A handle (https://w3c.github.io/IndexedDB/#object-store-handle-construct): a store or an index, seen from a transaction. */
class SourceHandle {
  transaction;
  store;
  index;
  /** What scripts see. @type {object | null} */
  object = null;
  /** Reads the answer to get(): one for all of them, since very many may wait at once. @type {Read | null} */
  #readRecord = null;

  /**
   * @param {import('./transaction_lifecycle.js').Transaction} transaction
   * @param {import('./schema.js').ObjectStore} store
   * @param {import('./schema.js').Index | null} index
   */
  constructor(transaction, store, index) {
    this.transaction = transaction;
    this.store = store;
    this.index = index;
  }

  get readRecord() {
    return (this.#readRecord ??= recordReader(this.store.keyPath));
  }
}

/**
 * @param {import('./schema.js').KeyPath} keyPath of the object store
 * @returns {Read}
 */
function recordReader(keyPath) {
  return (response) => (response.u8() === 0 ? undefined : response.record(keyPath));
}

/** @type {Read} */
const readKey = (response) => (response.u8() === 0 ? undefined : response.key());

/** @type {Read} */
const readCount = (response) => response.u64();

/** @param {SourceHandle} handle */
function assertExists({ store, index }) {
  assertStoreExists(store);
  if (index !== null) assertIndexExists(index);
}

/**
 * A request whose source is the handle, at the end of the transaction's queue.
 * @param {SourceHandle} handle
 * @param {import('./operations.js').Packed} packed
 * @param {Read} [read]
 */
function request(handle, packed, read) {
  return objectOf(createRequest(handle, packed, read));
}

/**
 * Arguments have been converted: a getter of theirs may have ended the transaction, or deleted the store.
 * @param {SourceHandle} handle
 * @param {import('./operations.js').Packed} packed
 * @param {Read} [read]
 */
function createRequest(handle, packed, read) {
  const { object, transaction } = handle;
  assertExists(handle);
  assertActive(transaction);
  const state = new Request(object, transaction);
  state.object = createRequestObject(state);
  return executeRequest(transaction, state, packed, read);
}

/**
 * What scripts see of the request.
 * @param {import('./request_queue.js').Operation} operation
 */
function objectOf({ request: state }) {
  return /** @type {IDBRequest} */ (/** @type {Request} */ (state).object);
}

/**
 * @param {SourceHandle} handle
 * @param {unknown} query
 */
function get(handle, query) {
  assertExists(handle);
  assertActive(handle.transaction);
  const range = convertToRange(query, true);
  return request(handle, operations.get(handle, range, false), handle.readRecord);
}

/**
 * @param {SourceHandle} handle
 * @param {unknown} query
 */
function getKey(handle, query) {
  assertExists(handle);
  assertActive(handle.transaction);
  const range = convertToRange(query, true);
  return request(handle, operations.get(handle, range, true), readKey);
}

/**
 * @param {SourceHandle} handle
 * @param {unknown} query
 */
function count(handle, query) {
  assertExists(handle);
  assertActive(handle.transaction);
  const range = convertToRange(query, false);
  return request(handle, operations.count(handle, range), readCount);
}

/**
 * https://w3c.github.io/IndexedDB/#create-a-request-to-retrieve-multiple-items
 * @param {SourceHandle} handle
 * @param {Kind} kind
 * @param {unknown} queryOrOptions
 * @param {unknown} countArgument
 */
function getAll(handle, kind, queryOrOptions, countArgument) {
  const limit = countArgument === undefined ? 0 : toUnsignedLong(countArgument, 'count');
  assertExists(handle);
  assertActive(handle.transaction);
  const given = queryOrOptions !== undefined && queryOrOptions !== null;
  if (given && !isPotentiallyValidKeyRange(queryOrOptions)) {
    return getAllWithOptions(handle, kind, toGetAllOptions(queryOrOptions));
  }
  return requestAll(handle, kind, convertToRange(queryOrOptions, false), 'next', limit);
}

/**
 * @param {SourceHandle} handle
 * @param {unknown} options
 */
function getAllRecords(handle, options) {
  const converted = toGetAllOptions(options);
  assertExists(handle);
  assertActive(handle.transaction);
  return getAllWithOptions(handle, 'record', converted);
}

/**
 * @param {SourceHandle} handle
 * @param {Kind} kind
 * @param {{ count: number, direction: IDBCursorDirection, query: unknown }} options
 */
function getAllWithOptions(handle, kind, { query, direction, count: limit }) {
  return requestAll(handle, kind, convertToRange(query, false), direction, limit);
}

/**
 * IDBGetAllOptions; members are read in alphabetical order.
 * @param {unknown} value
 */
function toGetAllOptions(value) {
  const options = toDictionary(value, 'IDBGetAllOptions');
  const { count: limit } = options;
  const countOption = limit === undefined ? 0 : toUnsignedLong(limit, 'count');
  const { direction } = options;
  const directionOption = direction === undefined ? 'next' : toDirection(direction);
  const { query = null } = options;
  return { count: countOption, direction: directionOption, query };
}

/** @param {unknown} value */
const toDirection = (value) => toEnum(value, DIRECTIONS, 'direction');

/**
 * @param {SourceHandle} handle
 * @param {Kind} kind
 * @param {import('./range.js').Range} range
 * @param {IDBCursorDirection} direction
 * @param {number} limit
 */
function requestAll(handle, kind, range, direction, limit) {
  const parts = partsOf(handle, kind);
  const { keyPath } = handle.store;
  /** @type {unknown[]} */
  const items = [];
  return request(handle, operations.getAll(handle, range, direction, limit, parts), (response) => {
    for (let left = response.u32(); left > 0; left -= 1) append(items, readItem(response, kind, parts, keyPath));
    return items;
  });
}

/**
 * @param {SourceHandle} handle
 * @param {Kind} kind
 */
function partsOf({ store }, kind) {
  if (kind === 'record') return PART.key | PART.primaryKey | PART.value;
  if (kind === 'key') return PART.primaryKey;
  // A generated key is not in the stored value: it is put there from the primary key.
  const generated = store.autoIncrement && store.keyPath !== null;
  return generated ? PART.primaryKey | PART.value : PART.value;
}

/**
 * @param {Response} response
 * @param {Kind} kind
 * @param {number} parts
 * @param {import('./schema.js').KeyPath} keyPath
 */
function readItem(response, kind, parts, keyPath) {
  const key = (parts & PART.key) === 0 ? undefined : response.key();
  const primaryKey = (parts & PART.primaryKey) === 0 ? undefined : response.key();
  if (kind === 'key') return primaryKey;
  const value = response.value(keyPath, primaryKey);
  return kind === 'value' ? value : new IDBRecord(INTERNAL, key, primaryKey, value);
}

module.exports = { SourceHandle, assertExists, createRequest, objectOf, request, get, getKey, count, getAll, getAllRecords, toDirection };

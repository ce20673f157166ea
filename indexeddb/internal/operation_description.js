'use strict';

// An operation in words: read back from its bytes, so that the making of requests costs nothing more. For traces and the messages of
// errors.

const { native } = require('./native.js');
const { encodeKeyPath } = require('./key_path.js');
const { decodeKey } = require('./keys.js');
const { DIRECTIONS, OPERATION, PUT, RANGE } = require('./operations.js');

/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('./schema.js').Index} Index */
/** @typedef {{ lower: unknown, upper: unknown, lowerOpen: boolean, upperOpen: boolean }} RangeDescription */

/**
 * @typedef {{
 *   name: string, store: ObjectStore | undefined, index: Index | undefined, range: RangeDescription | null, key: unknown,
 *   direction: IDBCursorDirection | null, valueOffset: number,
 * }} Description `range` null and `key` undefined: not limited; `valueOffset` 0: no value
 */

/** @type {Map<number, string>} */
const NAMES = new Map(Object.entries(OPERATION).map(([name, number]) => [number, name]));
const BY_SOURCE = new Set(['get', 'getAll', 'count', 'iterate']);
/** Those that begin with store and index. */
const OF_INDEX = new Set(['createIndex', 'deleteIndex', 'renameIndex', 'buildIndex']);

/** Reads what operations.js has written; little-endian. */
class OperationReader {
  #bytes;
  offset = 1;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8() {
    return this.#bytes[this.offset++];
  }

  u32() {
    this.offset += 4;
    return this.#bytes.readUInt32LE(this.offset - 4);
  }

  keyBytes() {
    const length = this.u32();
    this.offset += length;
    return this.#bytes.subarray(this.offset - length, this.offset);
  }

  key() {
    return decodeKey(this.keyBytes());
  }

  /** What a query is limited to: a single key is no range. @returns {{ range: RangeDescription | null, key: unknown }} */
  limits() {
    const flags = this.u8();
    const lower = (flags & RANGE.lower) === 0 ? undefined : this.keyBytes();
    const upper = (flags & RANGE.upper) === 0 ? undefined : this.keyBytes();
    const lowerOpen = (flags & RANGE.lowerOpen) !== 0;
    const upperOpen = (flags & RANGE.upperOpen) !== 0;
    if (lower === undefined && upper === undefined) return { range: null, key: undefined };
    if (!lowerOpen && !upperOpen && upper !== undefined && lower?.equals(upper)) return { range: null, key: decodeKey(lower) };
    return { range: { lower: lower && decodeKey(lower), upper: upper && decodeKey(upper), lowerOpen, upperOpen }, key: undefined };
  }
}

/**
 * @param {Transaction} transaction
 * @param {Uint8Array} bytes of one of its operations
 * @returns {Description}
 */
function describe(transaction, bytes) {
  const reader = new OperationReader(bytes);
  const name = NAMES.get(bytes[0]) ?? 'unknown';
  const store = storeOf(transaction, reader.u32());
  const index = BY_SOURCE.has(name) || OF_INDEX.has(name) ? indexOf(store, reader.u32()) : undefined;
  const description = { name, store, index, range: null, key: undefined, direction: null, valueOffset: 0 };
  if (name === 'put') return describePut(description, reader);
  if (!BY_SOURCE.has(name) && name !== 'delete') return description;
  return describeQuery(description, reader);
}

/**
 * @param {Description} description
 * @param {OperationReader} reader
 * @returns {Description}
 */
function describePut(description, reader) {
  const flags = reader.u8();
  const key = (flags & PUT.keyGiven) === 0 ? undefined : reader.key();
  return { ...description, name: (flags & PUT.noOverwrite) === 0 ? 'put' : 'add', key, valueOffset: reader.offset };
}

/**
 * @param {Description} description
 * @param {OperationReader} reader
 * @returns {Description}
 */
function describeQuery(description, reader) {
  const { range, key } = reader.limits();
  const { name } = description;
  const flag = name === 'get' || name === 'getAll' || name === 'iterate' ? reader.u8() : 0;
  return {
    ...description,
    name: name === 'get' && flag === 1 ? 'getKey' : name,
    range,
    key,
    direction: name === 'getAll' || name === 'iterate' ? DIRECTIONS[flag] : null,
  };
}

/**
 * @param {Transaction} transaction
 * @param {number} id
 */
function storeOf({ scope, connection }, id) {
  for (const store of (scope ?? connection.schema.stores).values()) if (store.id === id) return store;
  return undefined;
}

/**
 * @param {ObjectStore | undefined} store
 * @param {number} id
 */
function indexOf(store, id) {
  for (const index of store?.indexes.values() ?? []) if (index.id === id) return index;
  return undefined;
}

const TEXT_LENGTH_MAX = 100;

/**
 * A key or name for people to read.
 * @param {unknown} key
 * @returns {string}
 */
function textOf(key) {
  const text = fullTextOf(key);
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}...`;
}

/**
 * @param {unknown} key
 * @returns {string}
 */
function fullTextOf(key) {
  if (typeof key === 'string') return `'${key}'`;
  if (key instanceof Date) return key.toISOString();
  if (Array.isArray(key)) return `[${key.slice(0, TEXT_LENGTH_MAX).map(fullTextOf).join(', ')}]`;
  if (key instanceof ArrayBuffer) return `<${Buffer.from(key).toString('hex')}>`;
  return String(key);
}

/**
 * What a failed operation wanted, for the message of its error.
 * @param {Transaction} transaction
 * @param {Uint8Array} bytes
 */
function inWords(transaction, bytes) {
  const { name, store, index, key, valueOffset } = describe(transaction, bytes);
  const indexKeys = valueOffset === 0 || store === undefined ? [] : uniqueKeys(store, bytes.subarray(valueOffset));
  const places = [
    `database '${transaction.connection.name}'`, store && `object store '${store.name}'`, index && `index '${index.name}'`,
    key === undefined ? undefined : `key ${textOf(key)}`, ...indexKeys,
  ];
  return `${name} in ${places.filter(Boolean).join(', ')}`;
}

const EXTRACTED_KEY = 2;

/**
 * The keys a value has in unique indexes: one of them may be in the way.
 * @param {ObjectStore} store
 * @param {Uint8Array} value
 */
function uniqueKeys(store, value) {
  const found = [];
  for (const index of store.indexes.values()) {
    if (!index.unique || index.multiEntry) continue;
    const extracted = native().extractKey(value, encodeKeyPath(index.keyPath), false);
    if (extracted[0] === EXTRACTED_KEY) found.push(`key ${textOf(decodeKey(extracted.subarray(1)))} in index '${index.name}'`);
  }
  return found;
}

module.exports = { describe, inWords };

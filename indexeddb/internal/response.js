'use strict';

const { exception } = require('./exceptions.js');
const { decodeKey } = require('./keys.js');
const { decode, decodeWithKey } = require('./decode.js');

const STATUS_ERROR = 1;
const STATUS_PORTION = 2;
/** By the number in an error response. */
const ERROR_NAMES = [
  '',
  'ConstraintError',
  'DataError',
  'UnknownError',
  'QuotaExceededError',
  'NotFoundError',
  'InvalidStateError',
];
const RECORD_KEY_GENERATED = 1;

/** The answer to an operation, read from its front. */
class Response {
  #bytes;
  #view;
  #offset = 1;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The error that the response is, or null. */
  error() {
    if (this.#bytes[0] !== STATUS_ERROR) return null;
    const name = ERROR_NAMES[this.#bytes[1]] ?? 'UnknownError';
    return exception(name, new TextDecoder().decode(this.#bytes.subarray(2)));
  }

  /** Where the operation goes on, of which a portion is done; null if it is done. */
  resume() {
    if (this.#bytes[0] !== STATUS_PORTION) return null;
    const end = this.#bytes.length - 4;
    return this.#bytes.subarray(end - this.#view.getUint32(end, true), end);
  }

  /** The answer to an operation of which a portion is done: whether it holds results already. */
  get isPage() {
    const end = this.#bytes.length - 4;
    return end - this.#view.getUint32(end, true) > 1;
  }

  u8() {
    const value = this.#bytes[this.#offset];
    this.#offset += 1;
    return value;
  }

  u32() {
    const value = this.#view.getUint32(this.#offset, true);
    this.#offset += 4;
    return value;
  }

  u64() {
    const value = this.#view.getBigUint64(this.#offset, true);
    this.#offset += 8;
    return Number(value);
  }

  bytes() {
    const start = this.#offset + 4;
    const end = start + this.#view.getUint32(this.#offset, true);
    this.#offset = end;
    return this.#bytes.subarray(start, end);
  }

  /** A key as the value scripts see. */
  key() {
    return decodeKey(this.bytes());
  }

  /**
   * A record's flags and value.
   * @param {import('./schema.js').KeyPath} keyPath of the object store
   * @param {unknown} primaryKey the record's key
   */
  value(keyPath, primaryKey) {
    const flags = this.u8();
    const start = this.#offset + 4;
    const end = start + this.#view.getUint32(this.#offset, true);
    this.#offset = end;
    if ((flags & RECORD_KEY_GENERATED) === 0) return decode(this.#bytes, start, end);
    return decodeWithKey(this.#bytes, /** @type {string} */ (keyPath), primaryKey, start, end);
  }
}

module.exports = { Response };

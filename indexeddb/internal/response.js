'use strict';

const { engineException, exception } = require('../../common/exceptions.js');
const { decodeKeyAt } = require('./keys.js');
const { uncurry } = require('../../common/intrinsics.js');
const { decode, decodeWithKey } = require('../../values/decode.js');

const copyBytes = uncurry(Uint8Array.prototype.slice);
// Captured at import, as in fast_decode.js; jsdom has no TextDecoder on its global object.
const { utf8Slice } = /** @type {any} */ (Buffer.prototype);
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
const NAME_BITS = 4;
const NAME_MASK = 15;
/** By the number of an error's kind, which is in the same byte; the first is no error of the engine's. */
const ENGINE_CODES = [
  undefined,
  'FLOWDB_CORRUPTION',
  'FLOWDB_NO_SPACE',
  'FLOWDB_IO',
  'FLOWDB_POISONED',
  'FLOWDB_CLOSED',
  'FLOWDB_TOO_LARGE',
  'FLOWDB_READ_ONLY',
  'FLOWDB_NOT_FOUND',
  'FLOWDB_UNSUPPORTED',
];
const RECORD_KEY_GENERATED = 1;

/** The answer to an operation, read from its front. The bytes may be used for others afterwards. */
class Response {
  #bytes;
  #offset;
  #end;
  #isOwn = false;

  /**
   * @param {Uint8Array} bytes
   * @param {number} [start] where the status is, which is passed over
   * @param {number} [end]
   */
  constructor(bytes, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start + 1;
    this.#end = end;
  }

  /** The error that the response is, or null. Comes first. */
  error() {
    const bytes = this.#bytes;
    const start = this.#offset;
    if (bytes[start - 1] !== STATUS_ERROR) return null;
    const name = ERROR_NAMES[bytes[start] & NAME_MASK] ?? 'UnknownError';
    const code = ENGINE_CODES[bytes[start] >> NAME_BITS];
    const message = utf8Slice.call(bytes, start + 1, this.#end);
    return code === undefined ? exception(name, message) : engineException(name, code, message);
  }

  /** Where the operation goes on, of which a portion is done; null if it is done. Not a copy. */
  resume() {
    if (this.#bytes[this.#offset - 1] !== STATUS_PORTION) return null;
    const end = this.#end - 4;
    return this.#bytes.subarray(end - lengthAt(this.#bytes, end), end);
  }

  /** The answer to an operation of which a portion is done: whether it holds results already. Comes before they are read. */
  get isPage() {
    const end = this.#end - 4;
    return end - lengthAt(this.#bytes, end) > this.#offset;
  }

  /** True if all of it has been read. */
  get isEmpty() {
    return this.#offset === this.#end;
  }

  /** Of all its bytes. */
  get length() {
    return this.#end;
  }

  /** What has not been read yet, in bytes that nobody else uses. @returns {Response} */
  rest() {
    if (this.#isOwn) return this;
    const rest = new Response(copyBytes(this.#bytes, this.#offset, this.#end), -1);
    rest.#isOwn = true;
    return rest;
  }

  /**
   * What is one's own up to a key, without what is behind it.
   * @param {number} place of the last one
   * @returns {Response}
   */
  keysUpTo(place) {
    return new Response(copyBytes(this.#bytes, 0, place + 4 + lengthAt(this.#bytes, place)), -1);
  }

  u8() {
    const value = this.#bytes[this.#offset];
    this.#offset += 1;
    return value;
  }

  u32() {
    const value = lengthAt(this.#bytes, this.#offset);
    this.#offset += 4;
    return value;
  }

  u64() {
    const low = this.u32();
    return low + this.u32() * 2 ** 32;
  }

  /** A key as the value scripts see. */
  key() {
    return this.keyAt(this.place());
  }

  /** Passes over a key; where it is, to come back to. */
  place() {
    const place = this.#offset;
    this.#offset = place + 4 + lengthAt(this.#bytes, place);
    return place;
  }

  /** @param {number} place */
  keyAt(place) {
    const start = place + 4;
    return decodeKeyAt(this.#bytes, start, start + lengthAt(this.#bytes, place));
  }

  /**
   * The same as it is encoded; valid as long as the bytes of the response.
   * @param {number} place
   */
  bytesAt(place) {
    const start = place + 4;
    return this.#bytes.subarray(start, start + lengthAt(this.#bytes, place));
  }

  /**
   * A record: key, flags and value.
   * @param {import('./schema.js').KeyPath} keyPath of the object store
   */
  record(keyPath) {
    const keyStart = this.#offset + 4;
    const keyEnd = keyStart + lengthAt(this.#bytes, this.#offset);
    this.#offset = keyEnd;
    const generated = (this.#bytes[keyEnd] & RECORD_KEY_GENERATED) !== 0;
    return this.value(keyPath, generated ? decodeKeyAt(this.#bytes, keyStart, keyEnd) : undefined);
  }

  /**
   * A record's flags and value.
   * @param {import('./schema.js').KeyPath} keyPath of the object store
   * @param {unknown} primaryKey the record's key
   */
  value(keyPath, primaryKey) {
    const flags = this.u8();
    const start = this.#offset + 4;
    const end = start + lengthAt(this.#bytes, this.#offset);
    this.#offset = end;
    if ((flags & RECORD_KEY_GENERATED) === 0) return decode(this.#bytes, start, end);
    return decodeWithKey(this.#bytes, /** @type {string} */ (keyPath), primaryKey, start, end);
  }
}

/**
 * The little-endian u32 at `offset`.
 * @param {Uint8Array} bytes
 * @param {number} offset
 */
function lengthAt(bytes, offset) {
  return (bytes[offset] | (bytes[offset + 1] << 8) | (bytes[offset + 2] << 16) | (bytes[offset + 3] << 24)) >>> 0;
}

module.exports = { Response, lengthAt };

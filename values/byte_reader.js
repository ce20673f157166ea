'use strict';

const { TAG, VERSION } = require('./value_tags.js');

const { latin1Slice, ucs2Slice } = /** @type {any} */ (Buffer.prototype);
/** Up to this many code units a loop is faster than a call into Buffer. */
const LOOP_MAX = 16;
const KEY_SIZE_MAX = 32;
const KEY_CACHE_SIZE = 1024;

/**
 * Property names seen lately, by a hash of their bytes. Records of a store share their names; a hit saves making the string anew.
 * @type {(string | undefined)[]}
 */
const keyCache = new Array(KEY_CACHE_SIZE).fill(undefined);

/**
 * The error for bytes that no writer has written.
 * @param {string} message
 * @returns {Error & { code: string }}
 */
function corruption(message) {
  return Object.assign(new Error(`damaged value: ${message}`), { code: 'FLOWDB_CORRUPTION' });
}

/**
 * @param {string} string
 * @param {Uint8Array} bytes
 * @param {number} start
 */
function isLatin1At(string, bytes, start) {
  for (let i = 0; i < string.length; i++) if (string.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/** Reads fields from bytes that may be anything: every length is compared with what is there before it is used. */
class ByteReader {
  #bytes;
  #view;
  #end;
  position;

  /**
   * @param {Uint8Array} bytes
   * @param {number} offset
   * @param {number} end
   */
  constructor(bytes, offset, end) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = Math.min(end, bytes.length);
    this.position = offset;
    if (this.u8() !== VERSION) throw corruption('unknown version');
  }

  /** Bytes left. */
  get remaining() {
    return this.#end - this.position;
  }

  u8() {
    if (this.position >= this.#end) throw corruption('it ends too early');
    return this.#bytes[this.position++];
  }

  /** The next byte, which stays unread; END if there is none, which is then missed by whoever reads on. */
  peek() {
    return this.position < this.#end ? this.#bytes[this.position] : TAG.END;
  }

  /** @returns {number} a safe integer */
  varint() {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let scale = 128; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw corruption('a number is out of range');
      if (byte < 0x80) return value;
      if (scale > Number.MAX_SAFE_INTEGER) throw corruption('a number is too long');
    }
  }

  /** Zigzag. The lowest bits are taken first, since twice a safe integer plus one is not always a number. */
  integer() {
    const first = this.u8();
    const low = (first & 0x7f) >> 1;
    const magnitude = first < 0x80 ? low : this.varint() * 64 + low;
    const value = first & 1 ? -magnitude - 1 : magnitude;
    if (!Number.isSafeInteger(value)) throw corruption('an integer is out of range');
    return value;
  }

  /**
   * A count of things of at least `size` bytes each.
   * @param {number} size
   */
  count(size) {
    const count = this.varint();
    if (count * size > this.remaining) throw corruption('a count exceeds the bytes left');
    return count;
  }

  f64() {
    if (this.remaining < 8) throw corruption('it ends too early');
    const value = this.#view.getFloat64(this.position, true);
    this.position += 8;
    return value;
  }

  /**
   * @returns {Uint8Array} a view, valid as long as the input
   * @param {number} count at most `remaining`
   */
  bytes(count) {
    const start = this.position;
    this.position += count;
    return this.#bytes.subarray(start, this.position);
  }

  /** A string behind its tag. */
  string() {
    return this.stringOf(this.u8());
  }

  /** @param {number} tag */
  stringOf(tag) {
    if (tag === TAG.STRING_LATIN1) return this.#latin1(this.count(1));
    if (tag === TAG.STRING_UTF16) return this.#utf16(this.count(2));
    throw corruption(`tag ${tag} where a string should be`);
  }

  /** A property name behind its tag. */
  key() {
    const tag = this.u8();
    if (tag !== TAG.STRING_LATIN1) return this.stringOf(tag);
    const count = this.count(1);
    if (count > KEY_SIZE_MAX) return this.#latin1(count);
    const bytes = this.#bytes;
    const start = this.position;
    let hash = count;
    for (let i = start; i < start + count; i++) hash = (hash * 31 + bytes[i]) & 0x3fffffff;
    const cached = keyCache[hash % KEY_CACHE_SIZE];
    if (cached !== undefined && cached.length === count && isLatin1At(cached, bytes, start)) {
      this.position += count;
      return cached;
    }
    return (keyCache[hash % KEY_CACHE_SIZE] = this.#latin1(count));
  }

  /** @param {number} count */
  #latin1(count) {
    const start = this.position;
    this.position += count;
    if (count > LOOP_MAX) return latin1Slice.call(this.#bytes, start, this.position);
    let string = '';
    for (let i = start; i < this.position; i++) string += String.fromCharCode(this.#bytes[i]);
    return string;
  }

  /** @param {number} count */
  #utf16(count) {
    const start = this.position;
    this.position += count * 2;
    return ucs2Slice.call(this.#bytes, start, this.position);
  }
}

module.exports = { ByteReader, corruption };

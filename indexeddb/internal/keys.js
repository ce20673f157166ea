'use strict';

// Keys of IndexedDB, encoded so that the order of the bytes is the order of the keys (docs/format.md section 7.1).

const { types } = require('node:util');
const { exception } = require('../../common/exceptions.js');
const { append, uncurry } = require('../../common/intrinsics.js');
const { viewBounds, isDetached } = require('../../values/slots.js');

const TAG_NUMBER = 0x10;
const TAG_DATE = 0x20;
const TAG_STRING = 0x30;
const TAG_BINARY = 0x40;
const TAG_ARRAY = 0x50;
const STRING_END = 0x01;

/** Above these a key is not valid: what is compared in every step of a search stays small. */
const KEY_SIZE_MAX = 1 << 20;
const DEPTH_MAX = 64;

/** Code units below TWO_BYTES take one byte, below THREE_BYTES two. */
const TWO_BYTES = 0x7e;
const THREE_BYTES = 0x407e;

const dateValue = uncurry(Date.prototype.getTime);
const hasOwn = Object.hasOwn;
const SIZE_AT_FIRST = 256;
const float = new DataView(new ArrayBuffer(8));
/** From so many units on, native code encodes a string that is ASCII: calling it costs as much as some of them. */
const LONG_STRING = 128;
/** Up to so many units a string is decoded one by one. */
const SHORT_STRING = 32;
/** The next units of a longer one, and the same in a byte each. */
const units = new Uint16Array(4096);
const latin1 = Buffer.allocUnsafeSlow(units.length);

/** Bytes of one key while it is built. Getters run in the middle, so each conversion has its own. */
class KeyWriter {
  bytes = new Uint8Array(SIZE_AT_FIRST);
  length = 0;

  /**
   * Makes room; false if the key becomes too large.
   * @param {number} count
   */
  reserve(count) {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return true;
    if (needed > KEY_SIZE_MAX * 3) return false;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes);
    this.bytes = larger;
    return true;
  }

  /** @param {number} byte */
  u8(byte) {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  /**
   * @param {number} tag
   * @param {number} value
   */
  float(tag, value) {
    if (value !== value) return false;
    this.reserve(9);
    const { bytes } = this;
    // Adding zero makes -0 the same key as 0.
    float.setFloat64(0, value + 0);
    const flip = float.getUint8(0) >= 0x80 ? 0xff : 0x00;
    bytes[this.length++] = tag;
    bytes[this.length++] = float.getUint8(0) ^ (flip === 0 ? 0x80 : 0xff);
    for (let i = 1; i < 8; i++) bytes[this.length++] = float.getUint8(i) ^ flip;
    return true;
  }

  /** @param {string} value */
  string(value) {
    if (value.length > KEY_SIZE_MAX || !this.reserve(2 + value.length)) return false;
    this.bytes[this.length++] = TAG_STRING;
    const isAscii = value.length >= LONG_STRING && this.ascii(value);
    if (!isAscii && !this.units(value)) return false;
    this.bytes[this.length++] = STRING_END;
    return true;
  }

  /**
   * Units of one byte, for which there is room. False if there are others; nothing counts as written then.
   * @param {string} value
   */
  ascii(value) {
    const target = Buffer.from(this.bytes.buffer, this.length, value.length);
    // Other characters have bytes above these in UTF-8.
    if (target.write(value, 'utf8') !== value.length) return false;
    const { length } = target;
    for (let i = 0; i < length; i++) {
      if (target[i] >= TWO_BYTES) return false;
      target[i] += 2;
    }
    this.length += length;
    return true;
  }

  /** @param {string} value */
  units(value) {
    if (!this.reserve(1 + value.length * 3)) return false;
    const { bytes } = this;
    let { length } = this;
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit < TWO_BYTES) {
        bytes[length++] = unit + 2;
      } else if (unit < THREE_BYTES) {
        bytes[length++] = 0x80 + ((unit - TWO_BYTES) >> 8);
        bytes[length++] = unit - TWO_BYTES;
      } else {
        bytes[length++] = 0xc0;
        bytes[length++] = (unit - THREE_BYTES) >> 8;
        bytes[length++] = unit - THREE_BYTES;
      }
    }
    this.length = length;
    return true;
  }

  /** @param {Uint8Array} value */
  binary(value) {
    if (value.length > KEY_SIZE_MAX || !this.reserve(3 + value.length * 2)) return false;
    const { bytes } = this;
    bytes[this.length++] = TAG_BINARY;
    for (let i = 0; i < value.length; i++) {
      bytes[this.length++] = value[i];
      if (value[i] === 0) bytes[this.length++] = 0xff;
    }
    bytes[this.length++] = 0;
    bytes[this.length++] = 0;
    return true;
  }
}

/**
 * The bytes of a buffer source, or `null` if there are none to copy.
 * @param {any} value
 */
function bufferSourceBytes(value) {
  if (!ArrayBuffer.isView(value)) return isDetached(value) ? null : new Uint8Array(value);
  const bounds = viewBounds(value);
  if (bounds === null || types.isSharedArrayBuffer(bounds.buffer)) return null;
  return new Uint8Array(bounds.buffer, bounds.offset, bounds.size);
}

/**
 * https://w3c.github.io/IndexedDB/#convert-a-value-to-a-key
 * @param {any} input
 * @param {KeyWriter} out
 * @param {object[]} seen the arrays that `input` is in
 * @returns {boolean} false: invalid
 */
function writeKey(input, out, seen) {
  if (typeof input === 'number') return out.float(TAG_NUMBER, input);
  if (typeof input === 'string') return out.string(input);
  if (typeof input !== 'object' || input === null || types.isProxy(input)) return false;
  if (types.isDate(input)) return out.float(TAG_DATE, dateValue(input));
  if (Array.isArray(input)) return writeArray(input, out, seen);
  if (!ArrayBuffer.isView(input) && !types.isArrayBuffer(input)) return false;
  const bytes = bufferSourceBytes(input);
  return bytes !== null && out.binary(bytes);
}

/**
 * @param {any[]} input
 * @param {KeyWriter} out
 * @param {object[]} seen
 */
function writeArray(input, out, seen) {
  // DEVIATION: the standard's set of arrays seen is never emptied, so that an array found twice, one beside the other, is
  // invalid there. Browsers refuse cycles only, and so do we. See docs/indexeddb.md.
  if (seen.includes(input) || seen.length === DEPTH_MAX) return false;
  append(seen, input);
  out.u8(TAG_ARRAY);
  const { length } = input;
  for (let index = 0; index < length; index++) {
    if (!hasOwn(input, index) || !writeKey(input[index], out, seen) || out.length > KEY_SIZE_MAX) return false;
  }
  out.u8(0);
  seen.pop();
  return true;
}

const floatBytes = new Uint8Array(float.buffer);

/** @param {number} value not NaN */
function encodeNumber(value) {
  // Adding zero makes -0 the same key as 0.
  float.setFloat64(0, value + 0);
  const flip = floatBytes[0] >= 0x80 ? 0xff : 0x00;
  const bytes = new Uint8Array(9);
  bytes[0] = TAG_NUMBER;
  bytes[1] = floatBytes[0] ^ (flip === 0 ? 0x80 : 0xff);
  for (let i = 1; i < 8; i++) bytes[i + 1] = floatBytes[i] ^ flip;
  return bytes;
}

/**
 * The encoded key for a value. Getters of arrays run; what they throw passes through.
 * https://w3c.github.io/IndexedDB/#convert-a-value-to-a-key
 * @param {unknown} input
 * @returns {Uint8Array | null} `null`: invalid
 */
function encodeKey(input) {
  if (typeof input === 'number') return input === input ? encodeNumber(input) : null;
  const out = new KeyWriter();
  return writeKey(input, out, []) && out.length <= KEY_SIZE_MAX ? out.bytes.slice(0, out.length) : null;
}

/**
 * The encoded key for an argument of the API.
 * @param {unknown} input
 * @returns {Uint8Array}
 * @throws {DOMException} DataError: not a valid key
 */
function keyFromValue(input) {
  const key = encodeKey(input);
  if (key === null) throw exception('DataError', 'The parameter is not a valid key.');
  return key;
}

/** @param {string} message */
function corruption(message) {
  return Object.assign(new Error(`damaged key: ${message}`), { code: 'FLOWDB_CORRUPTION' });
}

/** Reads encoded keys; bytes beyond the end count as damage. */
class KeyReader {
  /** Whether one of the last `units` is above a byte. */
  hasWideUnits = false;

  /**
   * @param {Uint8Array} bytes
   * @param {number} position
   * @param {number} end
   */
  constructor(bytes, position, end) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  u8() {
    if (this.position >= this.end) throw corruption('it ends too early');
    return this.bytes[this.position++];
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  key(depth) {
    const tag = this.u8();
    switch (tag) {
      case TAG_NUMBER: return this.float();
      case TAG_DATE: return new Date(this.float());
      case TAG_STRING: return this.string();
      case TAG_BINARY: return this.binary();
      case TAG_ARRAY: return this.array(depth);
      default: throw corruption(`unknown tag ${tag}`);
    }
  }

  float() {
    if (this.end - this.position < 8) throw corruption('it ends too early');
    this.position += 8;
    return decodeNumber(this.bytes, this.position - 8);
  }

  string() {
    let string = '';
    // Each addition is an object of 32 bytes until the string is used, so a long one is put together from larger parts.
    for (let count = 0; count < SHORT_STRING; count += 1) {
      const unit = this.nextUnit();
      if (unit === null) return string;
      string += String.fromCharCode(unit);
    }
    for (;;) {
      const count = this.nextUnits();
      string += this.hasWideUnits ? String.fromCharCode.apply(null, /** @type {any} */ (units.subarray(0, count))) : latin1String(count);
      if (count < units.length) return string;
    }
  }

  /** Fills `units`, as far as the string goes. Answers how many there are. */
  nextUnits() {
    let count = 0;
    this.hasWideUnits = false;
    while (count < units.length) {
      count = this.nextAscii(count);
      if (count === units.length) break;
      const unit = this.nextUnit();
      if (unit === null) break;
      if (unit > 0xff) this.hasWideUnits = true;
      units[count] = unit;
      count += 1;
    }
    return count;
  }

  /**
   * As many units of one byte as follow here.
   * @param {number} count of the units that are there
   * @returns {number} and of those with them
   */
  nextAscii(count) {
    const { bytes } = this;
    const end = Math.min(this.end, this.position + units.length - count);
    let { position } = this;
    for (; position < end && bytes[position] < 0x80 && bytes[position] > STRING_END; position += 1) units[count++] = bytes[position] - 2;
    this.position = position;
    return count;
  }

  /** Null at the end of the string. */
  nextUnit() {
    const first = this.u8();
    if (first === STRING_END) return null;
    if (first === 0 || first > 0xc0) throw corruption('a byte that no string has');
    return this.unit(first);
  }

  /** @param {number} first */
  unit(first) {
    if (first < 0x80) return first - 2;
    if (first < 0xc0) return ((first - 0x80) << 8) + this.u8() + TWO_BYTES;
    const unit = (this.u8() << 8) + this.u8() + THREE_BYTES;
    if (unit > 0xffff) throw corruption('a code unit out of range');
    return unit;
  }

  binary() {
    const found = new Uint8Array(this.binaryLength());
    for (let i = 0; i < found.length; i += 1) {
      found[i] = this.u8();
      if (found[i] === 0) this.u8();
    }
    this.position += 2;
    return found.buffer;
  }

  /** Bytes of the binary key from here to its end mark. */
  binaryLength() {
    const start = this.position;
    for (let length = 0; ; length += 1) {
      if (this.u8() !== 0) continue;
      const mark = this.u8();
      if (mark === 0) {
        this.position = start;
        return length;
      }
      if (mark !== 0xff) throw corruption('a mark that no binary key has');
    }
  }

  /** @param {number} depth */
  array(depth) {
    if (depth === DEPTH_MAX) throw corruption('arrays are nested too deep');
    /** @type {any[]} */
    const elements = [];
    while (this.position >= this.end || this.bytes[this.position] !== 0) {
      append(elements, this.key(depth + 1));
    }
    this.position++;
    return elements;
  }
}

/** @param {number} count of the first `units`, none of which is above a byte */
function latin1String(count) {
  latin1.set(units.subarray(0, count));
  return latin1.toString('latin1', 0, count);
}

/**
 * The value for an encoded key.
 * https://w3c.github.io/IndexedDB/#convert-a-key-to-a-value
 * @param {Uint8Array} bytes
 * @returns {any}
 * @throws {Error} code FLOWDB_CORRUPTION
 */
function decodeKey(bytes) {
  return decodeKeyAt(bytes, 0, bytes.length);
}

/**
 * The same, for a key among other bytes.
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 * @returns {any}
 */
function decodeKeyAt(bytes, start, end) {
  if (bytes[start] === TAG_NUMBER && end - start === 9) return decodeNumber(bytes, start + 1);
  const reader = new KeyReader(bytes, start, end);
  const value = reader.key(0);
  if (reader.position !== end) throw corruption('bytes follow its end');
  return value;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 */
function decodeNumber(bytes, start) {
  const flip = bytes[start] >= 0x80 ? 0x00 : 0xff;
  floatBytes[0] = bytes[start] ^ (flip === 0 ? 0x80 : 0xff);
  for (let i = 1; i < 8; i++) floatBytes[i] = bytes[start + i] ^ flip;
  const value = float.getFloat64(0);
  if (value !== value || Object.is(value, -0)) throw corruption('a number that no key can be');
  return value;
}

/**
 * https://w3c.github.io/IndexedDB/#compare-two-keys
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 * @returns {number} -1, 0 or 1
 */
function compareKeys(a, b) {
  return Buffer.compare(a, b);
}

module.exports = { encodeKey, keyFromValue, decodeKey, decodeKeyAt, compareKeys };

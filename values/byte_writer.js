'use strict';

const SIZE_AT_FIRST = 4096;
/** Scratch memory beyond this is given back after use, so that one large value does not stay allocated for ever. */
const SIZE_KEPT_MAX = 1 << 20;
/** Above this many code units, one call into Buffer is faster than a loop. Measured: between 30 and 60. */
const LOOP_MAX = 48;

/** Growing scratch memory and the integer codings of docs/format.md. */
class ByteWriter {
  #bytes = new Uint8Array(SIZE_AT_FIRST);
  /** The same memory, for long strings: slices of a Buffer would be Buffers, which are slow to make. */
  #buffer = Buffer.from(this.#bytes.buffer);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Bytes written so far. */
  get length() {
    return this.#length;
  }

  /** Forgets everything written. */
  reset() {
    this.#length = 0;
    if (this.#bytes.length > SIZE_KEPT_MAX) this.#allocate(SIZE_AT_FIRST);
  }

  /** @returns {Uint8Array} what was written, until more is written after a reset */
  view() {
    return new Uint8Array(this.#bytes.buffer, 0, this.#length);
  }

  /** @param {number} size */
  #allocate(size) {
    this.#bytes = new Uint8Array(size);
    this.#buffer = Buffer.from(this.#bytes.buffer);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** @param {number} count */
  #reserve(count) {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const old = this.#bytes;
    this.#allocate(Math.max(needed, Math.min(old.length * 2, needed + (64 << 20))));
    this.#bytes.set(old.subarray(0, this.#length));
  }

  /** @param {number} byte */
  u8(byte) {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  /** @param {number} value a non-negative safe integer */
  varint(value) {
    this.#reserve(10);
    const bytes = this.#bytes;
    let position = this.#length;
    while (value > 0x7fffffff) {
      bytes[position++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    while (value > 0x7f) {
      bytes[position++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[position++] = value;
    this.#length = position;
  }

  /**
   * Zigzag. Twice a safe integer plus one is not always a number, so the lowest bits go out first.
   * @param {number} value a safe integer
   */
  integer(value) {
    const magnitude = value < 0 ? -value - 1 : value;
    const low = (magnitude % 64) * 2 + (value < 0 ? 1 : 0);
    if (magnitude < 64) return this.u8(low);
    this.u8(low | 0x80);
    this.varint(Math.floor(magnitude / 64));
  }

  /** @param {number} value */
  f64(value) {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** @param {Uint8Array} bytes */
  bytes(bytes) {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Zeros to be filled in later.
   * @param {number} count
   */
  zeros(count) {
    this.#reserve(count);
    this.#bytes.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }

  /**
   * A string with its tag: one byte for each code unit if that suffices, else two.
   * @param {string} string
   * @param {number} latin1Tag
   * @param {number} utf16Tag
   */
  string(string, latin1Tag, utf16Tag) {
    const count = string.length;
    if (count > LOOP_MAX) return this.#longString(string, latin1Tag, utf16Tag);
    this.#reserve(2 + 2 * count);
    const start = this.#length;
    const bytes = this.#bytes;
    let position = start;
    bytes[position++] = latin1Tag;
    bytes[position++] = count;
    for (let i = 0; i < count; i++) {
      const unit = string.charCodeAt(i);
      if (unit > 0xff) return this.#shortUtf16(string, utf16Tag);
      bytes[position++] = unit;
    }
    this.#length = position;
  }

  /**
   * @param {string} string of at most LOOP_MAX code units, for which there is room
   * @param {number} tag
   */
  #shortUtf16(string, tag) {
    const bytes = this.#bytes;
    let position = this.#length;
    bytes[position++] = tag;
    bytes[position++] = string.length;
    for (let i = 0; i < string.length; i++) {
      const unit = string.charCodeAt(i);
      bytes[position++] = unit & 0xff;
      bytes[position++] = unit >> 8;
    }
    this.#length = position;
  }

  /**
   * @param {string} string
   * @param {number} latin1Tag
   * @param {number} utf16Tag
   */
  #longString(string, latin1Tag, utf16Tag) {
    const count = string.length;
    let all = 0;
    for (let i = 0; i < count; i++) all |= string.charCodeAt(i);
    const isLatin1 = all <= 0xff;
    this.u8(isLatin1 ? latin1Tag : utf16Tag);
    this.varint(count);
    const size = isLatin1 ? count : count * 2;
    this.#reserve(size);
    this.#buffer.write(string, this.#length, size, isLatin1 ? 'latin1' : 'utf16le');
    this.#length += size;
  }
}

module.exports = { ByteWriter };

'use strict';

/** Writes packed as src/operations.rs says, one after the other, in one Buffer that grows. */

const { FlowDBError } = require('../common/errors.js');
const { keyBytesMax, writeKey } = require('./keys.js');
const { INT64_BYTES, writeInt64, writeUint32 } = require('../common/numbers.js');
const { expiryTime, timeFlags } = require('./times.js');

const OPERATION = { kvPut: 1, kvDelete: 2, seriesPut: 3, seriesDelete: 4, seriesDeleteAll: 5 };

const HEADER_BYTES = 10;
const FIRST_BYTES = 1024;

/** Bytes of one batch: it is packed into one Buffer, which has a limit of its own in each version of Node. */
const BATCH_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * One write, checked; its value is encoded. Times are in microseconds.
 *
 * @typedef {{
 *   operation: number,
 *   key: string | Uint8Array,
 *   value?: import('./values.js').StoredValue,
 *   ts?: number | bigint,
 *   expiry?: import('../common/options.js').Expiry,
 * }} Write
 */

/**
 * @param {Write} write
 * @returns {number} at least as many bytes as it takes when packed
 */
function packedBytesMax({ key, value }) {
  return HEADER_BYTES + 2 * INT64_BYTES + keyBytesMax(key) + (value ? 1 + value.bytes.length : 0);
}

class WriteBuffer {
  #buffer;
  #length = 0;

  /** Writes packed so far. */
  count = 0;

  /** @param {Buffer} [buffer] memory to begin with; nobody else uses it any more */
  constructor(buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)) {
    this.#buffer = buffer;
  }

  /** Bytes packed so far. */
  get length() {
    return this.#length;
  }

  /** The packed writes, until the next one is added. */
  get bytes() {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The memory, for another one. */
  get memory() {
    return this.#buffer;
  }

  /**
   * Runs no code of the caller's: what is added is there as a whole, or not at all.
   *
   * @param {Write} write
   */
  add(write) {
    const bytesMax = packedBytesMax(write);
    if (this.#length + bytesMax > BATCH_BYTES_MAX) {
      throw new FlowDBError('FLOWDB_TOO_LARGE', `a batch of ${this.#length + bytesMax} bytes; the limit is ${BATCH_BYTES_MAX}`);
    }
    this.#reserve(bytesMax);
    const { operation, key, value, ts, expiry } = write;
    const buffer = this.#buffer;
    const start = this.#length;
    let offset = start + HEADER_BYTES;
    if (ts !== undefined) {
      writeInt64(buffer, ts, offset);
      offset += INT64_BYTES;
    }
    if (expiry !== undefined) {
      writeInt64(buffer, expiryTime(expiry), offset);
      offset += INT64_BYTES;
    }
    const keyLength = writeKey(key, buffer, offset);
    offset += keyLength;
    buffer[start] = operation;
    buffer[start + 1] = timeFlags(ts, expiry);
    writeUint32(buffer, keyLength, start + 2);
    writeUint32(buffer, value ? 1 + value.bytes.length : 0, start + 6);
    if (value) {
      buffer[offset] = value.form;
      buffer.set(value.bytes, offset + 1);
      offset += 1 + value.bytes.length;
    }
    this.#length = offset;
    this.count += 1;
  }

  /** @param {WriteBuffer} other */
  addAll(other) {
    this.#reserve(other.#length);
    this.#buffer.set(other.bytes, this.#length);
    this.#length += other.#length;
    this.count += other.count;
  }

  clear() {
    this.#length = 0;
    this.count = 0;
  }

  /** @param {number} bytes */
  #reserve(bytes) {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

module.exports = { OPERATION, WriteBuffer, packedBytesMax };

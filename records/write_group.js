'use strict';

/** Writes that are committed together, packed as src/operations.rs says. */

const { writeInt64 } = require('./numbers.js');

const OPERATION = { kvPut: 1, kvDelete: 2, seriesPut: 3, seriesDelete: 4, seriesDeleteAll: 5 };

const HAS_TIMESTAMP = 1;
const HAS_TTL = 2;
const HAS_EXPIRY = 4;

const HEADER_BYTES = 10;
const INT64_BYTES = 8;
const FIRST_BYTES = 1024;

/**
 * One write, checked and encoded. Times are in microseconds.
 *
 * @typedef {{
 *   operation: number,
 *   key: Uint8Array,
 *   value?: import('./values.js').StoredValue,
 *   ts?: number | bigint,
 *   expiry?: { ttl: number | bigint } | { expiry: number | bigint },
 * }} Write
 */

/** @param {Write} write */
function packedBytes({ key, value, ts, expiry }) {
  const times = (ts === undefined ? 0 : INT64_BYTES) + (expiry === undefined ? 0 : INT64_BYTES);
  return HEADER_BYTES + times + key.length + (value ? 1 + value.bytes.length : 0);
}

class WriteGroup {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  /** @type {{ resolve: (value: void) => void, reject: (reason: unknown) => void }[]} */
  #waiters = [];

  /** True if any of the writes is to be synced before it is acknowledged; all of them are then. */
  sync = false;
  /** The outcome is known; it is told once that of all groups before this one has been. */
  isDone = false;
  /** @type {unknown} */
  error = undefined;

  /** Writes packed so far. */
  count = 0;

  /** Bytes packed so far. */
  get length() {
    return this.#length;
  }

  get bytes() {
    return this.#buffer.subarray(0, this.#length);
  }

  /**
   * @param {Write[]} writes
   * @param {number} bytes size of them when packed
   * @returns {Promise<void>} settled with the group's outcome
   */
  add(writes, bytes) {
    this.#reserve(bytes);
    for (const write of writes) this.#pack(write);
    this.count += writes.length;
    return new Promise((resolve, reject) => { this.#waiters.push({ resolve, reject }); });
  }

  /** Tells everyone the outcome. */
  release() {
    for (const { resolve, reject } of this.#waiters) {
      if (this.error === undefined) resolve();
      else reject(this.error);
    }
    this.#waiters = [];
  }

  /** @param {number} bytes */
  #reserve(bytes) {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  /** @param {Write} write */
  #pack({ operation, key, value, ts, expiry }) {
    const buffer = this.#buffer;
    let offset = this.#length;
    buffer[offset] = operation;
    buffer[offset + 1] = (ts === undefined ? 0 : HAS_TIMESTAMP) | expiryFlag(expiry);
    buffer.writeUInt32LE(key.length, offset + 2);
    buffer.writeUInt32LE(value ? 1 + value.bytes.length : 0, offset + 6);
    offset += HEADER_BYTES;
    if (ts !== undefined) {
      writeInt64(buffer, ts, offset);
      offset += INT64_BYTES;
    }
    if (expiry !== undefined) {
      writeInt64(buffer, 'ttl' in expiry ? expiry.ttl : expiry.expiry, offset);
      offset += INT64_BYTES;
    }
    buffer.set(key, offset);
    offset += key.length;
    if (value) {
      buffer[offset] = value.form;
      buffer.set(value.bytes, offset + 1);
      offset += 1 + value.bytes.length;
    }
    this.#length = offset;
  }
}

/** @param {Write['expiry']} expiry */
function expiryFlag(expiry) {
  if (expiry === undefined) return 0;
  return 'ttl' in expiry ? HAS_TTL : HAS_EXPIRY;
}

module.exports = { OPERATION, WriteGroup, packedBytes };

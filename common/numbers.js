'use strict';

/** 64-bit integers in bytes, little-endian, without a BigInt where a number will do. */

const WORD = 2 ** 32;
const UINT32_BYTES = 4;
const INT64_BYTES = 8;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * @param {number} value
 * @returns {Buffer} the bytes of it
 */
function packUint32(value) {
  const bytes = Buffer.allocUnsafe(UINT32_BYTES);
  writeUint32(bytes, value, 0);
  return bytes;
}

/**
 * @param {Uint8Array} buffer
 * @param {number} value
 * @param {number} offset
 */
function writeUint32(buffer, value, offset) {
  buffer[offset] = value;
  buffer[offset + 1] = value >>> 8;
  buffer[offset + 2] = value >>> 16;
  buffer[offset + 3] = value >>> 24;
}

/**
 * @param {Uint8Array} buffer
 * @param {number} offset
 * @returns {number}
 */
function readUint32(buffer, offset) {
  return (buffer[offset] | buffer[offset + 1] << 8 | buffer[offset + 2] << 16 | buffer[offset + 3] << 24) >>> 0;
}

/**
 * @param {Buffer} buffer
 * @param {number | bigint} value a safe integer, or a BigInt of 64 bits
 * @param {number} offset
 */
function writeInt64(buffer, value, offset) {
  if (typeof value === 'bigint') {
    buffer.writeBigInt64LE(value, offset);
    return;
  }
  const high = Math.floor(value / WORD);
  writeUint32(buffer, value - high * WORD, offset);
  writeUint32(buffer, high, offset + 4);
}

/**
 * @param {Buffer} buffer
 * @param {number} offset
 * @returns {number | bigint} a number if it is a safe integer
 */
function readInt64(buffer, offset) {
  const value = buffer.readInt32LE(offset + 4) * WORD + buffer.readUInt32LE(offset);
  return Number.isSafeInteger(value) ? value : buffer.readBigInt64LE(offset);
}

module.exports = { INT64_BYTES, INT64_MAX, INT64_MIN, UINT32_BYTES, packUint32, readInt64, readUint32, writeInt64, writeUint32 };

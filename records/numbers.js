'use strict';

/** 64-bit integers in bytes, little-endian, without a BigInt where a number will do. */

const WORD = 2 ** 32;

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
  buffer.writeUInt32LE(value - high * WORD, offset);
  buffer.writeInt32LE(high, offset + 4);
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

module.exports = { writeInt64, readInt64 };

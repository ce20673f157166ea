'use strict';

/** Writes that depend on what is there, packed as src/changes.rs says. */

const { INT64_BYTES, UINT32_BYTES, writeInt64 } = require('../common/numbers.js');
const { expiryTime, timeFlags } = require('./times.js');

const CHANGE = { putIfAbsent: 1, compareAndSet: 2, swap: 3, increment: 4, deleteRange: 5, putLoaded: 6 };

/**
 * @param {number} operation
 * @param {{ ts?: number | bigint, expiry?: import('../common/options.js').Expiry }} options
 * @param {...Uint8Array} operands those that need one are `sized`
 * @returns {Buffer}
 */
function packChange(operation, { ts, expiry }, ...operands) {
  const times = [ts, expiry && expiryTime(expiry)].filter((time) => time !== undefined);
  const head = Buffer.alloc(2 + times.length * INT64_BYTES);
  head[0] = operation;
  head[1] = timeFlags(ts, expiry);
  times.forEach((time, index) => writeInt64(head, time, 2 + index * INT64_BYTES));
  return sized(Buffer.concat([head, ...operands]));
}

/**
 * @param {Uint8Array} bytes
 * @returns {Buffer} their length and they
 */
function sized(bytes) {
  const packed = Buffer.allocUnsafe(UINT32_BYTES + bytes.length);
  packed.writeUInt32LE(bytes.length, 0);
  packed.set(bytes, UINT32_BYTES);
  return packed;
}

module.exports = { CHANGE, packChange, sized };

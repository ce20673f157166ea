'use strict';

/** What a scan asks for, packed as src/scan.rs says. */

const { INT64_MAX, INT64_MIN, writeInt64 } = require('../common/numbers.js');

const TREE = { kv: 1, series: 2 };

const REVERSE = 1;
const KEYS_ONLY = 2;

/**
 * @param {{
 *   tree: number,
 *   range: import('./key_range.js').Range,
 *   from?: number | bigint,
 *   to?: number | bigint,
 *   last?: number | bigint,
 *   reverse: boolean,
 *   keysOnly: boolean,
 * }} scan from and last are included, to is not; in microseconds
 * @returns {Buffer}
 */
function packScan({ tree, range, from, to, last = INT64_MAX, reverse, keysOnly }) {
  const { flags, lower, upper } = range;
  const request = Buffer.allocUnsafe(26 + lower.length + upper.length);
  request[0] = tree;
  request[1] = flags | (reverse ? REVERSE : 0) | (keysOnly ? KEYS_ONLY : 0);
  writeInt64(request, from ?? INT64_MIN, 2);
  writeInt64(request, to === undefined ? last : before(to), 10);
  request.writeUInt32LE(lower.length, 18);
  request.set(lower, 22);
  request.writeUInt32LE(upper.length, 22 + lower.length);
  request.set(upper, 26 + lower.length);
  return request;
}

/**
 * @param {number | bigint} timestamp
 * @returns {bigint} the last moment before it
 */
function before(timestamp) {
  const last = BigInt(timestamp) - 1n;
  // Nothing is before the first moment: an empty window is one that ends before it begins, and `from` is its other end.
  return last < INT64_MIN ? INT64_MIN : last;
}

/**
 * @param {number | bigint | undefined} from
 * @param {number | bigint | undefined} to
 * @returns {boolean} true if no moment is in the window
 */
function isEmptyWindow(from, to) {
  return to !== undefined && BigInt(to) <= BigInt(from ?? INT64_MIN);
}

module.exports = { TREE, isEmptyWindow, packScan };

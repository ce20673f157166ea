'use strict';

/** What a scan asks for, packed as src/scan.rs says. */

const { invalid } = require('./errors.js');
const { encodeKey } = require('./keys.js');
const { INT64_MAX, INT64_MIN, writeInt64 } = require('./numbers.js');

const TREE = { kv: 1, series: 2 };

const REVERSE = 1;
const KEYS_ONLY = 2;
const PREFIX = 4;
const HAS_LOWER = 8;
const LOWER_OPEN = 16;
const HAS_UPPER = 32;
const UPPER_OPEN = 64;

const EMPTY = Buffer.alloc(0);

/**
 * @typedef {{ flags: number, lower: Uint8Array, upper: Uint8Array }} Range
 */

/**
 * @param {any} options with at most one of each group: prefix, key | gt, gte | lt, lte
 * @returns {Range}
 */
function readRange({ prefix, key, gt, gte, lt, lte }) {
  const bounds = { gt, gte, lt, lte };
  const named = Object.entries(bounds).filter(([, bound]) => bound !== undefined).map(([name]) => name);
  if (prefix !== undefined && key !== undefined) throw invalid('key', 'cannot be combined with prefix');
  const whole = prefix === undefined ? 'key' : 'prefix';
  if ((prefix !== undefined || key !== undefined) && named.length > 0) {
    throw invalid(named[0], `cannot be combined with ${whole}`);
  }
  if (prefix !== undefined) return { flags: PREFIX, lower: encodeKey(prefix, 'prefix'), upper: EMPTY };
  if (key !== undefined) {
    const bytes = encodeKey(key);
    return { flags: HAS_LOWER | HAS_UPPER, lower: bytes, upper: bytes };
  }
  const lower = readBound('gte', gte, 'gt', gt, HAS_LOWER, LOWER_OPEN);
  const upper = readBound('lte', lte, 'lt', lt, HAS_UPPER, UPPER_OPEN);
  return { flags: lower.flags | upper.flags, lower: lower.bytes, upper: upper.bytes };
}

/**
 * @param {string} closedName
 * @param {any} closed
 * @param {string} openName
 * @param {any} open
 * @param {number} has
 * @param {number} isOpen
 */
function readBound(closedName, closed, openName, open, has, isOpen) {
  if (closed !== undefined && open !== undefined) throw invalid(openName, `cannot be combined with ${closedName}`);
  if (closed !== undefined) return { flags: has, bytes: encodeKey(closed, closedName) };
  if (open !== undefined) return { flags: has | isOpen, bytes: encodeKey(open, openName) };
  return { flags: 0, bytes: EMPTY };
}

/**
 * @param {{
 *   tree: number,
 *   range: Range,
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

module.exports = { TREE, isEmptyWindow, packScan, readRange };

'use strict';

/** Which keys a call is about. */

const { invalid } = require('../common/errors.js');
const { encodeKey } = require('./keys.js');

const PREFIX = 4;
const HAS_LOWER = 8;
const LOWER_OPEN = 16;
const HAS_UPPER = 32;
const UPPER_OPEN = 64;

const EMPTY = Buffer.alloc(0);

/**
 * As src/scan.rs takes it.
 *
 * @typedef {{ flags: number, lower: Uint8Array, upper: Uint8Array }} Range
 */

/** @typedef {{ bytes: Uint8Array, isOpen: boolean } | undefined} Bound */

/**
 * @param {any} options with at most one of each group: prefix, key | gt, gte | lt, lte; and none of the bounds beside key
 * @returns {Range} the keys that are in all that is given
 */
function readRange({ prefix, key, gt, gte, lt, lte }) {
  if (key !== undefined) return readKey(key, { prefix, gt, gte, lt, lte });
  const lower = readBound('gte', gte, 'gt', gt);
  const upper = readBound('lte', lte, 'lt', lt);
  if (prefix === undefined) return between(lower, upper);
  const bytes = encodeKey(prefix, 'prefix');
  if (lower === undefined && upper === undefined) return { flags: PREFIX, lower: bytes, upper: EMPTY };
  return between(larger(lower, { bytes, isOpen: false }), smaller(upper, endOf(bytes)));
}

/**
 * @param {any} key
 * @param {any} others
 * @returns {Range}
 */
function readKey(key, { prefix, ...bounds }) {
  if (prefix !== undefined) throw invalid('key', 'cannot be combined with prefix');
  const named = Object.keys(bounds).find((name) => bounds[name] !== undefined);
  if (named !== undefined) throw invalid(named, 'cannot be combined with key');
  const one = { bytes: encodeKey(key), isOpen: false };
  return between(one, one);
}

/**
 * @param {string} closedName
 * @param {any} closed
 * @param {string} openName
 * @param {any} open
 * @returns {Bound}
 */
function readBound(closedName, closed, openName, open) {
  if (closed !== undefined && open !== undefined) throw invalid(openName, `cannot be combined with ${closedName}`);
  if (closed !== undefined) return { bytes: encodeKey(closed, closedName), isOpen: false };
  return open === undefined ? undefined : { bytes: encodeKey(open, openName), isOpen: true };
}

/**
 * @param {Bound} lower
 * @param {Bound} upper
 * @returns {Range}
 */
function between(lower, upper) {
  const ofLower = lower === undefined ? 0 : HAS_LOWER | (lower.isOpen ? LOWER_OPEN : 0);
  const ofUpper = upper === undefined ? 0 : HAS_UPPER | (upper.isOpen ? UPPER_OPEN : 0);
  return { flags: ofLower | ofUpper, lower: lower?.bytes ?? EMPTY, upper: upper?.bytes ?? EMPTY };
}

/**
 * @param {Bound} bound
 * @param {NonNullable<Bound>} first closed: where a prefix begins
 * @returns {Bound} of two lower bounds the one that leaves less
 */
function larger(bound, first) {
  return bound !== undefined && Buffer.compare(bound.bytes, first.bytes) >= 0 ? bound : first;
}

/**
 * @param {Bound} bound
 * @param {Bound} end open: where a prefix ends
 * @returns {Bound} of two upper bounds the one that leaves less
 */
function smaller(bound, end) {
  if (bound === undefined || end === undefined) return bound ?? end;
  return Buffer.compare(bound.bytes, end.bytes) < 0 ? bound : end;
}

/**
 * @param {Uint8Array} prefix
 * @returns {Bound} below which all keys are that begin with it; none if nothing is above them
 */
function endOf(prefix) {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last === -1) return undefined;
  const bytes = Buffer.from(prefix.subarray(0, last + 1));
  bytes[last] += 1;
  return { bytes, isOpen: true };
}

module.exports = { readRange };

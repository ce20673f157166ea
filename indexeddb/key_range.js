'use strict';

const { exception } = require('../common/exceptions.js');
const { compareKeys, decodeKey, keyFromValue } = require('./internal/keys.js');
const { Range, only, setRangeOf } = require('./internal/range.js');
const { INTERNAL, assertConstructible, defineInterface, requireArguments } = require('./internal/webidl.js');

/** https://w3c.github.io/IndexedDB/#idbkeyrange */
class IDBKeyRange {
  static {
    setRangeOf((value) =>
      typeof value === 'object' && value !== null && #range in value ? value.#range : undefined,
    );
  }

  /** @type {Range} */
  #range;

  /**
   * @param {symbol} [token]
   * @param {Range} [range]
   */
  constructor(token = undefined, range = undefined) {
    assertConstructible(token);
    this.#range = /** @type {Range} */ (range);
  }

  get lower() {
    const { lower } = this.#range;
    return lower === null ? undefined : decodeKey(lower);
  }

  get upper() {
    const { upper } = this.#range;
    return upper === null ? undefined : decodeKey(upper);
  }

  get lowerOpen() {
    return this.#range.lowerOpen;
  }

  get upperOpen() {
    return this.#range.upperOpen;
  }

  /** @param {unknown} value */
  static only(value) {
    requireArguments(arguments, 1, 'IDBKeyRange.only');
    return new IDBKeyRange(INTERNAL, only(keyFromValue(value)));
  }

  /**
   * @param {unknown} lower
   * @param {boolean} [open]
   */
  static lowerBound(lower, open = false) {
    requireArguments(arguments, 1, 'IDBKeyRange.lowerBound');
    return new IDBKeyRange(INTERNAL, new Range(keyFromValue(lower), null, Boolean(open), true));
  }

  /**
   * @param {unknown} upper
   * @param {boolean} [open]
   */
  static upperBound(upper, open = false) {
    requireArguments(arguments, 1, 'IDBKeyRange.upperBound');
    return new IDBKeyRange(INTERNAL, new Range(null, keyFromValue(upper), true, Boolean(open)));
  }

  /**
   * @param {unknown} lower
   * @param {unknown} upper
   * @param {boolean} [lowerOpen]
   * @param {boolean} [upperOpen]
   */
  static bound(lower, upper, lowerOpen = false, upperOpen = false) {
    requireArguments(arguments, 2, 'IDBKeyRange.bound');
    const lowerKey = keyFromValue(lower);
    const upperKey = keyFromValue(upper);
    const order = compareKeys(lowerKey, upperKey);
    if (order > 0) throw exception('DataError', 'The lower bound is greater than the upper bound');
    if (order === 0 && (lowerOpen || upperOpen)) {
      throw exception('DataError', 'The bounds are equal and one of them is open');
    }
    return new IDBKeyRange(INTERNAL, new Range(lowerKey, upperKey, Boolean(lowerOpen), Boolean(upperOpen)));
  }

  /** @param {unknown} key */
  includes(key) {
    const range = this.#range;
    requireArguments(arguments, 1, 'IDBKeyRange.includes');
    return range.includes(keyFromValue(key));
  }
}

defineInterface(IDBKeyRange, 'IDBKeyRange');

module.exports = { IDBKeyRange };

'use strict';

const { types } = require('node:util');
const { exception } = require('../../common/exceptions.js');
const { compareKeys, keyFromValue } = require('./keys.js');

/**
 * A key range (https://w3c.github.io/IndexedDB/#range-construct) with encoded bounds. It is immutable.
 */
class Range {
  // Declared, here and in the other classes, so that the assignments cannot meet a setter planted on Object.prototype.
  lower;
  upper;
  lowerOpen;
  upperOpen;

  /**
   * @param {Uint8Array | null} lower
   * @param {Uint8Array | null} upper
   * @param {boolean} lowerOpen
   * @param {boolean} upperOpen
   */
  constructor(lower, upper, lowerOpen, upperOpen) {
    this.lower = lower;
    this.upper = upper;
    this.lowerOpen = lowerOpen;
    this.upperOpen = upperOpen;
  }

  /**
   * https://w3c.github.io/IndexedDB/#in
   * @param {Uint8Array} key
   */
  includes(key) {
    if (this.lower !== null) {
      const order = compareKeys(this.lower, key);
      if (order > 0 || (order === 0 && this.lowerOpen)) return false;
    }
    if (this.upper !== null) {
      const order = compareKeys(this.upper, key);
      if (order < 0 || (order === 0 && this.upperOpen)) return false;
    }
    return true;
  }
}

const UNBOUNDED = new Range(null, null, true, true);

/** @param {Uint8Array} key */
function only(key) {
  return new Range(key, key, false, false);
}

/** Set by the interface that owns the brand. @type {(value: unknown) => Range | undefined} */
let rangeOf = () => undefined;

/** @param {(value: unknown) => Range | undefined} brandCheck */
function setRangeOf(brandCheck) {
  rangeOf = brandCheck;
}

/**
 * Whether a value is meant as a key or a range, not as a dictionary. No code of the user runs.
 * https://w3c.github.io/IndexedDB/#is-a-potentially-valid-key-range
 * @param {unknown} value
 */
function isPotentiallyValidKeyRange(value) {
  if (typeof value !== 'object' || value === null) return typeof value === 'number' || typeof value === 'string';
  if (rangeOf(value) !== undefined || Array.isArray(value) || ArrayBuffer.isView(value)) return true;
  return types.isDate(value) || types.isAnyArrayBuffer(value);
}

/**
 * https://w3c.github.io/IndexedDB/#convert-a-value-to-a-key-range
 * @param {unknown} value
 * @param {boolean} nullDisallowed
 */
function convertToRange(value, nullDisallowed) {
  const range = rangeOf(value);
  if (range !== undefined) return range;
  if (value === undefined || value === null) {
    if (nullDisallowed) throw exception('DataError', 'No key or key range specified');
    return UNBOUNDED;
  }
  return only(keyFromValue(value));
}

module.exports = { Range, only, convertToRange, isPotentiallyValidKeyRange, setRangeOf };

'use strict';

// Conversions of arguments and the shape of interfaces: https://webidl.spec.whatwg.org/

const { append } = require('../../common/intrinsics.js');

/** Only this module's users can construct the interfaces that have no constructor of their own. */
const INTERNAL = Symbol('internal');

/** @param {unknown} token */
function assertConstructible(token) {
  if (token !== INTERNAL) throw new TypeError('Illegal constructor');
}

/**
 * Gives a class the shape of a WebIDL interface: members enumerable, the class named by `Symbol.toStringTag`.
 * @param {Function} constructor
 * @param {string} name
 */
function defineInterface(constructor, name) {
  Object.defineProperty(constructor, 'name', { value: name, configurable: true });
  Object.defineProperty(constructor.prototype, Symbol.toStringTag, { value: name, configurable: true });
  makeEnumerable(constructor.prototype, ['constructor']);
  makeEnumerable(constructor, ['prototype', 'length', 'name']);
}

/**
 * @param {object} object
 * @param {string[]} except
 */
function makeEnumerable(object, except) {
  for (const key of Object.getOwnPropertyNames(object)) {
    if (!except.includes(key)) Object.defineProperty(object, key, { enumerable: true });
  }
}

/**
 * @param {ArrayLike<unknown>} args
 * @param {number} count
 * @param {string} operation
 */
function requireArguments(args, count, operation) {
  if (args.length < count) {
    throw new TypeError(`${operation}: ${count} argument${count === 1 ? '' : 's'} required, but only ${args.length} present`);
  }
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function toDOMString(value) {
  // A template literal, unlike String(), refuses a symbol, as ToString does.
  return typeof value === 'string' ? value : `${/** @type {string} */ (value)}`;
}

/**
 * [EnforceRange] unsigned integer.
 * @param {unknown} value
 * @param {number} max
 * @param {string} what
 */
function enforceRange(value, max, what) {
  const number = Math.trunc(+(/** @type {number} */ (value)));
  if (!(number >= 0 && number <= max)) throw new TypeError(`${what}: expected an integer from 0 to ${max}`);
  return number + 0; // not -0
}

/**
 * [EnforceRange] unsigned long
 * @param {unknown} value
 * @param {string} what
 */
const toUnsignedLong = (value, what) => enforceRange(value, 0xffff_ffff, what);

/**
 * [EnforceRange] unsigned long long
 * @param {unknown} value
 * @param {string} what
 */
const toEnforcedUnsignedLongLong = (value, what) => enforceRange(value, Number.MAX_SAFE_INTEGER, what);

/**
 * unsigned long long, modulo 2^64
 * @param {unknown} value
 */
function toUnsignedLongLong(value) {
  const number = Math.trunc(+(/** @type {number} */ (value)));
  return Number.isFinite(number) ? Number(BigInt.asUintN(64, BigInt(number))) : 0;
}

/**
 * @template {string} T
 * @param {unknown} value
 * @param {readonly T[]} allowed
 * @param {string} what
 * @returns {T}
 */
function toEnum(value, allowed, what) {
  const text = toDOMString(value);
  const found = allowed.find((each) => each === text);
  if (found === undefined) throw new TypeError(`${what}: '${text}' is not one of ${allowed.join(', ')}`);
  return found;
}

/** A dictionary that was not given has no members, whatever is on Object.prototype. */
const NO_MEMBERS = Object.freeze(Object.create(null));

/**
 * A dictionary argument: its members are read, in order, by the caller.
 * @param {unknown} value
 * @param {string} what
 * @returns {Record<string, unknown>}
 */
function toDictionary(value, what) {
  if (value === undefined || value === null) return NO_MEMBERS;
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${what}: expected an object`);
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * (DOMString or sequence<DOMString>)
 * @param {unknown} value
 * @returns {string | string[]}
 */
function toStringOrSequence(value) {
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
    const method = /** @type {Record<symbol, unknown>} */ (value)[Symbol.iterator];
    if (method !== undefined && method !== null) return toSequence(value, method);
  }
  return toDOMString(value);
}

/**
 * @param {unknown} value
 * @param {unknown} method
 */
function toSequence(value, method) {
  if (typeof method !== 'function') throw new TypeError('The value is not iterable');
  /** @type {string[]} */
  const strings = [];
  // The method has been read once already, as the conversion says; reading it again would be observable.
  for (const item of { [Symbol.iterator]: () => method.call(value) }) append(strings, toDOMString(item));
  return strings;
}

module.exports = {
  INTERNAL,
  assertConstructible,
  defineInterface,
  requireArguments,
  toDOMString,
  toUnsignedLong,
  toEnforcedUnsignedLongLong,
  toUnsignedLongLong,
  toEnum,
  toDictionary,
  toStringOrSequence,
};

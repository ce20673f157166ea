'use strict';

/** Checks of arguments: each says which one is wrong and what was expected. */

const { types } = require('node:util');
const { FlowDBError, invalid } = require('./errors.js');
const { INT64_MAX, INT64_MIN } = require('./numbers.js');
const { nearest } = require('./nearest.js');

/** What all options of a call are called in errors. */
const ALL_OPTIONS = 'options';

const VALUE_ENCODINGS = ['any', 'utf8', 'buffer', 'json'];
const KEY_ENCODINGS = ['utf8', 'buffer'];

/** The longest time to live and retention: 1000 years. As flowdb-store has it. What is longer was hardly meant as milliseconds. */
const TTL_MS_MAX = 31_536_000_000_000;
/** The last moment of the year 9999, which some take for never. Microseconds of these days lie far beyond it. */
const EXPIRES_AT_MS_MAX = 253_402_300_799_999;

/** A microsecond, and as many as are a safe integer. */
const DURATION_MS_MIN = 0.001;
const DURATION_MS_MAX = Math.floor(Number.MAX_SAFE_INTEGER / 1000);

/** @param {unknown} value */
function describe(value) {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === 'object') return `an object of type ${Object.prototype.toString.call(value).slice(8, -1)}`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `the bigint ${value}n`;
  return String(value);
}

/** @typedef {{ ttl: number | bigint } | { expiry: number | bigint }} Expiry microseconds from the write on, or since the epoch */

/**
 * @param {string} name
 * @param {unknown} value
 * @param {string} wanted
 */
function expected(name, value, wanted) {
  return invalid(name, `expected ${wanted}, got ${describe(value)}`);
}

/**
 * Refuses names that are not options: a misspelt one would be ignored otherwise. So would a Date, a Snapshot or an AbortSignal in the place of options that has one:
 * their own properties are none. An option that is undefined is not given.
 *
 * @param {any} options
 * @param {readonly string[]} names
 * @param {string} [whole] what the options are called in errors; those that are a part of others have the way to them in the name, and '' has its caller add it
 * @returns {any} the options, or an empty object if there are none
 */
function checkOptions(options, names, whole = ALL_OPTIONS) {
  if (options === undefined) return {};
  if (!isPlain(options)) throw expected(whole, options, 'an object of options');
  for (const name of Object.keys(options)) {
    if (!names.includes(name) && options[name] !== undefined) throw unknownOption(name, names, whole);
  }
  return options;
}

/**
 * @param {unknown} value
 * @returns {boolean} true for literals, instances of classes and objects without a prototype, of any realm; what has a type of its own says so
 */
function isPlain(value) {
  return typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
}

/**
 * @param {string} name
 * @param {readonly string[]} names
 * @param {string} whole the option that it is a part of, if it is one
 */
function unknownOption(name, names, whole) {
  const argument = whole === '' || whole === ALL_OPTIONS ? name : `${whole}.${name}`;
  const meant = nearest(name, names);
  const question = meant === undefined ? '' : ` Did you mean ${meant}?`;
  return invalid(argument, `no such option.${question} There are ${[...names].sort().join(', ')}`);
}

/**
 * What `deleteRange` is given: at least one bound, and none that stands for everything.
 *
 * @param {any} options
 * @param {readonly string[]} bounds
 * @returns {any} the options
 */
function checkDeletion(options, bounds) {
  const checked = checkOptions(options, [...bounds, 'sync']);
  checkGiven(checked, bounds);
  if (bounds.every((name) => checked[name] === undefined)) {
    throw invalid('options', `at least one of ${bounds.join(', ')} is needed; clear() deletes everything`);
  }
  if (checked.prefix?.length === 0) throw invalid('prefix', 'an empty one stands for all keys; clear() deletes everything');
  return checked;
}

/**
 * Elsewhere undefined is as good as nothing. Where something is deleted, a misspelt property would take more than was meant.
 *
 * @param {any} options
 * @param {readonly string[]} names
 */
function checkGiven(options, names) {
  const missing = names.find((name) => name in options && options[name] === undefined);
  if (missing !== undefined) throw expected(missing, undefined, 'a value; leave it out to delete without this bound');
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {boolean} false if it is not given
 */
function checkBoolean(name, value) {
  if (value !== undefined && typeof value !== 'boolean') throw expected(name, value, 'true or false');
  return value === true;
}

/**
 * @param {string} name
 * @param {any} value
 * @param {number} min
 * @param {number} max
 * @returns {number | undefined}
 */
function checkInteger(name, value, min, max) {
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw expected(name, value, `an integer from ${min} to ${max}`);
  }
  return value;
}

/**
 * @template {string} T
 * @param {string} name
 * @param {any} value
 * @param {readonly T[]} allowed
 * @param {T} otherwise
 * @returns {T}
 */
function checkChoice(name, value, allowed, otherwise) {
  if (value === undefined) return otherwise;
  if (!allowed.includes(value)) throw expected(name, value, allowed.map((one) => `'${one}'`).join(' or '));
  return value;
}

/**
 * @param {string} name
 * @param {any} value microseconds since the epoch, or a Date
 * @returns {number | bigint | undefined} microseconds since the epoch
 */
function checkTimestamp(name, value) {
  if (value === undefined || Number.isSafeInteger(value)) return value;
  if (typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX) return value;
  if (types.isDate(value)) {
    const milliseconds = Date.prototype.getTime.call(value);
    if (!Number.isNaN(milliseconds)) return toMicroseconds(milliseconds);
  }
  throw expected(name, value, 'microseconds since the epoch as a safe integer or BigInt, or a valid Date');
}

/**
 * @param {any} options with `ttl` or `expiresAt`
 * @returns {Expiry | undefined} microseconds from the start, or since the epoch
 */
function checkExpiry({ ttl, expiresAt }) {
  if (ttl !== undefined && expiresAt !== undefined) throw invalid('expiresAt', 'cannot be combined with ttl');
  if (ttl === 'never') return { expiry: INT64_MAX };
  if (ttl !== undefined) {
    const microseconds = typeof ttl === 'number' && Number.isFinite(ttl) ? toMicroseconds(ttl) : 0;
    if (microseconds <= 0) throw expected('ttl', ttl, "a positive number of milliseconds, or 'never'");
    if (ttl > TTL_MS_MAX) throw expected('ttl', ttl, `at most ${TTL_MS_MAX} milliseconds, which is 1000 years, or 'never' (microseconds?)`);
    return { ttl: microseconds };
  }
  if (expiresAt === undefined) return undefined;
  const time = types.isDate(expiresAt) ? Date.prototype.getTime.call(expiresAt) : expiresAt;
  if (typeof time !== 'number' || !Number.isFinite(time)) {
    throw expected('expiresAt', expiresAt, 'milliseconds since the epoch, or a valid Date');
  }
  if (time > EXPIRES_AT_MS_MAX) throw expected('expiresAt', expiresAt, 'milliseconds since the epoch, or a Date, up to the year 9999 (microseconds?)');
  return { expiry: toMicroseconds(time) };
}

/**
 * @param {number} milliseconds finite, and at most those of a date
 * @returns {number | bigint} exact for all dates; what is before them is as far back as 64 bits reach, which is 292 000 years
 */
function toMicroseconds(milliseconds) {
  const microseconds = Math.round(milliseconds * 1000);
  if (Number.isSafeInteger(microseconds)) return microseconds;
  // Doubles of this size stand further apart than dates do.
  const exact = BigInt(Math.round(milliseconds)) * 1000n;
  return exact < INT64_MIN ? INT64_MIN : exact;
}

/**
 * @param {any} options
 * @param {string} name
 * @param {boolean} otherwise
 */
function checkFlag(options, name, otherwise) {
  return options[name] === undefined ? otherwise : checkBoolean(name, options[name]);
}

/**
 * @param {any} value
 * @param {string} otherwise
 */
function checkValueEncoding(value, otherwise) {
  return checkChoice('valueEncoding', value, VALUE_ENCODINGS, otherwise);
}

/**
 * @param {any} value
 * @param {string} otherwise
 */
function checkKeyEncoding(value, otherwise) {
  return checkChoice('keyEncoding', value, KEY_ENCODINGS, otherwise);
}

/**
 * @param {any} signal
 * @returns {AbortSignal | undefined}
 */
function checkSignal(signal) {
  if (signal === undefined) return undefined;
  const isOne = signal !== null && typeof signal === 'object' && typeof signal.aborted === 'boolean'
    && typeof signal.addEventListener === 'function' && typeof signal.removeEventListener === 'function';
  if (!isOne) throw expected('signal', signal, 'an AbortSignal');
  throwIfAborted(signal);
  return signal;
}

/** @param {AbortSignal | undefined} signal */
function throwIfAborted(signal) {
  if (signal?.aborted) throw new FlowDBError('FLOWDB_ABORTED', 'signal: the call was aborted', { cause: signal.reason });
}

/**
 * @param {any} limit
 * @returns {number}
 */
function checkLimit(limit) {
  if (limit === Infinity) return limit;
  return checkInteger('limit', limit, 0, Number.MAX_SAFE_INTEGER) ?? Infinity;
}

/**
 * @param {string} name
 * @param {any} milliseconds
 * @returns {number | undefined} microseconds
 */
function checkDuration(name, milliseconds) {
  if (milliseconds === undefined) return undefined;
  if (typeof milliseconds !== 'number' || !(milliseconds >= DURATION_MS_MIN && milliseconds <= DURATION_MS_MAX)) {
    throw expected(name, milliseconds, `milliseconds from ${DURATION_MS_MIN}, a microsecond, to ${DURATION_MS_MAX}, which is 285 years`);
  }
  return Math.round(milliseconds * 1000);
}

module.exports = {
  TTL_MS_MAX,
  checkBoolean, checkChoice, checkDeletion, checkDuration, checkExpiry, checkFlag, checkGiven, checkInteger, checkKeyEncoding, checkLimit, checkOptions,
  checkSignal, checkTimestamp, checkValueEncoding, expected, throwIfAborted,
};

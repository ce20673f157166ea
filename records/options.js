'use strict';

/** Checks of arguments: each says which one is wrong and what was expected. */

const path = require('node:path');
const { types } = require('node:util');
const { FlowDBError, invalid } = require('./errors.js');

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const VALUE_ENCODINGS = ['any', 'utf8', 'buffer', 'json'];
const KEY_ENCODINGS = ['utf8', 'buffer'];

/** Sync modes as the native side knows them. */
const SYNC_OS = -1;
const SYNC_ALWAYS = 0;
const SYNC_INTERVAL_MS_MAX = 3_600_000;

/** Longest default time to live: 1000 years. More is a mistake in the unit. */
const TTL_MS_MAX = 31_536_000_000_000;

/** @param {unknown} value */
function describe(value) {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value === 'object') return `an object of type ${Object.prototype.toString.call(value).slice(8, -1)}`;
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {string} wanted
 */
function expected(name, value, wanted) {
  return invalid(name, `expected ${wanted}, got ${describe(value)}`);
}

/**
 * Refuses names that are not options: a misspelt one would be ignored otherwise. An option that is undefined is not given.
 *
 * @param {any} options
 * @param {readonly string[]} names
 * @returns {any} the options, or an empty object if there are none
 */
function checkOptions(options, names) {
  if (options === undefined) return {};
  if (options === null || typeof options !== 'object') throw expected('options', options, 'an object');
  for (const name of Object.keys(options)) {
    if (!names.includes(name) && options[name] !== undefined) throw invalid(name, `no such option; there are ${names.join(', ')}`);
  }
  return options;
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
 * @returns {import('./times.js').Expiry | undefined} microseconds from the start, or since the epoch
 */
function checkExpiry({ ttl, expiresAt }) {
  if (ttl !== undefined && expiresAt !== undefined) throw invalid('expiresAt', 'cannot be combined with ttl');
  if (ttl === 'never') return { expiry: INT64_MAX };
  if (ttl !== undefined) {
    const microseconds = typeof ttl === 'number' && Number.isFinite(ttl) ? toMicroseconds(ttl) : 0;
    if (microseconds <= 0) throw expected('ttl', ttl, "a positive number of milliseconds, or 'never'");
    return { ttl: microseconds };
  }
  if (expiresAt === undefined) return undefined;
  const time = types.isDate(expiresAt) ? Date.prototype.getTime.call(expiresAt) : expiresAt;
  if (typeof time !== 'number' || !Number.isFinite(time)) {
    throw expected('expiresAt', expiresAt, 'milliseconds since the epoch, or a valid Date');
  }
  return { expiry: toMicroseconds(time) };
}

/**
 * @param {number} milliseconds finite
 * @returns {number | bigint} exact for all dates; what is beyond 64 bits is as far as they reach, which is 292 000 years
 */
function toMicroseconds(milliseconds) {
  const microseconds = Math.round(milliseconds * 1000);
  if (Number.isSafeInteger(microseconds)) return microseconds;
  // Doubles of this size stand further apart than dates do.
  const exact = BigInt(Math.round(milliseconds)) * 1000n;
  if (exact > INT64_MAX) return INT64_MAX;
  return exact < INT64_MIN ? INT64_MIN : exact;
}

/**
 * @param {any} sync
 * @returns {number | undefined} as the native side wants it
 */
function checkSync(sync) {
  if (sync === undefined) return undefined;
  if (sync === 'os') return SYNC_OS;
  if (sync === 'always') return SYNC_ALWAYS;
  if (sync === null || typeof sync !== 'object') throw expected('sync', sync, "'os', 'always' or { intervalMs }");
  const { intervalMs } = checkOptions(sync, ['intervalMs']);
  if (intervalMs === undefined) throw expected('sync', sync, "'os', 'always' or { intervalMs }");
  return checkInteger('sync.intervalMs', intervalMs, 1, SYNC_INTERVAL_MS_MAX);
}

/** Settings that are integers, with their ranges. */
const INTEGER_RANGES = {
  cacheBytes: [0, 2 ** 40],
  writeBufferBytes: [64 * 1024, 2 ** 30],
  frozenMemtablesMax: [1, 16],
  blockBytes: [512, 2 ** 20],
  filterBitsPerKey: [0, 32],
  logSegmentBytes: [64 * 1024, 2 ** 32],
  logBytesMax: [64 * 1024, 2 ** 40],
  tableBytesMax: [64 * 1024, 2 ** 30],
  kvBytesMax: [256 * 1024, Number.MAX_SAFE_INTEGER],
  seriesRetentionMs: [1, TTL_MS_MAX],
  seriesBucketMs: [60_000, TTL_MS_MAX],
};

const OPEN_OPTIONS = [
  'path', 'memory', 'createIfMissing', 'readOnly', 'sync', 'compression', 'kvTtlMs', 'seriesTtlMs', ...Object.keys(INTEGER_RANGES),
  'valueEncoding', 'keyEncoding', 'logger',
];

/** What has no number of its own among the times to live. */
const NEVER = -1;

/**
 * @param {any} options
 * @returns {string | undefined} an absolute path: the working directory may change before the directory is opened, and after
 */
function checkPlace({ path: place, memory }) {
  if (checkBoolean('memory', memory)) {
    if (place !== undefined) throw invalid('path', 'a database in memory has none');
    return undefined;
  }
  return checkDirectory('path', place, 'the path of a directory, or memory: true');
}

/**
 * @param {string} name
 * @param {any} place
 * @param {string} [wanted]
 * @returns {string} an absolute path
 */
function checkDirectory(name, place, wanted = 'the path of a directory') {
  if (typeof place !== 'string' || place === '' || place.includes('\0')) throw expected(name, place, wanted);
  return path.resolve(place);
}

/**
 * @param {string} name
 * @param {any} ttl
 * @returns {number | undefined} as the native side wants it
 */
function checkDefaultTtl(name, ttl) {
  if (ttl === 'never') return NEVER;
  if (ttl !== undefined && !(Number.isSafeInteger(ttl) && ttl >= 1 && ttl <= TTL_MS_MAX)) {
    throw expected(name, ttl, `an integer from 1 to ${TTL_MS_MAX}, or 'never'`);
  }
  return ttl;
}

/** @param {any} logger */
function checkLogger(logger) {
  if (logger === undefined) return undefined;
  const isOne = logger !== null && typeof logger === 'object'
    && ['error', 'warn', 'info', 'debug'].every((level) => typeof logger[level] === 'function');
  if (!isOne) throw expected('logger', logger, 'an object with functions error, warn, info and debug');
  return logger;
}

/** @param {any} options */
function checkIntegers(options) {
  const ranges = Object.entries(INTEGER_RANGES);
  return Object.fromEntries(ranges.map(([name, [min, max]]) => [name, checkInteger(name, options[name], min, max)]));
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
 * @param {any} target path, or options
 */
function checkOpen(target) {
  const options = checkOptions(typeof target === 'string' ? { path: target } : target, OPEN_OPTIONS);
  const { compression, sync, valueEncoding, keyEncoding } = options;
  if (checkBoolean('readOnly', options.readOnly) && options.memory) {
    throw invalid('readOnly', 'a new database in memory has nothing to read');
  }
  return {
    native: {
      path: checkPlace(options),
      createIfMissing: checkFlag(options, 'createIfMissing', true),
      readOnly: checkFlag(options, 'readOnly', false),
      syncIntervalMs: checkSync(sync),
      compress: compression === undefined ? undefined : checkChoice('compression', compression, ['lz4', 'none'], 'lz4') === 'lz4',
      kvTtlMs: checkDefaultTtl('kvTtlMs', options.kvTtlMs),
      seriesTtlMs: checkDefaultTtl('seriesTtlMs', options.seriesTtlMs),
      ...checkIntegers(options),
    },
    logger: checkLogger(options.logger),
    valueEncoding: checkValueEncoding(valueEncoding, 'any'),
    keyEncoding: checkKeyEncoding(keyEncoding, 'utf8'),
  };
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
    && typeof signal.addEventListener === 'function';
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
  const microseconds = typeof milliseconds === 'number' ? Math.round(milliseconds * 1000) : 0;
  if (!Number.isSafeInteger(microseconds) || microseconds <= 0) throw expected(name, milliseconds, 'a positive number of milliseconds');
  return microseconds;
}

module.exports = {
  checkBoolean, checkChoice, checkDirectory, checkDuration, checkExpiry, checkFlag, checkGiven, checkKeyEncoding, checkLimit,
  checkOpen, checkOptions, checkSignal, checkTimestamp, checkValueEncoding, expected, throwIfAborted,
};

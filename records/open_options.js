'use strict';

/** What a database is opened with: each check says which setting is wrong and what was expected. */

const { checkDirectory, isUrl } = require('../common/directory_path.js');
const { invalid } = require('../common/errors.js');
const { encodeKey } = require('./keys.js');
const {
  TTL_MS_MAX, checkBoolean, checkChoice, checkInteger, checkKeyEncoding, checkOptions, checkValueEncoding, expected,
} = require('../common/options.js');

/** Sync modes as the native side knows them. */
const SYNC_OS = -1;
const SYNC_ALWAYS = 0;
const SYNC_INTERVAL_MS_MAX = 3_600_000;

/**
 * @param {any} sync
 * @returns {number | undefined} as the native side wants it
 */
function checkSync(sync) {
  if (sync === 'os') return SYNC_OS;
  if (sync === 'always') return SYNC_ALWAYS;
  if (sync === null || typeof sync !== 'object') throw expected('sync', sync, "'os', 'always' or { intervalMs }");
  const { intervalMs } = checkOptions(sync, ['intervalMs'], 'sync');
  if (intervalMs === undefined) throw expected('sync', sync, "'os', 'always' or { intervalMs }");
  return checkInteger('sync.intervalMs', intervalMs, 1, SYNC_INTERVAL_MS_MAX);
}

const BUCKET_MS_MIN = 60_000;
const RETENTION_PREFIXES_MAX = 256;
const RETENTION_PREFIX_BYTES_MAX = 512;

/**
 * Settings that are integers, with their ranges.
 *
 * @type {Record<string, [number, number]>}
 */
const INTEGER_RANGES = {
  blockCacheBytes: [0, 2 ** 40],
  writeBufferBytes: [64 * 1024, 2 ** 30],
  frozenWriteBuffersMax: [1, 16],
  blockBytes: [512, 2 ** 20],
  filterBitsPerKey: [0, 32],
  logSegmentBytes: [64 * 1024, 2 ** 32],
  logBytesMax: [64 * 1024, 2 ** 40],
  tableBytesMax: [64 * 1024, 2 ** 30],
  kvBytesMax: [256 * 1024, Number.MAX_SAFE_INTEGER],
  seriesRetentionMs: [1, TTL_MS_MAX],
  seriesBucketMs: [BUCKET_MS_MIN, TTL_MS_MAX],
};

const INTEGERS = Object.keys(INTEGER_RANGES);

const OPEN_OPTIONS = [
  'path', 'memory', 'createIfMissing', 'readOnly', 'sync', 'compression', 'kvTtlMs', 'seriesTtlMs', ...INTEGERS,
  'seriesRetentionByPrefix', 'valueEncoding', 'keyEncoding', 'logger',
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
  const isOne = logger !== null && typeof logger === 'object'
    && ['error', 'warn', 'info', 'debug'].every((level) => typeof logger[level] === 'function');
  if (!isOne) throw expected('logger', logger, 'an object with functions error, warn, info and debug');
  return logger;
}

/**
 * @param {any} rules
 * @returns {{ prefix: Uint8Array, keepMs: number, bucketMs: number | undefined }[]} as the native side wants them
 */
function checkRetention(rules) {
  if (!Array.isArray(rules)) throw expected('seriesRetentionByPrefix', rules, 'an array of { prefix, ms, bucketMs }');
  if (rules.length > RETENTION_PREFIXES_MAX) throw invalid('seriesRetentionByPrefix', `has ${rules.length} prefixes; the limit is ${RETENTION_PREFIXES_MAX}`);
  // Not `map`, which goes past what is missing in an array.
  return Array.from(rules, (rule, index) => checkRetentionRule(rule, `seriesRetentionByPrefix[${index}]`));
}

/**
 * @param {any} rule
 * @param {string} name
 */
function checkRetentionRule(rule, name) {
  if (rule === null || typeof rule !== 'object') throw expected(name, rule, 'an object { prefix, ms, bucketMs }');
  const { prefix, ms, bucketMs } = checkOptions(rule, ['prefix', 'ms', 'bucketMs'], name);
  const bytes = Buffer.from(encodeKey(prefix, `${name}.prefix`));
  if (bytes.length > RETENTION_PREFIX_BYTES_MAX) {
    throw invalid(`${name}.prefix`, `is ${bytes.length} bytes long; the limit is ${RETENTION_PREFIX_BYTES_MAX}`);
  }
  if (ms === undefined) throw expected(`${name}.ms`, ms, `an integer from 1 to ${TTL_MS_MAX}, or 'never'`);
  return {
    prefix: bytes,
    keepMs: /** @type {number} */ (checkDefaultTtl(`${name}.ms`, ms)),
    bucketMs: checkInteger(`${name}.bucketMs`, bucketMs, BUCKET_MS_MIN, TTL_MS_MAX),
  };
}

/** @param {any} options */
function checkIntegers(options) {
  /** @type {Record<string, number | undefined>} */
  const checked = {};
  for (const name of INTEGERS) {
    const value = options[name];
    if (value !== undefined) checked[name] = checkInteger(name, value, ...INTEGER_RANGES[name]);
  }
  return checked;
}

/**
 * Most settings are not given, and their checks do not run then: a function that runs for the first time is compiled first, which takes
 * a good part of the time that opening needs of this thread.
 *
 * @template T
 * @param {any} value
 * @param {(value: any) => T} check
 * @returns {T | undefined}
 */
function ifGiven(value, check) {
  return value === undefined ? undefined : check(value);
}

/**
 * @param {any} target path, URL, or options
 * @param {any} more options, where the target is a path or URL
 */
function placed(target, more) {
  if (typeof target === 'string' || isUrl(target)) {
    const options = checkOptions(more, OPEN_OPTIONS);
    if (options.path !== undefined) throw invalid('path', 'is given twice');
    return { ...options, path: target };
  }
  if (more !== undefined) throw invalid('options', 'only a path can be followed by options');
  return checkOptions(target, OPEN_OPTIONS);
}

/**
 * Refuses what means nothing in memory.
 *
 * @param {any} options
 */
function checkForMemory(options) {
  if (options.readOnly) throw invalid('readOnly', 'a new database in memory has nothing to read');
  const name = ['logSegmentBytes', 'logBytesMax'].find((setting) => options[setting] !== undefined);
  if (name !== undefined) throw invalid(name, 'a database in memory has no log');
}

/**
 * @param {any} target path, URL, or options
 * @param {any} [more] options, where the target is a path or URL
 */
function checkOpen(target, more) {
  const options = placed(target, more);
  const { compression, sync, valueEncoding, keyEncoding } = options;
  const readOnly = checkBoolean('readOnly', options.readOnly);
  if (options.memory === true) checkForMemory(options);
  return {
    native: {
      path: checkPlace(options),
      createIfMissing: ifGiven(options.createIfMissing, (create) => checkBoolean('createIfMissing', create)),
      readOnly,
      syncIntervalMs: ifGiven(sync, checkSync),
      compress: ifGiven(compression, (name) => checkChoice('compression', name, ['lz4', 'none'], 'lz4') === 'lz4'),
      kvTtlMs: ifGiven(options.kvTtlMs, (ttl) => checkDefaultTtl('kvTtlMs', ttl)),
      seriesTtlMs: ifGiven(options.seriesTtlMs, (ttl) => checkDefaultTtl('seriesTtlMs', ttl)),
      ...checkIntegers(options),
      seriesRetentionByPrefix: ifGiven(options.seriesRetentionByPrefix, checkRetention),
    },
    logger: ifGiven(options.logger, checkLogger),
    valueEncoding: checkValueEncoding(valueEncoding, 'any'),
    keyEncoding: checkKeyEncoding(keyEncoding, 'utf8'),
  };
}

module.exports = { checkOpen };

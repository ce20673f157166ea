'use strict';

/** What a database is opened with: each check says which setting is wrong and what was expected. */

const { checkDirectory, isUrl } = require('./directory_path.js');
const { invalid } = require('./errors.js');
const { encodeKey } = require('./keys.js');
const {
  TTL_MS_MAX, checkBoolean, checkChoice, checkFlag, checkInteger, checkKeyEncoding, checkOptions, checkValueEncoding, expected,
} = require('./options.js');

/** Sync modes as the native side knows them. */
const SYNC_OS = -1;
const SYNC_ALWAYS = 0;
const SYNC_INTERVAL_MS_MAX = 3_600_000;

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

const BUCKET_MS_MIN = 60_000;
const RETENTION_PREFIXES_MAX = 256;
const RETENTION_PREFIX_BYTES_MAX = 512;

/** Settings that are integers, with their ranges. */
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

const OPEN_OPTIONS = [
  'path', 'memory', 'createIfMissing', 'readOnly', 'sync', 'compression', 'kvTtlMs', 'seriesTtlMs', ...Object.keys(INTEGER_RANGES),
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
  if (logger === undefined) return undefined;
  const isOne = logger !== null && typeof logger === 'object'
    && ['error', 'warn', 'info', 'debug'].every((level) => typeof logger[level] === 'function');
  if (!isOne) throw expected('logger', logger, 'an object with functions error, warn, info and debug');
  return logger;
}

/**
 * @param {any} rules
 * @returns {{ prefix: Uint8Array, keepMs: number, bucketMs: number | undefined }[] | undefined} as the native side wants them
 */
function checkRetention(rules) {
  if (rules === undefined) return undefined;
  if (!Array.isArray(rules)) throw expected('seriesRetentionByPrefix', rules, 'an array of { prefix, ms, bucketMs }');
  if (rules.length > RETENTION_PREFIXES_MAX) throw invalid('seriesRetentionByPrefix', `has ${rules.length} prefixes; the limit is ${RETENTION_PREFIXES_MAX}`);
  return rules.map((rule, index) => checkRetentionRule(rule, `seriesRetentionByPrefix[${index}]`));
}

/**
 * @param {any} rule
 * @param {string} name
 */
function checkRetentionRule(rule, name) {
  if (rule === null || typeof rule !== 'object') throw expected(name, rule, 'an object { prefix, ms, bucketMs }');
  const { prefix, ms, bucketMs } = checkOptions(rule, ['prefix', 'ms', 'bucketMs']);
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
  const ranges = Object.entries(INTEGER_RANGES);
  return Object.fromEntries(ranges.map(([name, [min, max]]) => [name, checkInteger(name, options[name], min, max)]));
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
 * @param {any} target path, URL, or options
 * @param {any} [more] options, where the target is a path or URL
 */
function checkOpen(target, more) {
  const options = placed(target, more);
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
      seriesRetentionByPrefix: checkRetention(options.seriesRetentionByPrefix),
    },
    logger: checkLogger(options.logger),
    valueEncoding: checkValueEncoding(valueEncoding, 'any'),
    keyEncoding: checkKeyEncoding(keyEncoding, 'utf8'),
  };
}

module.exports = { checkOpen };

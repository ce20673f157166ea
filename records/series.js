'use strict';

const { decodeKey, encodeKey } = require('./keys.js');
const { readInt64 } = require('./numbers.js');
const {
  checkBoolean, checkExpiry, checkInteger, checkKeyEncoding, checkOptions, checkTimestamp, checkValueEncoding, expected,
} = require('./options.js');
const { READ } = require('./reader.js');
const { Scan } = require('./scan.js');
const { TREE, isEmptyWindow, packScan, readRange } = require('./scan_request.js');
const { decodeValue, encodeValue } = require('./values.js');
const { OPERATION } = require('./write_group.js');

const PUT_OPTIONS = ['ts', 'ttl', 'expiresAt', 'sync', 'valueEncoding'];
const SCAN_OPTIONS = [
  'prefix', 'key', 'gt', 'gte', 'lt', 'lte', 'from', 'to', 'reverse', 'limit', 'keyEncoding', 'valueEncoding',
];
const INT64_BYTES = 8;

/** Time series: values by key and timestamp (microseconds); an expiry counts from the timestamp. */
class Series {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * @param {any} key
   * @param {any} value
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async put(key, value, options) {
    this.#session.checkOpen();
    const { sync } = checkOptions(options, PUT_OPTIONS);
    const write = putWrite(key, value, options, this.#session.valueEncoding);
    return this.#session.write([write], checkBoolean('sync', sync));
  }

  /**
   * @param {any} key
   * @param {any} options
   * @returns {Promise<any>}
   */
  async get(key, options) {
    const { ts, encoding } = this.#readGet(options);
    return this.#session.read(READ.getAt, encodeKey(key), ts, (record) => decodeValue(record, encoding));
  }

  /**
   * @param {any} key
   * @param {any} options
   */
  getSync(key, options) {
    const { ts, encoding } = this.#readGet(options);
    return this.#session.readSync(READ.getAt, encodeKey(key), ts, (record) => decodeValue(record, encoding));
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<{ key: any, ts: number | bigint, value: any } | undefined>}
   */
  async latest(key, options) {
    const { valueEncoding } = checkOptions(options, ['valueEncoding']);
    const encoding = checkValueEncoding(valueEncoding, this.#session.valueEncoding);
    const { keyEncoding } = this.#session;
    const keyBytes = Buffer.from(encodeKey(key)); // a copy: the caller may change its own bytes
    return this.#session.read(READ.getLatest, keyBytes, 0, (answer) => {
      const ts = readInt64(answer, 0);
      const value = decodeValue(answer.subarray(INT64_BYTES), encoding);
      return { key: decodeKey(keyBytes, keyEncoding), ts, value };
    });
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async delete(key, options) {
    const checked = checkOptions(options, ['ts', 'sync']);
    const ts = checkTimestamp('ts', checked.ts);
    // Elsewhere undefined is as good as nothing. Here a misspelt property would take the whole series.
    if (ts === undefined && 'ts' in checked) throw expected('ts', ts, 'a timestamp; without it, all values of the key are deleted');
    const operation = ts === undefined ? OPERATION.seriesDeleteAll : OPERATION.seriesDelete;
    return this.#session.write([{ operation, key: encodeKey(key), ts }], checkBoolean('sync', checked.sync));
  }

  /** @param {any} [options] */
  scan(options) {
    this.#session.checkOpen();
    const checked = checkOptions(options, SCAN_OPTIONS);
    const from = checkTimestamp('from', checked.from);
    const to = checkTimestamp('to', checked.to);
    const reverse = checkBoolean('reverse', checked.reverse);
    const range = readRange(checked);
    const request = isEmptyWindow(from, to)
      ? undefined
      : packScan({ tree: TREE.series, range, from, to, reverse, keysOnly: false });
    return new Scan(this.#session, request, checkInteger('limit', checked.limit, 0, Number.MAX_SAFE_INTEGER) ?? Infinity, {
      keyEncoding: checkKeyEncoding(checked.keyEncoding, this.#session.keyEncoding),
      valueEncoding: checkValueEncoding(checked.valueEncoding, this.#session.valueEncoding),
      hasTimestamps: true,
      keys: true,
      values: true,
    });
  }

  /** @param {any} options */
  #readGet(options) {
    const checked = checkOptions(options, ['ts', 'valueEncoding']);
    const ts = checkTimestamp('ts', checked.ts);
    if (ts === undefined) throw expected('ts', ts, 'the timestamp of the value; latest() finds the newest one');
    return { ts, encoding: checkValueEncoding(checked.valueEncoding, this.#session.valueEncoding) };
  }
}

/**
 * @param {any} key
 * @param {any} value
 * @param {any} options
 * @param {string} valueEncoding used unless the options name another
 * @returns {import('./write_group.js').Write}
 */
function putWrite(key, value, options = {}, valueEncoding) {
  const ts = checkTimestamp('ts', options.ts);
  const expiry = checkExpiry(options);
  const encoding = checkValueEncoding(options.valueEncoding, valueEncoding);
  // The value first: encoding it may run code of the caller, who still has the bytes of the key.
  const stored = encodeValue(value, encoding);
  return { operation: OPERATION.seriesPut, key: encodeKey(key), value: stored, ts, expiry };
}

module.exports = { Series, putWrite };

'use strict';

const { encodeKey } = require('./keys.js');
const {
  checkBoolean, checkExpiry, checkInteger, checkKeyEncoding, checkOptions, checkValueEncoding,
  expected,
} = require('./options.js');
const { READ } = require('./reader.js');
const { Scan } = require('./scan.js');
const { TREE, packScan, readRange } = require('./scan_request.js');
const { decodeValue, encodeValue } = require('./values.js');
const { OPERATION } = require('./write_group.js');

const PUT_OPTIONS = ['ttl', 'expiresAt', 'sync', 'valueEncoding'];
const SCAN_OPTIONS = [
  'prefix', 'gt', 'gte', 'lt', 'lte', 'reverse', 'limit', 'keys', 'values', 'keyEncoding', 'valueEncoding',
];
const NO_TIMESTAMP = 0;

/** Cache entries: one value for each key; an expiry counts from the write. */
class Kv {
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
   * @param {any} [options]
   * @returns {Promise<any>}
   */
  async get(key, options) {
    const encoding = this.#valueEncoding(options);
    return this.#session.read(READ.get, encodeKey(key), NO_TIMESTAMP, (record) => decodeValue(record, encoding));
  }

  /**
   * @param {any} key
   * @param {any} [options]
   */
  getSync(key, options) {
    const encoding = this.#valueEncoding(options);
    return this.#session.readSync(READ.get, encodeKey(key), NO_TIMESTAMP, (record) => decodeValue(record, encoding));
  }

  /**
   * @param {any} key
   * @returns {Promise<boolean>}
   */
  async has(key) {
    return await this.#session.read(READ.get, encodeKey(key), NO_TIMESTAMP, () => true) ?? false;
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async delete(key, options) {
    const { sync } = checkOptions(options, ['sync']);
    return this.#session.write([{ operation: OPERATION.kvDelete, key: encodeKey(key) }], checkBoolean('sync', sync));
  }

  /** @param {any} [options] */
  scan(options) {
    this.#session.checkOpen();
    const checked = checkOptions(options, SCAN_OPTIONS);
    const keys = checked.keys === undefined || checkBoolean('keys', checked.keys);
    const values = checked.values === undefined || checkBoolean('values', checked.values);
    if (!keys && !values) throw expected('values', checked.values, 'true where keys is false: an entry would have nothing in it');
    const request = packScan({
      tree: TREE.kv,
      range: readRange(checked),
      reverse: checkBoolean('reverse', checked.reverse),
      keysOnly: !values,
    });
    return new Scan(this.#session, request, checkInteger('limit', checked.limit, 0, Number.MAX_SAFE_INTEGER) ?? Infinity, {
      keyEncoding: checkKeyEncoding(checked.keyEncoding, this.#session.keyEncoding),
      valueEncoding: checkValueEncoding(checked.valueEncoding, this.#session.valueEncoding),
      hasTimestamps: false,
      keys,
      values,
    });
  }

  /** @param {any} options */
  #valueEncoding(options) {
    const { valueEncoding } = checkOptions(options, ['valueEncoding']);
    return checkValueEncoding(valueEncoding, this.#session.valueEncoding);
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
  const expiry = checkExpiry(options);
  const encoding = checkValueEncoding(options.valueEncoding, valueEncoding);
  // The value first: encoding it may run code of the caller, who still has the bytes of the key.
  const stored = encodeValue(value, encoding);
  return { operation: OPERATION.kvPut, key: encodeKey(key), value: stored, expiry };
}

module.exports = { Kv, putWrite };

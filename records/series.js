'use strict';

const { types } = require('node:util');
const { aggregate, checkFunctions } = require('./aggregate.js');
const { CHANGE, packChange } = require('./changes.js');
const { FlowDBError, invalid } = require('../common/errors.js');
const { readRange } = require('./key_range.js');
const { checkKey, decodeKey, encodeKey } = require('./keys.js');
const { putIfAbsent } = require('./kv.js');
const { INT64_BYTES, INT64_MAX, readInt64 } = require('../common/numbers.js');
const {
  checkBoolean, checkChoice, checkDeletion, checkDuration, checkExpiry, checkFlag, checkGiven, checkKeyEncoding, checkLimit, checkOptions,
  checkSignal, checkTimestamp, checkValueEncoding, expected,
} = require('../common/options.js');
const { READ } = require('./reader.js');
const { Scan, count } = require('./scan.js');
const { TREE, isEmptyWindow, packScan } = require('./scan_request.js');
const { Snapshot } = require('./snapshot.js');
const { DECODERS, decodeValue, encodeValue } = require('./values.js');
const { OPERATION } = require('./write_buffer.js');

const PUT_OPTIONS = ['ts', 'ttl', 'expiresAt', 'sync', 'duplicates', 'valueEncoding'];
const KEYS_OPTIONS = ['prefix', 'key', 'gt', 'gte', 'lt', 'lte'];
const RANGE_OPTIONS = [...KEYS_OPTIONS, 'from', 'to'];
const SOURCE_OPTIONS = ['snapshot', 'signal'];
const SHAPE_OPTIONS = ['keyEncoding', 'valueEncoding'];
const SCAN_OPTIONS = [...RANGE_OPTIONS, 'reverse', 'limit', 'values', ...SHAPE_OPTIONS, ...SOURCE_OPTIONS];
const LATEST_OPTIONS = [...KEYS_OPTIONS, 'at', 'reverse', 'limit', ...SHAPE_OPTIONS, ...SOURCE_OPTIONS];
const AGGREGATE_OPTIONS = [...RANGE_OPTIONS, 'window', 'agg', 'field', ...SHAPE_OPTIONS, ...SOURCE_OPTIONS];

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
   * @returns {Promise<any>}
   */
  async put(key, value, options) {
    this.#session.checkOpen();
    const { sync, duplicates } = checkOptions(options, PUT_OPTIONS);
    const policy = checkChoice('duplicates', duplicates, ['last', 'first', 'error'], 'last');
    const write = putWrite(key, value, options, this.#session.valueEncoding);
    if (policy === 'last') return this.#session.write(write, checkBoolean('sync', sync));
    // Without a timestamp it gets one that nothing else has.
    const isNew = write.ts === undefined
      ? this.#session.write(write, checkBoolean('sync', sync)).then(() => true)
      : putIfAbsent(this.#session, write, checkBoolean('sync', sync));
    if (policy === 'first') return isNew;
    if (!await isNew) throw new FlowDBError('FLOWDB_CONFLICT', `ts: the series has a value at ${write.ts}`, { argument: 'ts' });
    return undefined;
  }

  /**
   * @param {any} key
   * @param {any} options or the timestamp itself
   * @returns {Promise<any>}
   */
  async get(key, options) {
    const { ts, encoding, past } = this.#readGet(options);
    return this.#session.read(READ.getAt, checkKey(key), ts, DECODERS[encoding], past);
  }

  /**
   * @param {any} key
   * @param {any} options or the timestamp itself
   */
  getSync(key, options) {
    const { ts, encoding, past } = this.#readGet(options);
    return this.#session.readSync(READ.getAt, checkKey(key), ts, DECODERS[encoding], past);
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<{ key: any, ts: number | bigint, value: any } | undefined>}
   */
  async latest(key, options) {
    const { at, snapshot, ...rest } = checkOptions(options, ['at', 'snapshot', ...SHAPE_OPTIONS]);
    const { keyEncoding, valueEncoding } = this.#encodings(rest);
    const past = Snapshot.readerOf(snapshot, this.#session);
    const time = checkTimestamp('at', at) ?? INT64_MAX;
    const keyBytes = Buffer.from(encodeKey(key)); // a copy: the caller may change its own bytes
    return this.#session.read(READ.getLatest, keyBytes, time, (answer, start, end) => {
      const ts = readInt64(answer, start);
      const value = decodeValue(answer, valueEncoding, start + INT64_BYTES, end);
      return { key: decodeKey(keyBytes, keyEncoding), ts, value };
    }, past);
  }

  /**
   * @param {any} [options]
   * @returns {Promise<any[]>}
   */
  async latestOfEach(options) {
    const checked = checkOptions(options, LATEST_OPTIONS);
    const range = readRange(checked);
    const reverse = checkBoolean('reverse', checked.reverse);
    const last = checkTimestamp('at', checked.at);
    const shape = { ...this.#encodings(checked), hasTimestamps: true, keys: true, values: true };
    const request = packScan({ tree: TREE.series, range, last, reverse, keysOnly: false });
    return new Scan(this.#session, request, checkLimit(checked.limit), shape, this.#source(checked), newestOfEach).all();
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async delete(key, options) {
    const checked = checkOptions(options, ['ts', 'from', 'to', 'sync']);
    const sync = checkBoolean('sync', checked.sync);
    checkGiven(checked, ['ts', 'from', 'to']);
    const ts = checkTimestamp('ts', checked.ts);
    const { from, to } = checked;
    if (from !== undefined || to !== undefined) {
      if (ts !== undefined) throw invalid('ts', 'cannot be combined with from and to');
      await this.#deleteRange({ key: encodeKey(key), from, to, sync });
      return;
    }
    const operation = ts === undefined ? OPERATION.seriesDeleteAll : OPERATION.seriesDelete;
    await this.#session.write({ operation, key: checkKey(key), ts }, sync);
  }

  /**
   * @param {any} options
   * @returns {Promise<void>}
   */
  async deleteRange(options) {
    await this.#deleteRange(checkDeletion(options, RANGE_OPTIONS));
  }

  /**
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async clear(options) {
    const { sync } = checkOptions(options, ['sync']);
    await this.#deleteRange({ sync });
  }

  /** @param {any} [options] */
  scan(options) {
    return Scan.from(this.#session, () => this.#scan(options));
  }

  /** @param {any} options */
  #scan(options) {
    this.#session.checkOpen();
    const checked = checkOptions(options, SCAN_OPTIONS);
    const values = checkFlag(checked, 'values', true);
    const request = packRange(checked, { reverse: checkBoolean('reverse', checked.reverse), keysOnly: !values });
    const shape = { ...this.#encodings(checked), hasTimestamps: true, keys: true, values };
    return new Scan(this.#session, request, checkLimit(checked.limit), shape, this.#source(checked));
  }

  /**
   * @param {any} [options]
   * @returns {Promise<number>}
   */
  async count(options) {
    const checked = checkOptions(options, [...RANGE_OPTIONS, ...SOURCE_OPTIONS]);
    return count(this.#session, packRange(checked, { reverse: false, keysOnly: true }), this.#source(checked));
  }

  /**
   * @param {any} options
   * @returns {Promise<any[]>}
   */
  async aggregate(options) {
    const checked = checkOptions(options, AGGREGATE_OPTIONS);
    const { field = '' } = checked;
    if (typeof field !== 'string') throw expected('field', field, 'names of properties, joined by periods');
    const { keyEncoding, valueEncoding } = this.#encodings(checked);
    const agg = checkFunctions(checked.agg);
    const step = checkDuration('window', checked.window);
    const request = packRange(checked, { reverse: false, keysOnly: false });
    const source = this.#source(checked);
    this.#session.checkOpen();
    if (request === undefined) return [];
    return aggregate(this.#session, request, { agg, step, field, isJson: valueEncoding === 'json', keyEncoding }, source);
  }

  /** @param {any} options */
  async #deleteRange(options) {
    const request = packRange(options, { reverse: false, keysOnly: true });
    this.#session.checkOpen();
    if (request === undefined) return;
    await this.#session.change(packChange(CHANGE.deleteRange, {}, request), checkBoolean('sync', options.sync));
  }

  /** @param {any} options */
  #readGet(options) {
    const isTimestamp = typeof options !== 'object' || types.isDate(options);
    const checked = checkOptions(isTimestamp && options !== undefined ? { ts: options } : options, ['ts', 'valueEncoding', 'snapshot']);
    const ts = checkTimestamp('ts', checked.ts);
    if (ts === undefined) throw expected('ts', ts, 'the timestamp of the value; latest() finds the newest one');
    const past = Snapshot.readerOf(checked.snapshot, this.#session);
    return { ts, encoding: checkValueEncoding(checked.valueEncoding, this.#session.valueEncoding), past };
  }

  /** @param {any} options */
  #encodings({ keyEncoding, valueEncoding }) {
    return {
      keyEncoding: checkKeyEncoding(keyEncoding, this.#session.keyEncoding),
      valueEncoding: checkValueEncoding(valueEncoding, this.#session.valueEncoding),
    };
  }

  /** @param {any} options */
  #source({ snapshot, signal }) {
    return { past: Snapshot.readerOf(snapshot, this.#session), signal: checkSignal(signal) };
  }
}

/**
 * @param {import('./native.js').NativeReader} view
 * @param {Buffer} request
 */
function newestOfEach(view, request) {
  return view.newestOfEach(request);
}

/**
 * @param {any} options
 * @param {{ reverse: boolean, keysOnly: boolean }} how
 * @returns {Buffer | undefined} undefined where no moment is in the window
 */
function packRange(options, how) {
  const from = checkTimestamp('from', options.from);
  const to = checkTimestamp('to', options.to);
  const range = readRange(options);
  return isEmptyWindow(from, to) ? undefined : packScan({ tree: TREE.series, range, from, to, ...how });
}

/**
 * @param {any} key
 * @param {any} value
 * @param {any} options
 * @param {string} valueEncoding used unless the options name another
 * @returns {import('./write_buffer.js').Write}
 */
function putWrite(key, value, options = {}, valueEncoding) {
  const ts = checkTimestamp('ts', options.ts);
  const expiry = checkExpiry(options);
  const encoding = checkValueEncoding(options.valueEncoding, valueEncoding);
  // The value first: encoding it may run code of the caller, who still has the bytes of the key.
  const stored = encodeValue(value, encoding);
  return { operation: OPERATION.seriesPut, key: checkKey(key), value: stored, ts, expiry };
}

module.exports = { Series, putWrite };

'use strict';

const { CHANGE, packChange, sized } = require('./changes.js');
const { about, invalid } = require('../common/errors.js');
const { readRange } = require('./key_range.js');
const { checkKey, encodeKey } = require('./keys.js');
const { Loads } = require('./loads.js');
const { INT64_MAX, INT64_MIN } = require('../common/numbers.js');
const {
  checkBoolean, checkDeletion, checkExpiry, checkFlag, checkKeyEncoding, checkLimit, checkOptions, checkSignal, checkValueEncoding,
  expected,
} = require('../common/options.js');
const { copyOf, merging, patch } = require('./patch.js');
const { READ, packGets } = require('./reader.js');
const { Scan, count } = require('./scan.js');
const { TREE, packScan } = require('./scan_request.js');
const { Snapshot } = require('./snapshot.js');
const { DECODERS, FORM_VALUE, decodeValue, encodeValue, toRecord } = require('./values.js');
const { OPERATION } = require('./write_buffer.js');

const PUT_OPTIONS = ['ttl', 'expiresAt', 'sync', 'ifAbsent', 'valueEncoding'];
const CHANGE_OPTIONS = ['ttl', 'expiresAt', 'sync', 'valueEncoding'];
const READ_OPTIONS = ['valueEncoding', 'snapshot'];
const RANGE_OPTIONS = ['prefix', 'gt', 'gte', 'lt', 'lte'];
const SCAN_OPTIONS = [
  ...RANGE_OPTIONS, 'reverse', 'limit', 'keys', 'values', 'keyEncoding', 'valueEncoding', 'snapshot', 'signal',
];
const NO_TIMESTAMP = 0;

/** Cache entries: one value for each key; an expiry counts from the write. */
class Kv {
  #session;
  /** @type {Loads | undefined} made when it is needed first */
  #loads;

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
  put(key, value, options) {
    // Not an async function: it would make a promise of its own for each put of a group.
    try {
      return this.#put(key, value, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * @param {any} key
   * @param {any} value
   * @param {any} options
   * @returns {Promise<any>}
   */
  #put(key, value, options) {
    this.#session.checkOpen();
    const { sync, ifAbsent } = checkOptions(options, PUT_OPTIONS);
    const write = putWrite(key, value, options, this.#session.valueEncoding);
    if (checkBoolean('ifAbsent', ifAbsent)) return putIfAbsent(this.#session, write, checkBoolean('sync', sync));
    return this.#session.write(write, checkBoolean('sync', sync));
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<any>}
   */
  async get(key, options) {
    const { encoding, past } = this.#readOptions(options);
    return this.#session.read(READ.get, checkKey(key), NO_TIMESTAMP, DECODERS[encoding], past);
  }

  /**
   * @param {any} key
   * @param {any} [options]
   */
  getSync(key, options) {
    const { encoding, past } = this.#readOptions(options);
    return this.#session.readSync(READ.get, checkKey(key), NO_TIMESTAMP, DECODERS[encoding], past);
  }

  /**
   * @param {any} keys
   * @param {any} [options]
   * @returns {Promise<any[]>}
   */
  async getMany(keys, options) {
    this.#session.checkOpen();
    const { encoding, past } = this.#readOptions(options);
    if (!Array.isArray(keys)) throw expected('keys', keys, 'an array');
    const { requests, count: wanted } = packGets(keys);
    return wanted === 0 ? [] : this.#session.readMany(requests, wanted, DECODERS[encoding], past);
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<boolean>}
   */
  async has(key, options) {
    const { snapshot } = checkOptions(options, ['snapshot']);
    const past = Snapshot.readerOf(snapshot, this.#session);
    return await this.#session.read(READ.get, checkKey(key), NO_TIMESTAMP, () => true, past) ?? false;
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async delete(key, options) {
    const { sync } = checkOptions(options, ['sync']);
    return this.#session.write({ operation: OPERATION.kvDelete, key: checkKey(key) }, checkBoolean('sync', sync));
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

  /**
   * @param {any} key
   * @param {any} change
   * @param {any} [options]
   * @returns {Promise<any>}
   */
  async patch(key, change, options) {
    const checked = this.#changeOptions(options);
    if (typeof change !== 'function' && Object.prototype.toString.call(change) !== '[object Object]') {
      throw expected('changes', change, 'a function, or an object of fields');
    }
    const decide = typeof change === 'function' ? change : merging(copyOf(change, checked.encoding));
    return patch(this.#session, Buffer.from(encodeKey(key)), decide, checked);
  }

  /**
   * @param {any} key
   * @param {any} wanted
   * @param {any} value
   * @param {any} [options]
   * @returns {Promise<boolean>}
   */
  async compareAndSet(key, wanted, value, options) {
    // Undefined stands for nothing, but what is left out is forgotten.
    if (arguments.length < 3) throw invalid(arguments.length < 2 ? 'expected' : 'value', 'is missing; undefined stands for no value');
    const { encoding, expiry, sync } = this.#changeOptions(options);
    const [before, after] = [recordOf('expected', wanted, encoding), recordOf('value', value, encoding)];
    const change = packChange(CHANGE.compareAndSet, { expiry }, sized(encodeKey(key)), sized(before), after);
    const [isSet] = await this.#session.change(change, sync);
    return isSet === 1;
  }

  /**
   * @param {any} key
   * @param {any} [delta]
   * @param {any} [options]
   * @returns {Promise<number | bigint>}
   */
  async increment(key, delta = 1, options = undefined) {
    const { encoding, expiry, sync } = this.#changeOptions(options);
    const isJson = encoding === 'json';
    if (!isJson && encoding !== 'any') throw invalid('valueEncoding', `a number cannot be stored as '${encoding}'; give 'any' or 'json'`);
    const { bytes } = encodeValue(checkDelta(delta, isJson), 'any');
    const change = packChange(CHANGE.increment, { expiry }, sized(encodeKey(key)), Buffer.of(isJson ? 1 : 0), bytes);
    const sum = await this.#session.change(change, sync).catch((error) => { throw about('key', error); });
    return decodeValue(Buffer.concat([Buffer.of(FORM_VALUE), sum]), 'any');
  }

  /**
   * @param {any} key
   * @param {any} loader
   * @param {any} [options]
   * @returns {Promise<any>}
   */
  async getOrSet(key, loader, options) {
    this.#session.checkOpen();
    const { signal, ...rest } = checkOptions(options, [...CHANGE_OPTIONS, 'signal']);
    const checked = { ...this.#changeOptions(rest), signal: checkSignal(signal) };
    if (typeof loader !== 'function') throw expected('loader', loader, 'a function');
    const bytes = Buffer.from(encodeKey(key));
    const found = await this.#cached(bytes, checked.encoding);
    if (found !== undefined) return found;
    this.#loads ??= new Loads(this.#session, (cached, encoding) => this.#cached(cached, encoding));
    return this.#loads.join(bytes, loader, checked);
  }

  /**
   * @param {Buffer} key
   * @param {string} encoding
   */
  #cached(key, encoding) {
    return this.#session.read(READ.get, key, NO_TIMESTAMP, DECODERS[encoding]);
  }

  /** @param {any} [options] */
  scan(options) {
    return Scan.from(this.#session, () => this.#scan(options));
  }

  /** @param {any} options */
  #scan(options) {
    this.#session.checkOpen();
    const checked = checkOptions(options, SCAN_OPTIONS);
    const keys = checkFlag(checked, 'keys', true);
    const values = checkFlag(checked, 'values', true);
    if (!keys && !values) throw expected('values', checked.values, 'true where keys is false: an entry would have nothing in it');
    const request = packScan({
      tree: TREE.kv,
      range: readRange(checked),
      reverse: checkBoolean('reverse', checked.reverse),
      keysOnly: !values,
    });
    return new Scan(this.#session, request, checkLimit(checked.limit), {
      keyEncoding: checkKeyEncoding(checked.keyEncoding, this.#session.keyEncoding),
      valueEncoding: checkValueEncoding(checked.valueEncoding, this.#session.valueEncoding),
      hasTimestamps: false,
      keys,
      values,
    }, { past: Snapshot.readerOf(checked.snapshot, this.#session), signal: checkSignal(checked.signal) });
  }

  /**
   * @param {any} [options]
   * @returns {Promise<number>}
   */
  async count(options) {
    const checked = checkOptions(options, [...RANGE_OPTIONS, 'snapshot', 'signal']);
    const request = packScan({ tree: TREE.kv, range: readRange(checked), reverse: false, keysOnly: true });
    const past = Snapshot.readerOf(checked.snapshot, this.#session);
    return count(this.#session, request, { past, signal: checkSignal(checked.signal) });
  }

  /** @param {any} options */
  async #deleteRange(options) {
    const request = packScan({ tree: TREE.kv, range: readRange(options), reverse: false, keysOnly: true });
    await this.#session.change(packChange(CHANGE.deleteRange, {}, request), checkBoolean('sync', options.sync));
  }

  /** @param {any} options */
  #readOptions(options) {
    if (options === undefined) return { encoding: this.#session.valueEncoding, past: undefined };
    const { valueEncoding, snapshot } = checkOptions(options, READ_OPTIONS);
    const encoding = checkValueEncoding(valueEncoding, this.#session.valueEncoding);
    return { encoding, past: Snapshot.readerOf(snapshot, this.#session) };
  }

  /** @param {any} options */
  #changeOptions(options) {
    this.#session.checkOpen();
    const { sync, valueEncoding, ...expiry } = checkOptions(options, CHANGE_OPTIONS);
    return {
      encoding: checkValueEncoding(valueEncoding, this.#session.valueEncoding),
      expiry: checkExpiry(expiry),
      sync: checkBoolean('sync', sync),
    };
  }
}

/**
 * @param {any} key
 * @param {any} value
 * @param {any} options
 * @param {string} valueEncoding used unless the options name another
 * @returns {import('./write_buffer.js').Write}
 */
function putWrite(key, value, options = {}, valueEncoding) {
  const expiry = checkExpiry(options);
  const encoding = checkValueEncoding(options.valueEncoding, valueEncoding);
  // The value first: encoding it may run code of the caller, who still has the bytes of the key.
  const stored = encodeValue(value, encoding);
  return { operation: OPERATION.kvPut, key: checkKey(key), value: stored, expiry };
}

/**
 * @param {import('./session.js').Session} session
 * @param {import('./write_buffer.js').Write} write a put
 * @param {boolean} sync
 * @returns {Promise<boolean>} false if there is a record already
 */
async function putIfAbsent(session, { key, value, ts, expiry }, sync) {
  const record = toRecord(/** @type {import('./values.js').StoredValue} */ (value));
  const inTheWay = await session.change(packChange(CHANGE.putIfAbsent, { ts, expiry }, sized(encodeKey(key)), record), sync);
  return inTheWay.length === 0;
}

/**
 * @param {any} delta
 * @param {boolean} isJson
 * @returns {number | bigint}
 */
function checkDelta(delta, isJson) {
  if (Number.isFinite(delta)) return delta;
  if (isJson) throw expected('delta', delta, "a finite number: with the valueEncoding 'json' there are no BigInts");
  if (typeof delta !== 'bigint' || delta < INT64_MIN || delta > INT64_MAX) throw expected('delta', delta, 'a finite number, or a BigInt of 64 bits');
  return delta;
}

/**
 * @param {string} argument
 * @param {any} value
 * @param {string} encoding
 * @returns {Buffer} empty for undefined
 */
function recordOf(argument, value, encoding) {
  return value === undefined ? Buffer.alloc(0) : toRecord(encodeValue(value, encoding, argument));
}

module.exports = { Kv, putIfAbsent, putWrite };

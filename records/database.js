'use strict';

const { readBatch } = require('./batch.js');
const { invalid } = require('./errors.js');
const { Kv } = require('./kv.js');
const { checkBoolean, checkOpen, checkOptions } = require('./options.js');
const { Series } = require('./series.js');
const { Session } = require('./session.js');

/** Only `open` makes databases. */
const CONSTRUCT = Symbol('construct');

/**
 * An open database: one handle of one directory. Threads and callers that open the same directory in the same process
 * share what is behind it.
 */
class Database {
  #session;

  /**
   * @param {symbol} key
   * @param {Session} session
   */
  constructor(key, session) {
    if (key !== CONSTRUCT) throw invalid('Database', 'use open() instead of new');
    this.#session = session;
    this.kv = new Kv(session);
    this.series = new Series(session);
  }

  /**
   * @param {any} key
   * @param {any} value
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  put(key, value, options) {
    return this.#pick(options).put(key, value, options);
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<any>}
   */
  get(key, options) {
    return this.#pick(options).get(key, options);
  }

  /**
   * @param {any} key
   * @param {any} [options]
   */
  getSync(key, options) {
    return this.#pick(options).getSync(key, options);
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  delete(key, options) {
    return this.#pick(options).delete(key, options);
  }

  /** @param {any} [options] */
  scan(options) {
    return this.#pick(options).scan(options);
  }

  /**
   * @param {any} operations
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async batch(operations, options) {
    this.#session.checkOpen();
    const { sync } = checkOptions(options, ['sync']);
    const writes = readBatch(operations, this.#session.valueEncoding);
    if (writes.length > 0) await this.#session.write(writes, checkBoolean('sync', sync));
  }

  /** @returns {Promise<void>} */
  async flush() {
    await this.#session.flush();
  }

  async stats() {
    const { sequence, logSegments, trees } = this.#session.stats();
    return { sequence, logSegments, trees: Object.fromEntries(trees.map(({ name, ...numbers }) => [name, numbers])) };
  }

  /** @returns {Promise<void>} */
  close() {
    return this.#session.close();
  }

  get [Symbol.toStringTag]() {
    return 'Database';
  }

  /**
   * An option that only series have selects them.
   *
   * @param {any} options
   */
  #pick(options) {
    const { ts, from, to } = options ?? {};
    return ts === undefined && from === undefined && to === undefined ? this.kv : this.series;
  }
}

// Node 18.18 and 20 have the symbol; where it is missing there is no `await using` either.
if (typeof (/** @type {any} */ (Symbol).asyncDispose) === 'symbol') {
  Object.defineProperty(Database.prototype, /** @type {any} */ (Symbol).asyncDispose, {
    value: Database.prototype.close, writable: true, configurable: true,
  });
}

/**
 * Opens a database, and creates it if there is none.
 *
 * @param {any} target
 * @returns {Promise<Database>}
 */
async function open(target) {
  const { native: options, valueEncoding, keyEncoding } = checkOpen(target);
  const native = require('../binding.js');
  return new Database(CONSTRUCT, await Session.open(native, options, { valueEncoding, keyEncoding }));
}

module.exports = { Database, open };

'use strict';

const { packBatch, recycle } = require('./batch.js');
const { guardedLater, invalid } = require('./errors.js');
const { Kv } = require('./kv.js');
const { checkDirectory, checkOpen } = require('./open_options.js');
const { checkBoolean, checkOptions, checkSignal } = require('./options.js');
const { Series } = require('./series.js');
const { Session } = require('./session.js');
const { Snapshot } = require('./snapshot.js');

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
    const packed = packBatch(operations, this.#session.valueEncoding);
    const written = packed.count === 0 ? undefined : this.#session.writeAll(packed, checkBoolean('sync', sync));
    recycle(packed);
    await written;
  }

  /** @returns {Promise<void>} */
  async flush() {
    await this.#session.flush();
  }

  /**
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async compact(options) {
    const { signal } = checkOptions(options, ['signal']);
    await this.#session.compact(checkSignal(signal));
  }

  /**
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async clear(options) {
    await Promise.all([this.kv.clear(options), this.series.clear(options)]);
  }

  /** @returns {Promise<Snapshot>} */
  async snapshot() {
    return new Snapshot(this.#session, await this.#session.snapshot());
  }

  /**
   * @param {any} directory
   * @returns {Promise<any>}
   */
  async checkpoint(directory) {
    this.#session.checkOpen();
    const target = checkDirectory('directory', directory);
    if (this.#session.path === undefined) throw invalid('checkpoint', 'a database in memory has no files to copy');
    return this.#session.checkpoint(target);
  }

  /** @returns {Promise<void>} */
  async resume() {
    await this.#session.resume();
  }

  async stats() {
    const { trees, ...numbers } = this.#session.stats();
    const byName = trees.map((/** @type {any} */ { name, ...tree }) => [name, tree]);
    return { ...numbers, trees: Object.fromEntries(byName) };
  }

  /** @returns {Promise<string>} */
  async metricsText() {
    return this.#session.metricsText();
  }

  /** @returns {Promise<void>} */
  close() {
    return this.#session.close();
  }

  get [Symbol.toStringTag]() {
    return 'Database';
  }

  /**
   * @param {any} directory
   * @returns {Promise<any>}
   */
  static async verify(directory) {
    return guardedLater(native().verifyDirectory(checkDirectory('directory', directory)));
  }

  /**
   * @param {any} directory
   * @param {any} into
   * @returns {Promise<any>}
   */
  static async repair(directory, into) {
    return guardedLater(native().repairDirectory(checkDirectory('directory', directory), checkDirectory('into', into)));
  }

  /**
   * @param {any} directory
   * @returns {Promise<void>}
   */
  static async destroy(directory) {
    await guardedLater(native().destroyDirectory(checkDirectory('directory', directory)));
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
  const settings = checkOpen(target);
  return new Database(CONSTRUCT, await Session.open(native(), settings));
}

/**
 * Loaded when it is needed first: a missing library is what `open` rejects with, and can be caught there.
 *
 * @returns {any}
 */
function native() {
  return require('../binding.js');
}

module.exports = { Database, open };

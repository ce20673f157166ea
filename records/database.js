'use strict';

const { stat } = require('node:fs/promises');
const { packBatch, recycle } = require('./batch.js');
const { checkDirectory } = require('../common/directory_path.js');
const { about, guardedLater, invalid } = require('../common/errors.js');
const { Kv } = require('./kv.js');
const { native } = require('./native.js');
const { checkOpen } = require('./open_options.js');
const { checkBoolean, checkOptions, checkSignal } = require('../common/options.js');
const { Scan } = require('./scan.js');
const { Series } = require('./series.js');
const { Session } = require('./session.js');
const { Snapshot } = require('./snapshot.js');

/** Options that say that a series is meant. */
const SERIES_ONLY = ['ts', 'from', 'to'];

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
    return this.#later(options, (records) => records.put(key, value, options));
  }

  /**
   * @param {any} key
   * @param {any} [options]
   * @returns {Promise<any>}
   */
  get(key, options) {
    return this.#later(options, (records) => records.get(key, options));
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
    return this.#later(options, (records) => records.delete(key, options));
  }

  /** @param {any} [options] */
  scan(options) {
    return Scan.from(this.#session, () => this.#pick(options).scan(options));
  }

  /**
   * @param {any} operations
   * @param {any} [options]
   * @returns {Promise<void>}
   */
  async batch(operations, options) {
    this.#session.checkOpen();
    const { sync } = checkOptions(options, ['sync']);
    const isSynced = checkBoolean('sync', sync);
    const packed = packBatch(operations, this.#session.valueEncoding);
    const written = packed.count === 0 ? undefined : this.#session.writeAll(packed, isSynced);
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
    if (this.#session.path === undefined) throw invalid('directory', 'a database in memory has no files to copy');
    const made = this.#session.checkpoint(target).catch((error) => { throw about('directory', error); });
    return inDirectory('directory', target, made);
  }

  /** @returns {Promise<void>} */
  async resume() {
    await this.#session.resume();
  }

  async stats() {
    const { trees, ...numbers } = this.#session.stats();
    const byName = trees.map(({ name, ...tree }) => [name, tree]);
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
    const path = checkDirectory('directory', directory);
    return inDirectory('directory', path, guardedLater(native().verifyDirectory(path)));
  }

  /**
   * @param {any} directory
   * @param {any} into
   * @returns {Promise<any>}
   */
  static async repair(directory, into) {
    const [path, target] = [checkDirectory('directory', directory), checkDirectory('into', into)];
    const repaired = guardedLater(native().repairDirectory(path, target)).catch((error) => { throw about('into', error); });
    return inDirectory('into', target, inDirectory('directory', path, repaired));
  }

  /**
   * @param {any} directory
   * @returns {Promise<void>}
   */
  static async destroy(directory) {
    const path = checkDirectory('directory', directory);
    await inDirectory('directory', path, guardedLater(native().destroyDirectory(path)));
  }

  /**
   * Not an async function: it would make a promise of its own for each call.
   *
   * @param {any} options
   * @param {(records: Kv | Series) => Promise<any>} call
   * @returns {Promise<any>}
   */
  #later(options, call) {
    try {
      return call(this.#pick(options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * An option that only series have selects them. Where one is there and undefined, a property was misspelt or is missing: what was meant
   * for a series would be written to kv, or deleted there.
   *
   * @param {any} options
   */
  #pick(options) {
    if (options === undefined) return this.kv;
    const { ts, from, to } = options ?? {};
    if (ts !== undefined || from !== undefined || to !== undefined) return this.series;
    const undecided = SERIES_ONLY.find((name) => options !== null && typeof options === 'object' && name in options);
    if (undecided === undefined) return this.kv;
    throw invalid(undecided, 'is undefined, so that it is not clear whether the series or kv is meant: leave it out, or call db.series or db.kv');
  }
}

// A test environment may lack the symbol; where it is missing there is no `await using` either.
if (typeof (/** @type {any} */ (Symbol).asyncDispose) === 'symbol') {
  Object.defineProperty(Database.prototype, /** @type {any} */ (Symbol).asyncDispose, {
    value: Database.prototype.close, writable: true, configurable: true,
  });
}

/**
 * Opens a database, and creates it if there is none.
 *
 * @param {any} target
 * @param {any} [options]
 * @returns {Promise<Database>}
 */
async function open(target, options) {
  const settings = checkOpen(target, options);
  const { path } = settings.native;
  const session = Session.open(native(), settings);
  return new Database(CONSTRUCT, await (path === undefined ? session : inDirectory('path', path, session)));
}

/**
 * Says so where a file was named in the place of a directory: what the native side fails with then depends on the system.
 *
 * @template T
 * @param {string} name of the argument
 * @param {string} path
 * @param {Promise<T>} outcome
 * @returns {Promise<T>}
 */
async function inDirectory(name, path, outcome) {
  try {
    return await outcome;
  } catch (error) {
    const isFile = await stat(path).then((stats) => stats.isFile(), () => false);
    throw isFile ? invalid(name, `${path} is a file; expected a directory`, error) : error;
  }
}

module.exports = { Database, open };

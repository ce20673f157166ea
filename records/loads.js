'use strict';

const { CHANGE, packChange, sized } = require('./changes.js');
const { FlowDBError, closed } = require('./errors.js');
const { packUint32 } = require('./numbers.js');
const { throwIfAborted } = require('./options.js');
const { whenAborted } = require('./signals.js');
const { decodeValue, encodeValue, toRecord } = require('./values.js');

/** @typedef {{ resolve: (record: Buffer | undefined) => void, reject: (reason: unknown) => void, takeBack: () => void }} Waiter */

/** A value on its way into the cache, and those who wait for it. The native side knows by its number when it began. */
class Load {
  /** @type {Set<Waiter>} */
  #waiters = new Set();
  #controller = new AbortController();
  #abandon;

  /** The loader has not given anything yet. */
  isRunning = true;

  /**
   * @param {number} number
   * @param {() => void} abandon called when nobody waits for the loader any more
   */
  constructor(number, abandon) {
    this.number = number;
    this.#abandon = abandon;
  }

  /** What the loader is told. */
  get signal() {
    return this.#controller.signal;
  }

  /**
   * @param {AbortSignal} [signal] not aborted yet
   * @returns {Promise<Buffer | undefined>} the record
   */
  join(signal) {
    return new Promise((resolve, reject) => {
      /** @type {Waiter} */
      const waiter = { resolve, reject, takeBack: whenAborted(signal, () => this.#leave(waiter, signal?.reason)) };
      this.#waiters.add(waiter);
    });
  }

  /**
   * @param {Waiter} waiter
   * @param {unknown} reason
   */
  #leave(waiter, reason) {
    this.#waiters.delete(waiter);
    waiter.reject(new FlowDBError('FLOWDB_ABORTED', 'signal: the call was aborted', { cause: reason }));
    if (this.#waiters.size > 0 || !this.isRunning) return;
    this.#abandon();
    this.#controller.abort(reason);
  }

  /** @param {unknown} reason for which the loader is not waited for any more */
  end(reason) {
    this.reject(reason);
    this.#controller.abort(reason);
  }

  /** @param {Buffer | undefined} record */
  resolve(record) {
    for (const waiter of this.#takeWaiters()) waiter.resolve(record);
  }

  /** @param {unknown} reason */
  reject(reason) {
    for (const waiter of this.#takeWaiters()) waiter.reject(reason);
  }

  #takeWaiters() {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const { takeBack } of waiters) takeBack();
    return waiters;
  }
}

/** Loads in flight: at most one for each key of a handle. */
class Loads {
  #session;
  /** @type {Map<string, Load>} by key, a character for each byte */
  #pending = new Map();
  /** @type {Set<Load>} whose loaders run */
  #running = new Set();

  /** @param {import('./session.js').Session} session */
  constructor(session) {
    this.#session = session;
    session.whenClosed(() => this.#end());
  }

  /**
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('./times.js').Expiry | undefined, sync: boolean, signal?: AbortSignal }} options
   * @returns {Promise<any>} what is in the cache then: everyone gets a copy of his own
   */
  async join(key, loader, options) {
    // While the cache was asked, the signal may have been aborted, or the database closed.
    throwIfAborted(options.signal);
    this.#session.checkOpen();
    const name = key.toString('latin1');
    const current = this.#current(name, key);
    const load = current ?? this.#begin(name);
    const joined = load.join(options.signal);
    // Behind that, since a loader may abort the signal or close the database before it returns.
    if (!current) this.#run(name, load, key, loader, options);
    const record = await joined;
    return record && decodeValue(Buffer.from(record), options.encoding);
  }

  /**
   * Who comes after a delete is not to get what was loaded before it.
   *
   * @param {string} name
   * @param {Buffer} key
   * @returns {Load | undefined} the load of the key, if nobody has written to it since it began
   */
  #current(name, key) {
    const load = this.#pending.get(name);
    return load && this.#session.loads.isCurrent(load.number, key) ? load : undefined;
  }

  /**
   * @param {string} name
   * @returns {Load}
   */
  #begin(name) {
    // Of a loader that never settles, nothing else would let go of the moment at which it began.
    const load = new Load(this.#session.loads.begin(), () => this.#forget(name, load));
    this.#pending.set(name, load);
    this.#running.add(load);
    return load;
  }

  /**
   * @param {string} name
   * @param {Load} load
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('./times.js').Expiry | undefined, sync: boolean }} options
   */
  async #run(name, load, key, loader, options) {
    try {
      const value = await this.#call(loader, load);
      load.resolve(await this.#put(load, key, value, options));
    } catch (error) {
      load.reject(error);
    } finally {
      this.#forget(name, load);
    }
  }

  /**
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {Load} load
   */
  async #call(loader, load) {
    try {
      return await loader({ signal: load.signal });
    } finally {
      load.isRunning = false;
      this.#running.delete(load);
    }
  }

  /**
   * @param {Load} load
   * @param {Buffer} key
   * @param {any} value what the loader gave
   * @param {{ encoding: string, expiry: import('./times.js').Expiry | undefined, sync: boolean }} options
   * @returns {Promise<Buffer | undefined>}
   */
  async #put(load, key, value, { encoding, expiry, sync }) {
    if (value === undefined || load.signal.aborted) return undefined;
    const record = toRecord(encodeValue(value, encoding));
    // What someone else has put meanwhile is what all others see, so it is what this answers with. What was deleted meanwhile stays so.
    const change = packChange(CHANGE.putLoaded, { expiry }, sized(key), packUint32(load.number), record);
    const inTheWay = await this.#session.change(change, sync);
    return inTheWay.length > 0 ? inTheWay : record;
  }

  /** What loaders give from here on cannot be put, and some of them never end. */
  #end() {
    for (const load of this.#running) load.end(closed());
  }

  /**
   * @param {string} name
   * @param {Load} load
   */
  #forget(name, load) {
    this.#session.loads.end(load.number);
    if (this.#pending.get(name) === load) this.#pending.delete(name);
  }
}

module.exports = { Loads };

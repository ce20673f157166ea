'use strict';

const { CHANGE, packChange, sized } = require('./changes.js');
const { FlowDBError, closed } = require('../common/errors.js');
const { packUint32 } = require('../common/numbers.js');
const { throwIfAborted } = require('../common/options.js');
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
   * @returns {{ record: Promise<Buffer | undefined>, leave: () => void }} the record, and a way to give it up
   */
  join(signal) {
    /** @type {Waiter} */
    let waiter;
    const record = new Promise((resolve, reject) => {
      const takeBack = whenAborted(signal, () => {
        this.#leave(waiter, signal?.reason);
        reject(new FlowDBError('FLOWDB_ABORTED', 'signal: the call was aborted', { cause: signal?.reason }));
      });
      waiter = { resolve, reject, takeBack };
      this.#waiters.add(waiter);
    });
    const leave = () => {
      waiter.takeBack();
      this.#leave(waiter);
    };
    return { record, leave };
  }

  /**
   * @param {Waiter} waiter
   * @param {unknown} [reason]
   */
  #leave(waiter, reason) {
    this.#waiters.delete(waiter);
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
  #read;
  /** @type {Map<string, Load>} by key, a character for each byte */
  #pending = new Map();
  /** @type {Set<Load>} whose loaders run */
  #running = new Set();

  /**
   * @param {import('./session.js').Session} session
   * @param {(key: Buffer, encoding: string) => Promise<any>} read what is in the cache
   */
  constructor(session, read) {
    this.#session = session;
    this.#read = read;
    session.whenClosed(() => this.#end());
  }

  /**
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('../common/options.js').Expiry | undefined, sync: boolean, signal?: AbortSignal }} options
   * @param {Load} [outdated] one that someone has written to the key since
   * @returns {Promise<any>} what is in the cache then: every caller gets its own copy
   */
  async join(key, loader, options, outdated) {
    // While the cache was asked, the signal may have been aborted, or the database closed.
    throwIfAborted(options.signal);
    this.#session.checkOpen();
    const name = key.toString('latin1');
    const pending = this.#pending.get(name);
    // Who comes after a delete is not to get what was loaded before it.
    const isCurrent = pending && pending !== outdated ? this.#session.loads.isCurrent(pending.number, key) : false;
    if (pending && isCurrent === null) return this.#joinOnceKnown(pending, key, loader, options);
    const current = isCurrent ? pending : undefined;
    const load = current ?? this.#begin(name);
    const { record } = load.join(options.signal);
    // Behind that, since a loader may abort the signal or close the database before it returns.
    if (!current) this.#run(name, load, key, loader, options);
    return valueOf(await record, options.encoding);
  }

  /**
   * Asks a file whether someone has written to the key since the load began: memory cannot tell, after a flush.
   *
   * @param {Load} pending
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('../common/options.js').Expiry | undefined, sync: boolean, signal?: AbortSignal }} options
   * @returns {Promise<any>}
   */
  async #joinOnceKnown(pending, key, loader, options) {
    // At once: it may come to its end meanwhile, or be abandoned by all others.
    const { record, leave } = pending.join(options.signal);
    record.catch(() => {}); // who waits for it hears of it, if anyone does
    if (await this.#session.loads.isCurrentLater(pending.number, key)) return valueOf(await record, options.encoding);
    leave();
    throwIfAborted(options.signal);
    // What came to its end meanwhile, and was put, is there. That put is a write to the key, too.
    const found = this.#pending.get(key.toString('latin1')) === pending ? undefined : await this.#read(key, options.encoding);
    return found === undefined ? this.join(key, loader, options, pending) : found;
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
   * @param {{ encoding: string, expiry: import('../common/options.js').Expiry | undefined, sync: boolean }} options
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
   * @param {{ encoding: string, expiry: import('../common/options.js').Expiry | undefined, sync: boolean }} options
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

/**
 * @param {Buffer | undefined} record
 * @param {string} encoding
 * @returns {any} a copy
 */
function valueOf(record, encoding) {
  return record && decodeValue(Buffer.from(record), encoding);
}

module.exports = { Loads };

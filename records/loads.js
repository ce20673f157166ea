'use strict';

const { CHANGE, packChange, sized } = require('./changes.js');
const { FlowDBError, closed } = require('./errors.js');
const { packUint32 } = require('./numbers.js');
const { throwIfAborted } = require('./options.js');
const { decodeValue, encodeValue, toRecord } = require('./values.js');

/**
 * A value on its way into the cache, and how many wait for it. The native side knows by its number when it began.
 *
 * @typedef {{ number: number, record: Promise<Buffer | undefined>, waiters: number, controller: AbortController }} Load
 */

/** Loads in flight: at most one for each key of a handle. */
class Loads {
  #session;
  /** @type {Map<string, Load>} by key, a character for each byte */
  #pending = new Map();
  /** @type {Set<AbortController>} of the loaders that run */
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
    const load = this.#current(name, key) ?? this.#start(name, key, loader, options);
    const record = await this.#wait(name, load, options.signal);
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
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('./times.js').Expiry | undefined, sync: boolean }} options
   * @returns {Load}
   */
  #start(name, key, loader, options) {
    const controller = new AbortController();
    const number = this.#session.loads.begin();
    const record = this.#run(key, number, () => this.#call(loader, controller), options);
    const load = { number, record, waiters: 0, controller };
    this.#pending.set(name, load);
    const forget = () => {
      this.#session.loads.end(number);
      this.#forget(name, load);
    };
    record.then(forget, forget);
    return load;
  }

  /**
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {AbortController} controller
   */
  async #call(loader, controller) {
    this.#running.add(controller);
    try {
      return await loader({ signal: controller.signal });
    } finally {
      this.#running.delete(controller);
    }
  }

  /**
   * @param {Buffer} key
   * @param {number} number
   * @param {() => any} loader
   * @param {{ encoding: string, expiry: import('./times.js').Expiry | undefined, sync: boolean }} options
   * @returns {Promise<Buffer | undefined>}
   */
  async #run(key, number, loader, { encoding, expiry, sync }) {
    const value = await loader();
    if (value === undefined) return undefined;
    const record = toRecord(encodeValue(value, encoding));
    // What someone else has put meanwhile is what all others see, so it is what this answers with. What was deleted meanwhile stays so.
    const change = packChange(CHANGE.putLoaded, { expiry, sync }, sized(key), packUint32(number), record);
    const inTheWay = await this.#session.change(change);
    return inTheWay.length > 0 ? inTheWay : record;
  }

  /**
   * @param {string} name
   * @param {Load} load
   * @param {AbortSignal} [signal]
   * @returns {Promise<Buffer | undefined>}
   */
  #wait(name, load, signal) {
    load.waiters += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        reject(new FlowDBError('FLOWDB_ABORTED', 'signal: the call was aborted', { cause: signal?.reason }));
        load.waiters -= 1;
        if (load.waiters > 0) return;
        this.#forget(name, load);
        // Of a loader that never settles, nothing would let go of the moment at which it began.
        this.#session.loads.end(load.number);
        load.controller.abort(signal?.reason);
      };
      load.controller.signal.addEventListener('abort', () => reject(load.controller.signal.reason), { once: true });
      signal?.addEventListener('abort', leave, { once: true });
      load.record.then(resolve, reject).finally(() => signal?.removeEventListener('abort', leave));
    });
  }

  /** What loaders give from here on cannot be put, and some of them never end. */
  #end() {
    for (const controller of this.#running) controller.abort(closed());
  }

  /**
   * @param {string} name
   * @param {Load} load
   */
  #forget(name, load) {
    if (this.#pending.get(name) === load) this.#pending.delete(name);
  }
}

module.exports = { Loads };

'use strict';

const { CHANGE, packChange, sized } = require('./changes.js');
const { FlowDBError } = require('./errors.js');
const { decodeValue, encodeValue, toRecord } = require('./values.js');

/**
 * A value on its way into the cache, and how many wait for it.
 *
 * @typedef {{ record: Promise<Buffer | undefined>, waiters: number, controller: AbortController }} Load
 */

/** Loads in flight: at most one for each key of a handle. */
class Loads {
  #session;
  /** @type {Map<string, Load>} by key, a character for each byte */
  #pending = new Map();

  /** @param {import('./session.js').Session} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('./write_group.js').Write['expiry'], sync: boolean, signal?: AbortSignal }} options
   * @returns {Promise<any>} what is in the cache then: everyone gets a copy of his own
   */
  async join(key, loader, options) {
    const name = key.toString('latin1');
    const load = this.#pending.get(name) ?? this.#start(name, key, loader, options);
    const record = await this.#wait(name, load, options.signal);
    return record && decodeValue(record, options.encoding);
  }

  /**
   * @param {string} name
   * @param {Buffer} key
   * @param {(context: { signal: AbortSignal }) => any} loader
   * @param {{ encoding: string, expiry: import('./write_group.js').Write['expiry'], sync: boolean }} options
   * @returns {Load}
   */
  #start(name, key, loader, options) {
    const controller = new AbortController();
    const record = this.#run(key, () => loader({ signal: controller.signal }), options);
    const load = { record, waiters: 0, controller };
    this.#pending.set(name, load);
    const forget = () => this.#forget(name, load);
    record.then(forget, forget);
    return load;
  }

  /**
   * @param {Buffer} key
   * @param {() => any} loader
   * @param {{ encoding: string, expiry: import('./write_group.js').Write['expiry'], sync: boolean }} options
   * @returns {Promise<Buffer | undefined>}
   */
  async #run(key, loader, { encoding, expiry, sync }) {
    const value = await loader();
    if (value === undefined) return undefined;
    const record = toRecord(encodeValue(value, encoding));
    // What someone else has put meanwhile is what all others see, so it is what this answers with.
    const inTheWay = await this.#session.change(packChange(CHANGE.putIfAbsent, { expiry, sync }, sized(key), record));
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
        load.controller.abort(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      load.record.then(resolve, reject).finally(() => signal?.removeEventListener('abort', leave));
    });
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

'use strict';

const { closed, fromNative, guarded, guardedLater } = require('./errors.js');
const { Reader } = require('./reader.js');
const { isOverdue, nextTurn } = require('./turn.js');
const { WriteQueue } = require('./write_queue.js');

/**
 * What `Database`, `Kv`, `Series` and scans share: one native handle, its write queue and reader, and whether it is
 * closed.
 */
class Session {
  #native;
  #writes;
  #reader;
  /** @type {Promise<void> | undefined} */
  #closing;
  /** Calls that were begun and not yet answered. */
  #inFlight = 0;
  /** @type {(() => void) | undefined} */
  #whenQuiet;

  /**
   * @param {any} native
   * @param {WriteQueue} writes
   * @param {{ valueEncoding: string, keyEncoding: string }} encodings
   */
  constructor(native, writes, { valueEncoding, keyEncoding }) {
    this.#native = native;
    this.#writes = writes;
    this.#reader = new Reader(native);
    this.valueEncoding = valueEncoding;
    this.keyEncoding = keyEncoding;
  }

  /**
   * @param {any} native the module
   * @param {any} options for it
   * @param {{ valueEncoding: string, keyEncoding: string }} encodings
   */
  static async open(native, options, encodings) {
    // Held weakly, because the native side holds the callback for as long as the handle lives.
    /** @type {{ queue?: WeakRef<WriteQueue> }} */
    const link = {};
    const store = await guardedLater(native.RecordStore.open(options, () => link.queue?.deref()?.takeSynced()));
    const writes = new WriteQueue(store);
    link.queue = new WeakRef(writes);
    return new Session(store, writes, encodings);
  }

  get isClosed() {
    return this.#closing !== undefined;
  }

  /**
   * @param {import('./write_group.js').Write[]} writes
   * @param {boolean} sync
   * @returns {Promise<void>}
   */
  write(writes, sync) {
    this.checkOpen();
    return this.#writes.add(writes, sync);
  }

  /**
   * Reads one record and turns it into a value before any code of the caller runs. What is in memory is answered at
   * once.
   *
   * @template T
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @param {(answer: Buffer) => T} decode
   * @returns {T | undefined | Promise<T | undefined>}
   */
  read(operation, key, ts, decode) {
    this.checkOpen();
    this.#writes.submit();
    if (this.#writes.isBehind) {
      // The caller may use the bytes of the key again before it is their turn.
      const copy = Buffer.from(key);
      return this.run(() => this.#readNow(operation, copy, ts, decode));
    }
    const answer = this.#readNow(operation, key, ts, decode);
    if (answer instanceof Promise) return this.run(() => answer);
    return isOverdue() ? nextTurn().then(() => answer) : answer;
  }

  /**
   * @template T
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @param {(answer: Buffer) => T} decode
   * @returns {T | undefined | Promise<T | undefined>}
   */
  #readNow(operation, key, ts, decode) {
    const answer = this.#reader.read(operation, key, ts);
    if (answer instanceof Promise) return answer.then((bytes) => bytes && decode(bytes));
    return answer && decode(answer);
  }

  /**
   * @template T
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @param {(answer: Buffer) => T} decode
   * @returns {T | undefined}
   */
  readSync(operation, key, ts, decode) {
    this.checkOpen();
    this.#writes.submit();
    const answer = this.#reader.readSync(operation, key, ts);
    return answer && decode(answer);
  }

  /**
   * Runs a call that has to see all writes before it, and keeps the database open until it is through.
   *
   * @template T
   * @param {() => T | Promise<T>} call
   * @returns {Promise<T>}
   */
  async run(call) {
    this.checkOpen();
    this.#inFlight += 1;
    try {
      this.#writes.submit();
      if (this.#writes.isBehind) await this.#writes.caughtUp();
      return await call();
    } catch (error) {
      throw fromNative(error);
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#whenQuiet?.();
    }
  }

  /**
   * @param {Buffer} request
   */
  openScan(request) {
    return this.#native.scan(request);
  }

  /** @returns {Promise<void>} */
  flush() {
    return this.run(() => this.#native.flush());
  }

  /** @returns {{ sequence: number, logSegments: number, trees: ({ name: string } & Record<string, number>)[] }} */
  stats() {
    this.checkOpen();
    this.#writes.submit();
    return guarded(() => this.#native.stats());
  }

  /** @returns {Promise<void>} the same one each time */
  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    await this.#writes.settled();
    if (this.#inFlight > 0) await new Promise((resolve) => { this.#whenQuiet = () => resolve(undefined); });
    await guardedLater(this.#native.close());
  }

  checkOpen() {
    if (this.isClosed) throw closed();
  }
}

module.exports = { Session };

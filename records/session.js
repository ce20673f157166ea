'use strict';

const { hear, publish } = require('./diagnostics.js');
const { closed, fromNative, guarded, guardedLater } = require('../common/errors.js');
const { attach, detachWith } = require('./logging.js');
const { throwIfAborted } = require('../common/options.js');
const { Reader } = require('./reader.js');
const { whenAborted } = require('./signals.js');
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
  /** @type {Set<() => void>} */
  #closeListeners = new Set();

  /** @type {(() => void) | undefined} if there is a logger */
  #detachLogger;

  /**
   * @param {import('./native.js').NativeStore} native
   * @param {WriteQueue} writes
   * @param {{ path: string | undefined, valueEncoding: string, keyEncoding: string }} settings
   * @param {() => void} [detachLogger]
   */
  constructor(native, writes, { path, valueEncoding, keyEncoding }, detachLogger) {
    this.#native = native;
    this.#writes = writes;
    this.#reader = new Reader(native.reader(), path);
    this.#detachLogger = detachLogger;
    if (detachLogger) detachWith(this, detachLogger);
    this.path = path;
    this.valueEncoding = valueEncoding;
    this.keyEncoding = keyEncoding;
  }

  /**
   * @param {import('./native.js').NativeModule} module
   * @param {ReturnType<typeof import('./open_options.js').checkOpen>} settings
   */
  static async open(module, settings) {
    if (settings.logger === undefined) return Session.#open(module, settings);
    // Before the database is opened: opening has things to say, too.
    const detachLogger = attach(settings.logger, module);
    try {
      return await Session.#open(module, settings, detachLogger);
    } catch (error) {
      detachLogger();
      throw error;
    }
  }

  /**
   * @param {import('./native.js').NativeModule} module
   * @param {ReturnType<typeof import('./open_options.js').checkOpen>} settings
   * @param {() => void} [detachLogger]
   */
  static async #open(module, { native: options, ...encodings }, detachLogger) {
    const { path } = options;
    /** @type {Link} */
    const link = {};
    const callbacks = callbacksOf(link, path);
    const store = await guardedLater(module.RecordStore.open(options, callbacks.onOutcome));
    const writes = new WriteQueue(store, path);
    link.queue = new WeakRef(writes);
    link.store = new WeakRef(store);
    guarded(() => store.listen(callbacks.onNotice));
    publish('open', () => ({ path }));
    return new Session(store, writes, { path, ...encodings }, detachLogger);
  }

  get isClosed() {
    return this.#closing !== undefined;
  }

  /**
   * @param {import('./write_buffer.js').Write} write
   * @param {boolean} sync
   * @returns {Promise<void>} all writes of a turn may have the same one
   */
  write(write, sync) {
    this.checkOpen();
    return this.#writes.add(write, sync);
  }

  /**
   * @param {import('./write_buffer.js').WriteBuffer} writes that land whole or not at all; they are copied
   * @param {boolean} sync
   * @returns {Promise<void>}
   */
  writeAll(writes, sync) {
    this.checkOpen();
    return this.#writes.addAll(writes, sync);
  }

  /**
   * @param {Buffer} change as records/changes.js packs it
   * @param {boolean} sync
   * @returns {Promise<Buffer>} the answer
   */
  change(change, sync) {
    this.checkOpen();
    return this.#writes.change(change, sync);
  }

  /**
   * Reads one record and turns it into a value before any code of the caller runs. What is in memory is answered at
   * once.
   *
   * @template T
   * @param {number} operation
   * @param {string | Uint8Array} key
   * @param {number | bigint} ts
   * @param {import('./reader.js').Decode<T>} decode
   * @param {Reader} [past] of a snapshot
   * @returns {T | undefined | Promise<T | undefined>}
   */
  read(operation, key, ts, decode, past) {
    this.checkOpen();
    if (!past) this.#writes.submitFor(key);
    if (this.#writes.isBehind && !past) {
      // The caller may use the bytes of the key again before it is their turn.
      const copy = typeof key === 'string' ? key : Buffer.from(key);
      return this.run(() => this.#reader.read(operation, copy, ts, decode));
    }
    const value = (past ?? this.#reader).read(operation, key, ts, decode);
    // Nothing is awaited before it: it may fail meanwhile.
    if (value instanceof Promise) return this.keepOpen(() => value);
    return isOverdue() ? nextTurn().then(() => value) : value;
  }

  /**
   * @template T
   * @param {number} operation
   * @param {string | Uint8Array} key
   * @param {number | bigint} ts
   * @param {import('./reader.js').Decode<T>} decode
   * @param {Reader} [past] of a snapshot
   * @returns {T | undefined}
   */
  readSync(operation, key, ts, decode, past) {
    this.checkOpen();
    if (!past) this.#writes.submitFor(key);
    return (past ?? this.#reader).readSync(operation, key, ts, decode);
  }

  /**
   * @template T
   * @param {Buffer} requests packed gets
   * @param {number} count of them
   * @param {import('./reader.js').Decode<T>} decode
   * @param {Reader} [past] of a snapshot
   * @returns {Promise<(T | undefined)[]>}
   */
  readMany(requests, count, decode, past) {
    return this.run(() => (past ?? this.#reader).readMany(requests, count, decode), past);
  }

  /**
   * Runs a call that has to see all writes before it and none behind it, and keeps the database open until it is through.
   *
   * @template T
   * @param {() => T | Promise<T>} call
   * @param {Reader} [past] of a snapshot, for which there is nothing to wait for
   * @returns {Promise<T>}
   */
  run(call, past) {
    return this.keepOpen(() => (past ? call() : this.#writes.caughtUp(call)));
  }

  /**
   * Runs a call, and keeps the database open until it is through.
   *
   * @template T
   * @param {() => T | Promise<T>} call
   * @returns {Promise<T>}
   */
  async keepOpen(call) {
    this.checkOpen();
    this.#inFlight += 1;
    try {
      return await call();
    } catch (error) {
      throw fromNative(error);
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#whenQuiet?.();
    }
  }

  /**
   * The native side of reads. Call it within `run`, so that it sees the writes before it.
   *
   * @param {Reader} [past] of a snapshot
   */
  view(past) {
    return (past ?? this.#reader).native;
  }

  /** @returns {Promise<Reader>} of what was written up to now */
  snapshot() {
    return this.run(() => new Reader(this.#native.snapshot(), this.path));
  }

  /** @returns {Promise<void>} */
  flush() {
    return this.run(() => this.#native.flush());
  }

  /**
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<void>}
   */
  compact(signal) {
    return this.run(async () => {
      throwIfAborted(signal);
      this.checkOpen();
      const compaction = this.#native.compaction();
      const stop = () => compaction.stop();
      const stopHearing = this.whenClosed(stop);
      const stopListening = whenAborted(signal, stop);
      try {
        let progress;
        // Slice by slice, so that the pool is others' in between, and what ends this thread ends it.
        do progress = await compaction.run(); while (progress === 'more');
        if (progress === 'done') return;
      } finally {
        stopListening();
        stopHearing();
      }
      throwIfAborted(signal);
      throw closed();
    });
  }

  /** What the native side knows of loads that are under way. */
  get loads() {
    return {
      /** @returns {number} of a load that begins now */
      begin: () => guarded(() => this.#native.beginLoad()),
      /**
       * @param {number} number
       * @param {Buffer} key
       * @returns {boolean | null} false if someone has written to the key since; null where memory cannot tell
       */
      isCurrent: (number, key) => guarded(() => this.#native.isLoadCurrent(number, key)),
      /**
       * @param {number} number
       * @param {Buffer} key
       * @returns {Promise<boolean>} the same, where a file can tell
       */
      isCurrentLater: (number, key) => this.keepOpen(() => this.#native.isLoadCurrentLater(number, key)),
      /** @param {number} number */
      end: (number) => this.#native.endLoad(number),
    };
  }

  /** @returns {Promise<void>} */
  resume() {
    return this.run(() => this.#native.resume());
  }

  /**
   * @param {string} directory
   * @returns {Promise<import('../index.js').CheckpointReport>}
   */
  checkpoint(directory) {
    return this.run(() => this.#native.checkpoint(directory));
  }

  stats() {
    this.checkOpen();
    this.#writes.submit();
    return guarded(() => this.#native.stats());
  }

  /** @returns {string} */
  metricsText() {
    this.checkOpen();
    this.#writes.submit();
    return guarded(() => this.#native.metricsText());
  }

  /** @returns {Promise<void>} the same one each time */
  close() {
    if (this.#closing === undefined) {
      this.#closing = this.#close();
      for (const listener of this.#closeListeners) listener();
    }
    return this.#closing;
  }

  /**
   * @param {() => void} listener called by `close()`, once
   * @returns {() => void} takes it back
   */
  whenClosed(listener) {
    this.#closeListeners.add(listener);
    return () => { this.#closeListeners.delete(listener); };
  }

  async #close() {
    // Subscribers hear of the writes below; one that closes the database, too, is to find it closing.
    await undefined;
    await this.#writes.settled();
    if (this.#inFlight > 0) await new Promise((resolve) => { this.#whenQuiet = () => resolve(undefined); });
    try {
      await guardedLater(this.#native.close());
    } finally {
      this.#detachLogger?.();
      publish('close', () => ({ path: this.path }));
    }
  }

  checkOpen() {
    if (this.isClosed) throw closed();
  }
}

/** @typedef {{ queue?: WeakRef<WriteQueue>, store?: WeakRef<import('./native.js').NativeStore> }} Link */

/**
 * What the native side calls. It holds these functions for as long as the handle lives, so they hold neither handle nor queue; they are made here, because functions
 * that are made in one place hold what any of them names.
 *
 * @param {Link} link
 * @param {string | undefined} path
 */
function callbacksOf(link, path) {
  return {
    onOutcome: () => link.queue?.deref()?.takeOutcomes(),
    onNotice: () => hear(path, link.store?.deref()?.takeNotices()),
  };
}

module.exports = { Session };

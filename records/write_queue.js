'use strict';

const { Queue } = require('../common/queue.js');
const { ChangeGroup } = require('./change_group.js');
const { publishSoon } = require('./diagnostics.js');
const { FlowDBError, fromNative } = require('../common/errors.js');
const { TouchedKeys } = require('./touched_keys.js');
const { afterTurn } = require('./turn.js');
const { packedBytesMax } = require('./write_buffer.js');
const { WriteGroup } = require('./write_group.js');

/** A group is closed at this size. Smaller ones are written on this thread, this size and larger ones on the handle's own. */
const GROUP_BYTES = 64 * 1024;

/** So many reads of other keys do not have the open group written. Reads that never let the event loop turn would make its writers wait for long. */
const READS_PAST_MAX = 64;

/** Memory of a group is kept for the next one unless it is larger. */
const KEPT_BYTES_MAX = 4 * GROUP_BYTES;

/** Bytes of writes that may wait for their outcome. */
const OUTSTANDING_BYTES_MAX = 64 * 1024 * 1024;

/** What the native side answers to a write, as src/writer.rs has it; a positive number is that of the sync that is under way. */
const DONE = 0;
const WOULD_BLOCK = -2;

/**
 * Queues with outcomes under way. The native side only holds them weakly, and someone waits for the outcome.
 *
 * @type {Set<WriteQueue>}
 */
const busy = new Set();

/**
 * All writes of one handle, in order. Those of one turn of the event loop become one commit, up to GROUP_BYTES. A
 * group is written at once, unless it is large, or that would wait for something, or others wait already: then it goes to
 * the handle's own thread, which takes one after the other while this one packs the next. Changes, which depend on what they find, are groups of their own,
 * always a worker's, and wait for the groups before them; they share a sync. Outcomes are told in the order of the writes. Reads have their place in that order, too: groups that were
 * closed behind one wait until it has begun.
 */
class WriteQueue {
  #native;
  #tryWrite;
  #path;
  /** @type {WriteGroup | ChangeGroup | undefined} the group that writes of this turn join */
  #open;
  /** @type {Queue<WriteGroup | ChangeGroup>} groups whose outcome was not told yet, in order */
  #untold = new Queue();
  /** @type {Queue<WriteGroup | ChangeGroup>} closed groups that wait for changes or reads, or begin with changes that wait for writes */
  #waiting = new Queue();
  /** @type {Queue<{ after: number, begin: () => void }>} reads that wait for so many groups to be written, in order */
  #reads = new Queue();
  #workerIsBusy = false;
  /** Groups that are on the handle's thread. */
  #queued = 0;
  /** Groups closed, and groups that were written since: a read sees what it has to once the second has caught up. */
  #submitted = 0;
  #written = 0;
  /** @type {Map<number, WriteGroup | ChangeGroup>} groups whose outcome comes under a number */
  #numbered = new Map();
  #touched = new TouchedKeys();
  #readsPast = 0;
  #outstandingBytes = 0;
  /** @type {Buffer | undefined} of a group whose writes have crossed */
  #memory;
  /** @type {((value: void) => void)[]} called once all outcomes were told */
  #whenSettled = [];

  /**
   * @param {import('./native.js').NativeStore} native
   * @param {string | undefined} path of the directory
   */
  constructor(native, path) {
    this.#native = native;
    this.#tryWrite = native.writer();
    this.#path = path;
  }

  /** True while writes are on their way that a read on this thread would not see. */
  get isBehind() {
    return this.#written < this.#submitted;
  }

  /**
   * @param {import('./write_buffer.js').Write} write
   * @param {boolean} sync
   * @returns {Promise<void>}
   */
  add(write, sync) {
    const group = this.#groupFor(packedBytesMax(write), sync);
    const before = group.length;
    group.add(write);
    this.#touched.add(write.key);
    this.#added(group, group.length - before);
    return group.outcome;
  }

  /**
   * @param {import('./write_buffer.js').WriteBuffer} writes that land whole or not at all
   * @param {boolean} sync
   * @returns {Promise<void>}
   */
  addAll(writes, sync) {
    const group = this.#groupFor(writes.length, sync);
    group.addAll(writes);
    this.#touched.addAny();
    this.#added(group, writes.length);
    return group.outcome;
  }

  /**
   * @param {number} bytes that are about to be added
   * @param {boolean} sync
   */
  #groupFor(bytes, sync) {
    this.#checkRoom(bytes);
    const group = this.#open instanceof WriteGroup ? this.#open : this.#openGroup(new WriteGroup(this.#takeMemory()));
    group.sync ||= sync;
    return group;
  }

  #takeMemory() {
    const memory = this.#memory;
    this.#memory = undefined;
    return memory;
  }

  /**
   * @param {Buffer} change as records/changes.js packs it
   * @param {boolean} sync
   * @returns {Promise<Buffer>} the answer
   */
  change(change, sync) {
    this.#checkRoom(change.length);
    const group = this.#open instanceof ChangeGroup ? this.#open : this.#openGroup(new ChangeGroup());
    group.sync ||= sync;
    const promise = group.add(change);
    this.#touched.addAny();
    this.#added(group, change.length);
    return promise;
  }

  /** Writes what was added in this turn so far. */
  submit() {
    const group = this.#open;
    if (!group) return;
    this.#open = undefined;
    this.#submitted += 1;
    this.#waiting.push(group);
    this.#writeWaiting();
  }

  /**
   * Writes what was added in this turn so far, if a read of this key has to see it.
   *
   * @param {string | Uint8Array} key
   */
  submitFor(key) {
    if (this.#open === undefined) return;
    this.#readsPast += 1;
    if (this.#readsPast > READS_PAST_MAX || this.#touched.mayHave(key)) this.submit();
  }

  /**
   * Has `read` called once it sees all that was added so far, and before anything is written that is added from here on.
   *
   * @template T
   * @param {() => T | Promise<T>} read runs no code of the caller's before it has begun
   * @returns {T | Promise<T>}
   */
  caughtUp(read) {
    this.submit();
    if (!this.isBehind) return read();
    return new Promise((resolve, reject) => {
      const begin = () => {
        try {
          resolve(read());
        } catch (error) {
          reject(error);
        }
      };
      this.#reads.push({ after: this.#submitted, begin });
    });
  }

  /** @returns {Promise<void>} settled once all outcomes were told */
  settled() {
    this.submit();
    if (this.#untold.length === 0) return Promise.resolve();
    return new Promise((resolve) => { this.#whenSettled.push(resolve); });
  }

  /** Takes outcomes that came under a number. */
  takeOutcomes() {
    for (const { number, error, isLast } of this.#native.takeOutcomes()) {
      const group = /** @type {WriteGroup | ChangeGroup} */ (this.#numbered.get(number));
      if (group.isQueued) this.#isWritten(group);
      if (isLast) {
        this.#numbered.delete(number);
        this.#finish(group, error);
      }
    }
    if (this.#numbered.size === 0) busy.delete(this);
    this.#writeWaiting();
  }

  /** @param {WriteGroup | ChangeGroup} group which the handle's thread has written, or has failed to */
  #isWritten(group) {
    group.isQueued = false;
    this.#queued -= 1;
    this.#written += 1;
  }

  /**
   * @param {WriteGroup | ChangeGroup} group
   * @param {number} bytes
   */
  #added(group, bytes) {
    this.#outstandingBytes += bytes;
    if (group.length >= GROUP_BYTES) this.submit();
  }

  /**
   * @template {WriteGroup | ChangeGroup} G
   * @param {G} group
   * @returns {G}
   */
  #openGroup(group) {
    this.submit();
    this.#open = group;
    this.#touched.begin();
    this.#readsPast = 0;
    this.#untold.push(group);
    afterTurn(() => { if (this.#open === group) this.submit(); });
    return group;
  }

  /** @param {number} bytes */
  #checkRoom(bytes) {
    if (this.#outstandingBytes === 0 || this.#outstandingBytes + bytes <= OUTSTANDING_BYTES_MAX) return;
    throw new FlowDBError(
      'FLOWDB_OVERLOADED',
      `${this.#outstandingBytes} bytes of writes wait for the disk; the limit is ${OUTSTANDING_BYTES_MAX}. Await earlier ones first.`,
    );
  }

  #writeWaiting() {
    this.#beginReads();
    while (this.#mayWrite()) {
      this.#write(/** @type {WriteGroup | ChangeGroup} */ (this.#waiting.shift()));
      this.#beginReads();
    }
  }

  /** Writes may follow writes; changes and what comes before and behind them do not overlap. */
  #mayWrite() {
    const next = this.#waiting.peek();
    if (next === undefined || this.#workerIsBusy) return false;
    if (next instanceof ChangeGroup && this.#queued > 0) return false;
    const read = this.#reads.peek();
    return read === undefined || read.after > this.#submitted - this.#waiting.length;
  }

  #beginReads() {
    for (let read = this.#reads.peek(); read !== undefined && read.after <= this.#written; read = this.#reads.peek()) {
      this.#reads.shift();
      read.begin();
    }
  }

  /** @param {WriteGroup | ChangeGroup} group */
  #write(group) {
    try {
      if (group instanceof ChangeGroup) this.#changeLater(group);
      else this.#writeGroup(group);
    } catch (error) {
      this.#written += 1;
      this.#finish(group, error);
    }
  }

  /** @param {WriteGroup} group */
  #writeGroup(group) {
    const { memory, length, sync } = group;
    const answer = this.#queued === 0 && length < GROUP_BYTES ? this.#tryWrite(memory, length, sync) : WOULD_BLOCK;
    if (answer < DONE) {
      this.#await(this.#native.writeLater(group.bytes, sync), group);
      this.#queued += 1;
      group.isQueued = true;
    } else {
      this.#written += 1;
      if (answer === DONE) this.#finish(group);
      else this.#await(answer, group);
    }
    this.#keepMemory(group);
  }

  /**
   * @param {number} number
   * @param {WriteGroup | ChangeGroup} group
   */
  #await(number, group) {
    this.#numbered.set(number, group);
    busy.add(this);
  }

  /** @param {WriteGroup} group whose writes the native side has copied */
  #keepMemory(group) {
    if (group.memory.length <= KEPT_BYTES_MAX) this.#memory = group.memory;
  }

  /** @param {ChangeGroup} group */
  #changeLater(group) {
    const made = this.#native.changeLater(group.bytes);
    this.#workerIsBusy = true;
    made.then(
      (/** @type {(Buffer | Error)[]} */ answers) => {
        group.answers = answers;
        this.#workerIsDone(() => this.#syncChanges(group));
      },
      (/** @type {unknown} */ error) => this.#workerIsDone(() => this.#finish(group, error)),
    );
  }

  /** @param {() => void} goOn */
  #workerIsDone(goOn) {
    this.#workerIsBusy = false;
    this.#written += 1;
    goOn();
    this.#writeWaiting();
  }

  /**
   * Reads see the changes already, as with writes that wait for their sync.
   *
   * @param {ChangeGroup} group
   */
  #syncChanges(group) {
    try {
      const number = this.#native.syncChanges(group.sync);
      if (number === DONE) this.#finish(group);
      else this.#await(number, group);
    } catch (error) {
      this.#finish(group, error);
    }
  }

  /**
   * @param {WriteGroup | ChangeGroup} group
   * @param {unknown} [error]
   */
  #finish(group, error) {
    group.isDone = true;
    group.error = error === undefined ? undefined : fromNative(error);
    publishSoon('write', () => ({ path: this.#path, writes: group.count, bytes: group.length, error: group.failure }));
    this.#tell();
  }

  #tell() {
    while (this.#untold.peek()?.isDone) {
      const told = /** @type {WriteGroup | ChangeGroup} */ (this.#untold.shift());
      this.#outstandingBytes -= told.length;
      told.release();
    }
    if (this.#untold.length > 0) return;
    for (const resolve of this.#whenSettled) resolve();
    this.#whenSettled = [];
  }
}

module.exports = { OUTSTANDING_BYTES_MAX, WriteQueue };

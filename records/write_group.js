'use strict';

const { WriteBuffer } = require('./write_buffer.js');

/** Writes that are committed together. They share one promise, as they share their outcome. */
class WriteGroup {
  #writes;
  /** @type {(value: void) => void} */
  #resolve = () => {};
  /** @type {(reason: unknown) => void} */
  #reject = () => {};

  /** @type {Promise<void>} settled with the group's outcome */
  outcome = new Promise((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  /** True if any of the writes is to be synced before it is acknowledged; all of them are then. */
  sync = false;
  /** It was given to the handle's thread, which writes it later. */
  isQueued = false;
  /** The outcome is known; it is told once that of all groups before this one has been. */
  isDone = false;
  /** @type {unknown} */
  error = undefined;

  /** @param {Buffer} [memory] to pack the writes into, at first */
  constructor(memory) {
    this.#writes = new WriteBuffer(memory);
  }

  get count() {
    return this.#writes.count;
  }

  /** Bytes packed so far. */
  get length() {
    return this.#writes.length;
  }

  get bytes() {
    return this.#writes.bytes;
  }

  /** What `bytes` stands in. Once they have crossed, the next group may have it. */
  get memory() {
    return this.#writes.memory;
  }

  /** @param {import('./write_buffer.js').Write} write */
  add(write) {
    this.#writes.add(write);
  }

  /** @param {WriteBuffer} writes */
  addAll(writes) {
    this.#writes.addAll(writes);
  }

  /** What is to be told of the group as a whole. */
  get failure() {
    return this.error;
  }

  /** Tells everyone the outcome. */
  release() {
    if (this.error === undefined) this.#resolve();
    else this.#reject(this.error);
  }
}

module.exports = { WriteGroup };

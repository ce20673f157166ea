'use strict';

const { types } = require('node:util');
const { fromNative } = require('../common/errors.js');

/** Changes that a worker makes one after the other, each for itself. The same to the write queue as a `WriteGroup`. */
class ChangeGroup {
  /** @type {Buffer[]} */
  #changes = [];
  /** @type {{ resolve: (answer: Buffer) => void, reject: (reason: unknown) => void }[]} */
  #waiters = [];

  /** Bytes of the changes. */
  length = 0;
  /** True if any of the changes is to be synced before it is acknowledged; all of them are then. */
  sync = false;
  /** None is written by the handle's thread. */
  isQueued = false;
  /** The outcome is known; it is told once that of all groups before this one has been. */
  isDone = false;
  /** @type {unknown} what kept all of them from being made, or from being synced */
  error = undefined;
  /** @type {(Buffer | Error)[]} what became of each of them otherwise */
  answers = [];

  get count() {
    return this.#changes.length;
  }

  get bytes() {
    return Buffer.concat(this.#changes);
  }

  /**
   * @param {Buffer} change
   * @returns {Promise<Buffer>} its answer
   */
  add(change) {
    this.#changes.push(change);
    this.length += change.length;
    return new Promise((resolve, reject) => { this.#waiters.push({ resolve, reject }); });
  }

  /** What is to be told of the group as a whole: the first failure. */
  get failure() {
    const answer = this.answers.find((one) => !types.isUint8Array(one));
    return this.error ?? (answer && fromNative(answer));
  }

  /** Tells everyone the outcome. */
  release() {
    this.#waiters.forEach(({ resolve, reject }, index) => {
      const answer = this.answers[index];
      // Not by `instanceof`: what the native side makes is of the realm that it was loaded in, which is another one than that of these modules under Jest.
      const isMade = types.isUint8Array(answer);
      if (isMade && this.error === undefined) resolve(answer);
      else reject(isMade || answer === undefined ? this.error : fromNative(answer));
    });
    this.#waiters = [];
  }
}

module.exports = { ChangeGroup };

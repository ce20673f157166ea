'use strict';

/**
 * The entries of batches, one after the other. What is in the batch at hand is given at once: an async generator would take three turns of the
 * microtask queue for each entry.
 *
 * Calls may overlap, as with a generator: each is answered after the one before.
 */
class Entries {
  #batches;
  /** @type {any[]} */
  #batch = [];
  #next = 0;
  /** Calls that wait for a batch, or for a call that does. */
  #waiting = 0;
  /** @type {Promise<unknown>} the last of them */
  #last = Promise.resolve();

  /** @param {AsyncGenerator<any[], void, void>} batches */
  constructor(batches) {
    this.#batches = batches;
  }

  /** @returns {Promise<IteratorResult<any, any>>} */
  next() {
    if (this.#waiting === 0 && this.#next < this.#batch.length) return Promise.resolve(this.#take());
    return this.#inTurn(() => this.#advance());
  }

  /**
   * @param {any} [value]
   * @returns {Promise<IteratorResult<any, any>>}
   */
  return(value) {
    return this.#inTurn(async () => {
      this.#batch = [];
      await this.#batches.return();
      return { done: true, value: await value };
    });
  }

  /**
   * @param {any} [reason]
   * @returns {Promise<IteratorResult<any, any>>}
   */
  throw(reason) {
    return this.#inTurn(async () => {
      this.#batch = [];
      await this.#batches.return();
      throw reason;
    });
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  #take() {
    const value = this.#batch[this.#next];
    this.#next += 1;
    return { done: false, value };
  }

  /** @returns {Promise<IteratorResult<any, any>>} */
  async #advance() {
    while (this.#next >= this.#batch.length) {
      const { done, value } = await this.#batches.next();
      if (done) return { done: true, value: undefined };
      this.#batch = value;
      this.#next = 0;
    }
    return this.#take();
  }

  /**
   * @template T
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  #inTurn(call) {
    // Where nobody waits it begins in the turn of the call, as that of a generator: it sees nothing that is written after it.
    const answer = this.#waiting === 0 ? call() : this.#last.then(call);
    this.#waiting += 1;
    const leave = () => { this.#waiting -= 1; };
    this.#last = answer.then(leave, leave);
    // One of its own, since `leave` handles the failure of the other: one that the caller leaves unhandled is to be told of.
    return answer.then();
  }
}

// Where the symbol is missing there is no `await using` either.
if (typeof (/** @type {any} */ (Symbol).asyncDispose) === 'symbol') {
  Object.defineProperty(Entries.prototype, /** @type {any} */ (Symbol).asyncDispose, {
    /** @this {Entries} */
    async value() { await this.return(); },
    writable: true,
    configurable: true,
  });
}

module.exports = { Entries };

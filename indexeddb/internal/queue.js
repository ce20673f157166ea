'use strict';

/** Finished items at the front before they are cut off: bounds what they keep alive, and the cost of cutting. */
const HEAD_MAX = 256;

/**
 * First in, first out, at constant cost however long it gets.
 * @template T
 */
class Queue {
  /** @type {T[]} */
  #items = [];
  #head = 0;

  get length() {
    return this.#items.length - this.#head;
  }

  /** @param {T} item */
  push(item) {
    this.#items.push(item);
  }

  /** @returns {T | undefined} */
  peek() {
    return this.#items[this.#head];
  }

  /** @returns {T | undefined} */
  shift() {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#head += 1;
    if (this.#head === this.#items.length) this.#cut();
    else if (this.#head >= HEAD_MAX && this.#head * 2 >= this.#items.length) this.#cut();
    return item;
  }

  /** Empties the queue. */
  takeAll() {
    const items = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return items;
  }

  #cut() {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

module.exports = { Queue };

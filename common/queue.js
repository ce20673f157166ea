'use strict';

const { setElement } = require('./intrinsics.js');

/** Places at the front that may stay empty before they are cut off. */
const HEAD_MAX = 1024;

/**
 * First in, first out, at constant cost however long it gets.
 * @template T
 */
class Queue {
  /** @type {(T | undefined)[]} the items are those from head to tail */
  #items = [];
  #head = 0;
  #tail = 0;

  get length() {
    return this.#tail - this.#head;
  }

  /** @param {T} item */
  push(item) {
    setElement(this.#items, this.#tail, item);
    this.#tail += 1;
  }

  /** @returns {T | undefined} */
  peek() {
    return this.#head === this.#tail ? undefined : this.#items[this.#head];
  }

  /**
   * @param {number} index from the front, within the length
   * @returns {T}
   */
  at(index) {
    return /** @type {T} */ (this.#items[this.#head + index]);
  }

  /** @returns {T | undefined} */
  shift() {
    if (this.#head === this.#tail) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    // The places are used again, which is cheaper than a new array for each item that comes alone.
    if (this.#head === this.#tail && this.#tail <= HEAD_MAX) this.#head = this.#tail = 0;
    else if (this.#head >= HEAD_MAX && this.#head * 2 >= this.#tail) this.#cut();
    return item;
  }

  /** Empties the queue. */
  takeAll() {
    const items = /** @type {T[]} */ (this.#items.slice(this.#head, this.#tail));
    this.#items = [];
    this.#head = 0;
    this.#tail = 0;
    return items;
  }

  #cut() {
    this.#items = this.#items.slice(this.#head, this.#tail);
    this.#tail -= this.#head;
    this.#head = 0;
  }
}

module.exports = { Queue };

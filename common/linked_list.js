'use strict';

const { append } = require('./intrinsics.js');

/** @typedef {{ previous: any, next: any }} Links null at both ends, and in an item that is in no list */

/**
 * Items in the order in which they came, each in one list at most. The links are in the items: a Set that things come to and leave all
 * the time makes a new table every few of them, and each table that has grown old keeps its successor alive.
 * @template {Links} T
 */
class LinkedList {
  /** @type {T | null} */
  #first = null;
  /** @type {T | null} */
  #last = null;

  get isEmpty() {
    return this.#first === null;
  }

  /** @param {T} item */
  append(item) {
    item.previous = this.#last;
    if (this.#last === null) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
  }

  /** @param {T} item of this list */
  remove(item) {
    const { previous, next } = item;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    item.previous = item.next = null;
  }

  /** A copy: the list may change meanwhile. */
  toArray() {
    /** @type {T[]} */
    const items = [];
    for (let item = this.#first; item !== null; item = item.next) append(items, item);
    return items;
  }
}

module.exports = { LinkedList };

'use strict';

const { assertConstructible, defineInterface } = require('./internal/webidl.js');

/** https://w3c.github.io/IndexedDB/#idbrecord */
class IDBRecord {
  #key;
  #primaryKey;
  #value;

  /**
   * @param {symbol} [token]
   * @param {unknown} [key]
   * @param {unknown} [primaryKey]
   * @param {unknown} [value]
   */
  constructor(token = undefined, key = undefined, primaryKey = undefined, value = undefined) {
    assertConstructible(token);
    this.#key = key;
    this.#primaryKey = primaryKey;
    this.#value = value;
  }

  get key() {
    return this.#key;
  }

  get primaryKey() {
    return this.#primaryKey;
  }

  get value() {
    return this.#value;
  }
}

defineInterface(IDBRecord, 'IDBRecord');

module.exports = { IDBRecord };

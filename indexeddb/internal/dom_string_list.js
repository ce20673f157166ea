'use strict';

const { INTERNAL, assertConstructible, defineInterface, requireArguments, toDOMString } = require('./webidl.js');

/** https://html.spec.whatwg.org/#domstringlist */
class DOMStringList {
  /** @type {readonly string[]} */
  #strings;

  /**
   * @param {symbol} [token]
   * @param {readonly string[]} [strings]
   */
  constructor(token = undefined, strings = []) {
    assertConstructible(token);
    this.#strings = strings;
    for (let i = 0; i < strings.length; i += 1) {
      Object.defineProperty(this, i, { value: strings[i], enumerable: true, configurable: true });
    }
  }

  get length() {
    return this.#strings.length;
  }

  /** @param {number} index */
  item(index) {
    const strings = this.#strings;
    requireArguments(arguments, 1, 'DOMStringList.item');
    return strings[index >>> 0] ?? null;
  }

  /** @param {string} string */
  contains(string) {
    const strings = this.#strings;
    requireArguments(arguments, 1, 'DOMStringList.contains');
    return strings.includes(toDOMString(string));
  }
}

defineInterface(DOMStringList, 'DOMStringList');
Object.defineProperty(DOMStringList.prototype, Symbol.iterator, {
  value: Array.prototype[Symbol.iterator],
  writable: true,
  configurable: true,
});

/**
 * A sorted name list: https://w3c.github.io/IndexedDB/#sorted-name-list
 * @param {Iterable<string>} names
 */
function sortedNameList(names) {
  // The default order of sort() is that of code units.
  return new DOMStringList(INTERNAL, [...names].sort());
}

module.exports = { DOMStringList, sortedNameList };

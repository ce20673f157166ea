'use strict';

const {
  defineInterface,
  requireArguments,
  toDictionary,
  toDOMString,
  toUnsignedLongLong,
} = require('./internal/webidl.js');

/** https://w3c.github.io/IndexedDB/#idbversionchangeevent */
class IDBVersionChangeEvent extends Event {
  #oldVersion;
  #newVersion;

  /**
   * @param {string} type
   * @param {IDBVersionChangeEventInit} [eventInitDict]
   */
  constructor(type, eventInitDict = undefined) {
    requireArguments(arguments, 1, 'IDBVersionChangeEvent');
    const text = toDOMString(type);
    const init = toDictionary(eventInitDict, 'IDBVersionChangeEvent');
    super(text, init);
    const { newVersion, oldVersion } = init;
    this.#newVersion = newVersion === undefined || newVersion === null ? null : toUnsignedLongLong(newVersion);
    this.#oldVersion = oldVersion === undefined ? 0 : toUnsignedLongLong(oldVersion);
  }

  get oldVersion() {
    return this.#oldVersion;
  }

  get newVersion() {
    return this.#newVersion;
  }
}

defineInterface(IDBVersionChangeEvent, 'IDBVersionChangeEvent');

module.exports = { IDBVersionChangeEvent };

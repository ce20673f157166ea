'use strict';

const { IDBCursor } = require('./cursor.js');
const { defineInterface } = require('./internal/webidl.js');

/** @typedef {import('./internal/iterate.js').Cursor} Cursor */

/** https://w3c.github.io/IndexedDB/#idbcursorwithvalue */
class IDBCursorWithValue extends IDBCursor {
  /** @type {Cursor} */
  #cursor;

  /**
   * @param {symbol} [token]
   * @param {Cursor} [cursor]
   */
  constructor(token = undefined, cursor = undefined) {
    super(token, cursor);
    this.#cursor = /** @type {Cursor} */ (cursor);
  }

  get value() {
    return this.#cursor.value;
  }
}

defineInterface(IDBCursorWithValue, 'IDBCursorWithValue');

module.exports = { IDBCursorWithValue };

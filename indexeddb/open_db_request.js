'use strict';

const { defineEventHandlers } = require('./internal/event_target.js');
const { defineInterface } = require('./internal/webidl.js');
const { IDBRequest } = require('./request.js');

/** @typedef {import('./internal/open_database.js').OpenRequest} OpenRequest */

/** @type {(object: IDBOpenDBRequest) => OpenRequest} */
let stateOf;

/** https://w3c.github.io/IndexedDB/#idbopendbrequest */
class IDBOpenDBRequest extends IDBRequest {
  static {
    stateOf = (object) => object.#state;
  }

  /** @type {OpenRequest} */
  #state;

  /**
   * @param {symbol} [token]
   * @param {OpenRequest} [state]
   */
  constructor(token = undefined, state = undefined) {
    super(token, state);
    this.#state = /** @type {OpenRequest} */ (state);
  }
}

defineEventHandlers(IDBOpenDBRequest, stateOf, ['blocked', 'upgradeneeded']);
defineInterface(IDBOpenDBRequest, 'IDBOpenDBRequest');

module.exports = { IDBOpenDBRequest };

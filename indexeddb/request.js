'use strict';

const { defineEventHandlers, defineEventTarget } = require('./internal/event_target.js');
const { exception } = require('./internal/exceptions.js');
const { assertConstructible, defineInterface } = require('./internal/webidl.js');

/** @typedef {import('./internal/request_queue.js').Request} Request */

/** @type {(object: IDBRequest) => Request} */
let stateOf;

/** https://w3c.github.io/IndexedDB/#idbrequest */
class IDBRequest extends EventTarget {
  static {
    stateOf = (object) => object.#state;
  }

  /** @type {Request} */
  #state;

  /**
   * @param {symbol} [token]
   * @param {Request} [state]
   */
  constructor(token = undefined, state = undefined) {
    assertConstructible(token);
    super();
    this.#state = /** @type {Request} */ (state);
  }

  get result() {
    const state = this.#state;
    if (!state.done) throw pending();
    return state.result;
  }

  get error() {
    const state = this.#state;
    if (!state.done) throw pending();
    return state.error;
  }

  get source() {
    return this.#state.source;
  }

  get transaction() {
    return /** @type {IDBTransaction | null} */ (this.#state.transaction?.object ?? null);
  }

  get readyState() {
    return this.#state.done ? 'done' : 'pending';
  }
}

function pending() {
  return exception('InvalidStateError', 'The request is pending');
}

defineEventTarget(IDBRequest, stateOf);
defineEventHandlers(IDBRequest, stateOf, ['success', 'error']);
defineInterface(IDBRequest, 'IDBRequest');

module.exports = { IDBRequest };

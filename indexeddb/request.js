'use strict';

const { defineEventHandlers, defineEventTarget } = require('./internal/event_target.js');
const { exception } = require('../common/exceptions.js');
const { Slotted } = require('./internal/slot.js');
const { assertConstructible, defineInterface } = require('./internal/webidl.js');

/** @typedef {import('./internal/request_queue.js').Request} Request */

class RequestSlot extends Slotted {
  /** @type {Request} */
  #state;

  /**
   * @param {object} object
   * @param {Request} state
   */
  constructor(object, state) {
    super(object);
    this.#state = state;
  }

  /** @param {any} object other objects throw TypeError */
  static stateOf(object) {
    return /** @type {RequestSlot} */ (object).#state;
  }
}

const { stateOf } = RequestSlot;

/** https://w3c.github.io/IndexedDB/#idbrequest */
class IDBRequest extends EventTarget {
  /**
   * @param {symbol} [token]
   * @param {Request} [state]
   */
  constructor(token = undefined, state = undefined) {
    assertConstructible(token);
    super();
    new RequestSlot(this, /** @type {Request} */ (state));
  }

  get result() {
    const state = stateOf(this);
    if (!state.done) throw pending();
    return state.result;
  }

  get error() {
    const state = stateOf(this);
    if (!state.done) throw pending();
    return state.error;
  }

  get source() {
    return stateOf(this).source;
  }

  get transaction() {
    return /** @type {IDBTransaction | null} */ (stateOf(this).transaction?.object ?? null);
  }

  get readyState() {
    return stateOf(this).done ? 'done' : 'pending';
  }
}

function pending() {
  return exception('InvalidStateError', 'The request is pending');
}

/**
 * Makes requests without the constructor of their interface, see slot.js. Those that Object.create() makes have room for properties that they never get.
 * @class
 */
function BareRequest() {}
BareRequest.prototype = IDBRequest.prototype;

/**
 * What scripts see of a request.
 * @param {Request} state
 * @returns {IDBRequest}
 */
function createRequestObject(state) {
  const object = /** @type {IDBRequest} */ (/** @type {unknown} */ (new BareRequest()));
  new RequestSlot(object, state);
  return object;
}

defineEventTarget(IDBRequest, stateOf);
defineEventHandlers(IDBRequest, stateOf, ['success', 'error']);
defineInterface(IDBRequest, 'IDBRequest');

module.exports = { IDBRequest, createRequestObject };

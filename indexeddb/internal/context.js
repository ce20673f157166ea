'use strict';

const { AsyncResource } = require('node:async_hooks');

/** There is nobody to be told when one is collected: that would cost a finalizer each. */
const OPTIONS = Object.freeze({ requireManualDestroy: true });

/**
 * The asynchronous context of the caller, for the listeners that hear of what the caller begins.
 * @param {string} type as async_hooks show it
 */
function newContext(type) {
  return new AsyncResource(type, OPTIONS);
}

module.exports = { newContext };

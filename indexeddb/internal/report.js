'use strict';

const { macrotask } = require('../../common/macrotask.js');

const { queueMicrotask } = globalThis;

/**
 * "Report the exception" (https://html.spec.whatwg.org/#report-the-exception): to the environment's handler if it has one,
 * else as an uncaught exception of the process.
 * @param {unknown} error
 */
function reportException(error) {
  const { reportError } = /** @type {{ reportError?: (error: unknown) => void }} */ (globalThis);
  if (typeof reportError === 'function') {
    reportError(error);
    return;
  }
  let thrown = false;
  const throwOnce = () => {
    if (thrown) return;
    thrown = true;
    throw error;
  };
  queueMicrotask?.(throwOnce);
  macrotask(throwOnce); // a queueMicrotask that was a fake already at import never calls
}

module.exports = { reportException };

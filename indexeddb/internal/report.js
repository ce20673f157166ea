'use strict';

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
  queueMicrotask(() => {
    throw error;
  });
}

module.exports = { reportException };

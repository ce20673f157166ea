'use strict';

// Captured at import: a test environment may replace the global later.
const { DOMException } = globalThis;

/**
 * @param {string} name of the exception, as the standard gives it
 * @param {string} message
 */
function exception(name, message) {
  return new DOMException(message, name);
}

/**
 * A failure of the native side, as the standard lets it be seen. The native code is part of the message, for a
 * DOMException has no place for it.
 * @param {unknown} error
 */
function unknownError(error) {
  const { message, code } = /** @type {{ message?: unknown, code?: unknown }} */ (Object(error));
  const text = typeof message === 'string' ? message : String(error);
  return exception('UnknownError', typeof code === 'string' && !text.includes(code) ? `${code}: ${text}` : text);
}

module.exports = { exception, unknownError };

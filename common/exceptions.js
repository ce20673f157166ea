'use strict';

const { FlowDBError, fromNative } = require('./errors.js');

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
 * @param {string} name
 * @param {string} message
 * @param {unknown} cause an error of the record API, with its stable code, where the engine is the reason
 */
function exceptionWithCause(name, message, cause) {
  // Not every DOMException of a test environment takes a cause in its constructor.
  return Object.defineProperty(exception(name, message), 'cause', { value: cause, writable: true, enumerable: false, configurable: true });
}

/**
 * @param {string} name
 * @param {string} code
 * @param {string} message
 * @param {{ file?: string, offset?: number }} [details]
 */
function engineException(name, code, message, details) {
  return exceptionWithCause(name, message, new FlowDBError(code, message, details));
}

/**
 * A failure of the native side, as the standard lets it be seen. The code is part of the message as well, which is all that most programs print.
 * @param {unknown} error
 */
function unknownError(error) {
  const { message, code } = /** @type {{ message?: unknown, code?: unknown }} */ (Object(error));
  const text = typeof message === 'string' ? message : String(error);
  if (typeof code !== 'string') return exception('UnknownError', text);
  return exceptionWithCause('UnknownError', text.includes(code) ? text : `${code}: ${text}`, fromNative(error));
}

module.exports = { engineException, exception, exceptionWithCause, unknownError };

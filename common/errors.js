'use strict';

/**
 * The error of the record API. `code` is stable; the message is for people.
 */
class FlowDBError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ argument?: string, file?: string, offset?: number, holder?: number, package?: string, cause?: unknown }} [details]
   */
  constructor(code, message, details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    /** What went wrong, as a stable `FLOWDB_...` name. */
    this.code = code;
    if (details.argument !== undefined) this.argument = details.argument;
    if (details.file !== undefined) this.file = details.file;
    if (details.offset !== undefined) this.offset = details.offset;
    if (details.holder !== undefined) this.holder = details.holder;
    if (details.package !== undefined) this.package = details.package;
  }
}
Object.defineProperty(FlowDBError.prototype, 'name', { value: 'FlowDBError', writable: true, configurable: true });

/**
 * @param {string} argument
 * @param {string} problem
 * @param {unknown} [cause]
 */
function invalid(argument, problem, cause) {
  return refused('FLOWDB_INVALID_ARGUMENT', argument, problem, cause);
}

/**
 * @param {string} argument
 * @param {string} problem
 */
function tooLarge(argument, problem) {
  return refused('FLOWDB_TOO_LARGE', argument, problem);
}

/**
 * @param {string} code
 * @param {string} argument
 * @param {string} problem
 * @param {unknown} [cause]
 */
function refused(code, argument, problem, cause) {
  return new FlowDBError(code, `${argument}: ${problem}`, cause === undefined ? { argument } : { argument, cause });
}

/**
 * @param {FlowDBError} error about an argument, or a part of one
 * @param {string} whole what it is a part of; that itself where the error names nothing
 * @returns {FlowDBError} the same, with the name of the part in full
 */
function within(error, whole) {
  const { code, argument, message } = error;
  if (argument === undefined) return new FlowDBError(code, `${whole}: ${message}`, { argument: whole, cause: error });
  const full = argument === '' ? whole : `${whole}.${argument}`;
  return new FlowDBError(code, `${full}${message.slice(argument.length)}`, { argument: full, cause: error.cause });
}

/**
 * @param {FlowDBError} error about an argument
 * @param {string} argument what that is called where it was given
 * @returns {FlowDBError} the same with this name
 */
function renamed(error, argument) {
  return refused(error.code, argument, error.message.slice(`${error.argument}: `.length), error.cause);
}

/**
 * @param {string} argument
 * @param {any} error perhaps one of the native side, which does not know the argument's name
 * @returns {any} the error about it, if it is about an argument that has no name yet
 */
function about(argument, error) {
  const isUnnamed = error instanceof FlowDBError && error.code === 'FLOWDB_INVALID_ARGUMENT' && error.argument === undefined;
  return isUnnamed ? invalid(argument, error.message) : error;
}

/** @param {string} [what] */
function closed(what = 'the database is closed') {
  return new FlowDBError('FLOWDB_CLOSED', what);
}

/**
 * What the native side threw, as an error of ours. Anything else is a bug and stays as it is.
 *
 * @param {any} error
 */
function fromNative(error) {
  if (error instanceof FlowDBError || typeof error?.code !== 'string' || !error.code.startsWith('FLOWDB_')) return error;
  return new FlowDBError(error.code, error.message, detailsOf(error));
}

/** @param {any} error */
function detailsOf({ code, message, file, offset, holder }) {
  // A setting that it refuses stands first in the message.
  const argument = code === 'FLOWDB_INVALID_ARGUMENT' ? /^([a-z]+(?:\[\d+\])?(?:\.[a-z]+)?): /i.exec(message)?.[1] : undefined;
  return { argument, file, offset, holder };
}

/**
 * @template T
 * @param {() => T} call a call of the native side
 * @returns {T}
 */
function guarded(call) {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/**
 * @template T
 * @param {Promise<T>} promise of the native side
 * @returns {Promise<T>}
 */
function guardedLater(promise) {
  return promise.catch((error) => { throw fromNative(error); });
}

module.exports = { FlowDBError, about, invalid, renamed, tooLarge, within, closed, fromNative, guarded, guardedLater };

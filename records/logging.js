'use strict';

/** What the native library logs, for the loggers that databases were opened with. */

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

/**
 * How many open databases brought a logger, and the native side that feeds it: once, whatever their number.
 *
 * @type {Map<any, { users: number, listener: import('./native.js').LogListener }>}
 */
const loggers = new Map();

const forgotten = new FinalizationRegistry((/** @type {() => void} */ detach) => detach());

/**
 * @param {any} logger
 * @param {import('./native.js').NativeModule} module
 * @returns {() => void} ends its use
 */
function attach(logger, module) {
  const entry = loggers.get(logger) ?? { users: 0, listener: listen(logger, module) };
  loggers.set(logger, entry);
  entry.users += 1;
  let isAttached = true;
  const detach = () => {
    if (!isAttached) return;
    isAttached = false;
    entry.users -= 1;
    if (entry.users > 0) return;
    loggers.delete(logger);
    tellAll(logger, entry.listener);
    entry.listener.close();
  };
  return detach;
}

/**
 * @param {object} session whose end as garbage ends the use
 * @param {() => void} detach as `attach` gave it
 */
function detachWith(session, detach) {
  forgotten.register(session, detach);
}

/**
 * @param {any} logger
 * @param {import('./native.js').NativeModule} module
 * @returns {import('./native.js').LogListener}
 */
function listen(logger, module) {
  const isVerbose = logger.isLevelEnabled?.('debug') === true;
  const listener = new module.LogListener(() => tellAll(logger, listener), isVerbose);
  return listener;
}

/**
 * @param {any} logger
 * @param {import('./native.js').LogListener} listener
 */
function tellAll(logger, listener) {
  for (const { level, message, fields } of listener.take()) tell(logger, level, message, fields);
}

/**
 * @param {any} logger
 * @param {string} level
 * @param {string} message
 * @param {object} fields
 */
function tell(logger, level, message, fields) {
  const method = LEVELS.includes(level) && typeof logger[level] === 'function' ? level : 'debug';
  try {
    logger[method]({ ...fields, component: 'flowdb' }, message);
  } catch {
    // A logger that fails must not become a failure of the database; there is nobody else to tell.
  }
}

module.exports = { attach, detachWith };

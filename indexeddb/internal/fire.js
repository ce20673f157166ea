'use strict';

const { Dispatch } = require('./dispatch.js');
const { runSteps } = require('./task_queue.js');

/** @typedef {import('./event_target.js').EventTargetState} EventTargetState */
/**
 * What comes after the listeners: told whether one of them threw, and whether one prevented the default.
 * @typedef {(target: any, didThrow: boolean, canceled: boolean) => void} OnFinish
 */

/**
 * Fires an event at a target from a task, with a microtask checkpoint after each listener. Must be the last thing
 * the task does; what comes after the listeners goes into `onFinish`.
 * @param {EventTargetState} target
 * @param {() => Event} createEvent called only when somebody listens: most requests have no listener
 * @param {OnFinish} [onFinish]
 */
function fire(target, createEvent, onFinish) {
  if (hasListeners(target)) runSteps(new Dispatch(target, createEvent(), onFinish, target.context));
  else onFinish?.(target, false, false);
}

/** @param {EventTargetState} target */
function hasListeners(target) {
  for (let state = /** @type {EventTargetState | null} */ (target); state !== null; state = state.getParent()) {
    if (state.listeners.length > 0) return true;
  }
  return false;
}

module.exports = { fire };

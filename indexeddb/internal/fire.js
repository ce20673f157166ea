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
 * @param {string} type of the event
 * @param {() => Event} createEvent called only when somebody listens: most requests have no listener
 * @param {OnFinish} [onFinish]
 */
function fire(target, type, createEvent, onFinish) {
  if (isHeard(target, type)) runSteps(new Dispatch(target, createEvent(), onFinish, target.context));
  else onFinish?.(target, false, false);
}

/**
 * False if nobody on the path of such an event listens to it: firing it would run no script.
 * @param {EventTargetState} target
 * @param {string} type
 */
function isHeard(target, type) {
  for (let state = /** @type {EventTargetState | null} */ (target); state !== null; state = state.getParent()) {
    if (state.hasListener(type)) return true;
  }
  return false;
}

module.exports = { fire, isHeard };

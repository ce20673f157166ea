'use strict';

const { Dispatch } = require('./dispatch.js');
const { runSteps } = require('./task_queue.js');

/** @typedef {import('./event_target.js').EventTargetState} EventTargetState */
/** @typedef {{ didThrow: boolean, canceled: boolean }} Outcome what the listeners did */

/** @type {Outcome} */
const NOTHING_HAPPENED = Object.freeze({ didThrow: false, canceled: false });

/**
 * Fires an event at a target from a task, with a microtask checkpoint after each listener. Must be the last thing
 * the task does; what comes after the listeners goes into `onFinish`.
 * @param {EventTargetState} target
 * @param {() => Event} createEvent called only when somebody listens: most requests have no listener
 * @param {(outcome: Outcome) => void} [onFinish]
 */
function fire(target, createEvent, onFinish) {
  if (!hasListeners(target)) {
    onFinish?.(NOTHING_HAPPENED);
    return;
  }
  const event = createEvent();
  runSteps(
    new Dispatch(target, event, ({ didThrow }) => onFinish?.({ didThrow, canceled: event.defaultPrevented }), target.context),
  );
}

/** @param {EventTargetState} target */
function hasListeners(target) {
  for (let state = /** @type {EventTargetState | null} */ (target); state !== null; state = state.getParent()) {
    if (state.listeners.length > 0) return true;
  }
  return false;
}

module.exports = { fire };

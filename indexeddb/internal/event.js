'use strict';

const { setAttach } = require('./dispatch.js');
const { Slotted } = require('./slot.js');
const { IDBVersionChangeEvent } = require('../version_change_event.js');

/** @typedef {import('./dispatch.js').Dispatch} Dispatch */

class DispatchSlot extends Slotted {
  /** @type {Dispatch | null} */
  #dispatch = null;
  /** That of the last dispatch by other code, when ours began. @type {EventTarget | null} */
  #nativeTarget = null;

  /** @param {any} event other objects throw TypeError */
  static dispatchOf(event) {
    return /** @type {DispatchSlot} */ (event).#dispatch;
  }

  /**
   * @param {any} event
   * @param {Dispatch} dispatch
   */
  static attach(event, dispatch) {
    if (!(#dispatch in event)) return false;
    // Nobody but us has had one that was never dispatched.
    if (event.#dispatch !== null) event.#nativeTarget = Reflect.get(Event.prototype, 'target', event);
    event.#dispatch = dispatch;
    return true;
  }

  /**
   * What `target` is when no dispatch of ours runs: that of the last dispatch, which may have been one by other code.
   * @param {any} event
   * @param {EventTarget | null} nativeTarget
   * @param {boolean} isNative whether it is being dispatched, by other code
   */
  static lastTargetOf(event, nativeTarget, isNative) {
    // From now on that is the last one, even if it goes to the same target as one before ours.
    if (isNative) event.#nativeTarget = null;
    return nativeTarget === event.#nativeTarget ? event.#dispatch?.target ?? null : nativeTarget;
  }
}

const { dispatchOf, lastTargetOf } = DispatchSlot;

/** @param {any} event */
function runningDispatchOf(event) {
  const dispatch = dispatchOf(event);
  return dispatch === null || dispatch.eventPhase === 0 ? null : dispatch;
}

/**
 * A subclass of an event class for the events we fire. Scripts cannot see that it is one.
 * @template {new (...args: any[]) => Event} Base
 * @param {Base} Base
 */
function firedEventClass(Base) {
  class FiredEvent extends Base {
    // While a dispatch of ours runs, it alone knows: what Node notes would outlive it. Elsewhere the event is any other.
    get target() {
      const dispatch = runningDispatchOf(this);
      return dispatch === null ? lastTargetOf(this, super.target, super.eventPhase !== 0) : dispatch.target;
    }

    get srcElement() {
      return this.target;
    }

    get currentTarget() {
      const dispatch = runningDispatchOf(this);
      if (dispatch !== null) return dispatch.currentTarget;
      return super.eventPhase === 0 ? null : super.currentTarget; // Node keeps it after a dispatch
    }

    get eventPhase() {
      return runningDispatchOf(this)?.eventPhase ?? super.eventPhase;
    }

    composedPath() {
      return /** @type {EventTarget[]} */ (runningDispatchOf(this)?.path ?? super.composedPath());
    }

    preventDefault() {
      if (!dispatchOf(this)?.inPassiveListener) super.preventDefault();
    }

    // Node's has no setter.
    get returnValue() {
      return !this.defaultPrevented;
    }

    set returnValue(value) {
      if (!value) this.preventDefault();
    }

    get cancelBubble() {
      return runningDispatchOf(this)?.stopped ?? super.cancelBubble;
    }

    set cancelBubble(value) {
      if (value) this.stopPropagation();
    }

    stopPropagation() {
      const dispatch = runningDispatchOf(this);
      if (dispatch === null) super.stopPropagation();
      else dispatch.stopped = true;
    }

    stopImmediatePropagation() {
      const dispatch = runningDispatchOf(this);
      if (dispatch === null) super.stopImmediatePropagation();
      else dispatch.stopped = dispatch.stoppedImmediately = true;
    }
  }
  Object.defineProperty(FiredEvent.prototype, 'constructor', { value: Base });
  return FiredEvent;
}

const FiredEvent = firedEventClass(Event);
const FiredVersionChangeEvent = firedEventClass(IDBVersionChangeEvent);
setAttach(DispatchSlot.attach);

/**
 * An event that a dispatch can be attached to.
 * @template {Event} E
 * @param {E} event
 */
function attachable(event) {
  new DispatchSlot(event);
  return event;
}

const BUBBLES = Object.freeze({ bubbles: true });
const BUBBLES_AND_CANCELABLE = Object.freeze({ bubbles: true, cancelable: true });

const successEvent = () => attachable(new FiredEvent('success'));
const errorEvent = () => attachable(new FiredEvent('error', BUBBLES_AND_CANCELABLE));
const abortEvent = () => attachable(new FiredEvent('abort', BUBBLES));
const completeEvent = () => attachable(new FiredEvent('complete'));
const closeEvent = () => attachable(new FiredEvent('close'));

/**
 * @param {string} type
 * @param {number} oldVersion
 * @param {number | null} newVersion
 */
function versionChangeEvent(type, oldVersion, newVersion) {
  return attachable(new FiredVersionChangeEvent(type, { oldVersion, newVersion }));
}

module.exports = { successEvent, errorEvent, abortEvent, completeEvent, closeEvent, versionChangeEvent };

'use strict';

const { setAttach } = require('./dispatch.js');
const { IDBVersionChangeEvent } = require('../version_change_event.js');

/** @typedef {import('./dispatch.js').Dispatch} Dispatch */
/** @typedef {{ attach(event: Event, dispatch: Dispatch): boolean }} Attachable */

/**
 * A subclass of an event class for the events we fire. Scripts cannot see that it is one.
 * @template {new (...args: any[]) => Event} Base
 * @param {Base} Base
 */
function firedEventClass(Base) {
  class FiredEvent extends Base {
    /** @type {Dispatch | null} */
    #dispatch = null;

    /**
     * @param {Event} event
     * @param {Dispatch} dispatch
     */
    static attach(event, dispatch) {
      if (!(#dispatch in event)) return false;
      event.#dispatch = dispatch;
      return true;
    }

    get target() {
      return this.#dispatch?.target ?? null;
    }

    get srcElement() {
      return this.target;
    }

    get currentTarget() {
      return this.#dispatch?.currentTarget ?? null;
    }

    get eventPhase() {
      return this.#dispatch?.eventPhase ?? 0;
    }

    composedPath() {
      return /** @type {EventTarget[]} */ (this.#dispatch?.path ?? []);
    }

    preventDefault() {
      if (!this.#dispatch?.inPassiveListener) super.preventDefault();
    }

    get cancelBubble() {
      return this.#dispatch?.stopped ?? false;
    }

    set cancelBubble(value) {
      if (value && this.#dispatch !== null) this.#dispatch.stopped = true;
    }

    stopPropagation() {
      if (this.#dispatch !== null) this.#dispatch.stopped = true;
    }

    stopImmediatePropagation() {
      if (this.#dispatch !== null) this.#dispatch.stopped = this.#dispatch.stoppedImmediately = true;
    }
  }
  Object.defineProperty(FiredEvent.prototype, 'constructor', { value: Base });
  return FiredEvent;
}

const FiredEvent = firedEventClass(Event);
const FiredVersionChangeEvent = firedEventClass(IDBVersionChangeEvent);
setAttach((event, dispatch) => FiredEvent.attach(event, dispatch) || FiredVersionChangeEvent.attach(event, dispatch));

const BUBBLES = Object.freeze({ bubbles: true });
const BUBBLES_AND_CANCELABLE = Object.freeze({ bubbles: true, cancelable: true });

const successEvent = () => new FiredEvent('success');
const errorEvent = () => new FiredEvent('error', BUBBLES_AND_CANCELABLE);
const abortEvent = () => new FiredEvent('abort', BUBBLES);
const completeEvent = () => new FiredEvent('complete');
const closeEvent = () => new FiredEvent('close');

/**
 * @param {string} type
 * @param {number} oldVersion
 * @param {number | null} newVersion
 */
function versionChangeEvent(type, oldVersion, newVersion) {
  return new FiredVersionChangeEvent(type, { oldVersion, newVersion });
}

module.exports = { successEvent, errorEvent, abortEvent, completeEvent, closeEvent, versionChangeEvent };

'use strict';

// Dispatching an event: https://dom.spec.whatwg.org/#concept-event-dispatch

const { reportException } = require('./report.js');
const { append, uncurry } = require('../../common/intrinsics.js');

/**
 * @typedef {import('./event_target.js').Listener} Listener
 * @typedef {import('./event_target.js').EventTargetState} EventTargetState
 */

/** `call(f, receiver, ...parameters)`: a function may have a `call` of its own, or none. */
const call = uncurry(Function.prototype.call);

/** Events of our own keep their dispatch here. @type {(event: Event, dispatch: Dispatch) => boolean} */
let attachTo;

/** @param {(event: Event, dispatch: Dispatch) => boolean} attach answers whether the event is one of ours */
function setAttach(attach) {
  attachTo = attach;
}

/** @type {readonly Listener[]} */
const NO_LISTENERS = [];

/** One dispatch, a listener at a time, so that whoever runs it can perform a checkpoint in between. */
class Dispatch {
  event;
  target;
  /** @type {EventTarget | null} */
  currentTarget = null;
  /** @type {0 | 1 | 2 | 3} */
  eventPhase = 0;
  /** legacyOutputDidListenersThrowFlag */
  didThrow = false;
  stopped;
  stoppedImmediately = false;
  inPassiveListener = false;
  // The path, outwards; null from the end on. Not an array: V8 makes literals in old memory when those of its like have lived long, as the
  // requests of a large transaction do, and everything that a dead one there refers to outlives every minor collection.
  /** @type {EventTargetState | null} */
  #state;
  /** @type {EventTargetState | null} */
  #parent;
  /** @type {EventTargetState | null} */
  #grandparent;
  #length;
  #type;
  #bubbles;
  #visit = 0;
  /** @type {readonly Listener[]} */
  #listeners = NO_LISTENERS;
  #next = 0;
  #capture = true;
  #onFinish;
  #context;
  /** @type {(() => void) | null} */
  #restoreMembers;

  /**
   * @param {EventTargetState} target
   * @param {Event} event
   * @param {import('./fire.js').OnFinish} [onFinish]
   * @param {import('node:async_hooks').AsyncResource | null} [context] in which listeners are called; by default the current one
   */
  constructor(target, event, onFinish, context = null) {
    this.event = event;
    this.stopped = event.cancelBubble; // since its last dispatch
    this.#state = target;
    this.#parent = target.getParent();
    // A request's transaction, and its database: nothing is above that.
    this.#grandparent = this.#parent === null ? null : this.#parent.getParent();
    this.#length = this.#parent === null ? 1 : this.#grandparent === null ? 2 : 3;
    this.target = target.object;
    this.#type = event.type;
    this.#bubbles = event.bubbles;
    this.#onFinish = onFinish;
    this.#context = context;
    this.#restoreMembers = attachTo(event, this) ? null : overrideMembers(event, this);
  }

  /** Calls the next listener. Answers false when there is none left. */
  step() {
    for (;;) {
      const listener = this.#nextListener();
      if (listener !== undefined) {
        this.#call(listener);
        return true;
      }
      if (!this.#nextTarget()) return false;
    }
  }

  finish() {
    const state = this.#state;
    this.eventPhase = 0;
    this.currentTarget = null;
    this.stopped = this.stoppedImmediately = false;
    this.#restoreMembers?.();
    this.#state = this.#parent = this.#grandparent = null;
    this.#listeners = NO_LISTENERS;
    this.#onFinish?.(state, this.didThrow, this.event.defaultPrevented);
  }

  /** What composedPath() answers. */
  get path() {
    /** @type {(EventTarget | null)[]} */
    const path = [];
    for (const state of [this.#state, this.#parent, this.#grandparent]) if (state !== null) append(path, state.object);
    return path;
  }

  /** @param {number} index */
  #at(index) {
    const state = index === 0 ? this.#state : index === 1 ? this.#parent : this.#grandparent;
    return /** @type {EventTargetState} */ (state);
  }

  #nextListener() {
    while (this.#next < this.#listeners.length && !this.stoppedImmediately) {
      const listener = this.#listeners[this.#next];
      this.#next += 1;
      if (listener.type === this.#type && listener.capture === this.#capture && !listener.removed) return listener;
    }
    return undefined;
  }

  /** From the outermost parent to the target for those that capture, then back. */
  #nextTarget() {
    const length = this.#length;
    while (this.#visit < 2 * length && !this.stopped) {
      const visit = this.#visit;
      this.#visit += 1;
      this.#capture = visit < length;
      const index = this.#capture ? length - 1 - visit : visit - length;
      if (index > 0 && !this.#capture && !this.#bubbles) return false;
      const state = this.#at(index);
      if (state.listeners.length === 0) continue;
      this.currentTarget = state.object;
      this.eventPhase = index === 0 ? 2 : this.#capture ? 1 : 3;
      this.#listeners = state.listeners;
      this.#next = 0;
      return true;
    }
    return false;
  }

  /** @param {Listener} listener */
  #call(listener) {
    const { event, currentTarget } = this;
    if (listener.once) this.#ownerOf(listener)?.remove(listener);
    this.inPassiveListener = listener.passive;
    try {
      const target = /** @type {EventTarget} */ (currentTarget);
      if (this.#context === null) callListener(listener, target, event);
      else this.#context.runInAsyncScope(callListener, null, listener, target, event);
    } catch (error) {
      this.didThrow = true;
      reportException(error);
    }
    this.inPassiveListener = false;
  }

  /** @param {Listener} listener */
  #ownerOf(listener) {
    for (let index = 0; index < this.#length; index += 1) {
      const state = this.#at(index);
      if (state.listeners.includes(listener)) return state;
    }
    return undefined;
  }
}

/**
 * @param {Listener} listener
 * @param {EventTarget} currentTarget
 * @param {Event} event
 */
function callListener(listener, currentTarget, event) {
  const { callback } = listener;
  if (listener.handler) {
    // https://html.spec.whatwg.org/#the-event-handler-processing-algorithm
    if (typeof callback === 'function' && call(callback, currentTarget, event) === false) event.preventDefault();
  } else if (typeof callback === 'function') {
    call(callback, currentTarget, event);
  } else {
    const { handleEvent } = /** @type {EventListenerObject} */ (callback);
    if (typeof handleEvent !== 'function') throw new TypeError('The listener has no handleEvent method');
    call(handleEvent, callback, event);
  }
}

/**
 * An event that a script made: what native code keeps to itself is put over it for the time of the dispatch.
 * @param {Event} event
 * @param {Dispatch} dispatch
 * @returns {() => void} takes it away
 */
function overrideMembers(event, dispatch) {
  const members = {
    get cancelBubble() {
      return dispatch.stopped;
    },
    set cancelBubble(value) {
      if (value) dispatch.stopped = true;
    },
    stopPropagation() {
      dispatch.stopped = true;
    },
    get currentTarget() {
      return dispatch.currentTarget;
    },
    get eventPhase() {
      return dispatch.eventPhase;
    },
    composedPath() {
      return dispatch.path;
    },
    stopImmediatePropagation() {
      dispatch.stopped = dispatch.stoppedImmediately = true;
    },
  };
  // They are inherited, but for those that a script has given the event itself.
  const before = Object.keys(members).map((name) => /** @type {const} */ ([name, Object.getOwnPropertyDescriptor(event, name)]));
  overrideTarget(event, dispatch);
  Object.defineProperties(event, Object.getOwnPropertyDescriptors(members));
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(event, name);
      else Object.defineProperty(event, name, descriptor);
    }
  };
}

/**
 * An event keeps its target after a dispatch. It does so until it is dispatched at a target of other code, of which native code tells.
 * @param {Event} event
 * @param {Dispatch} dispatch
 */
function overrideTarget(event, dispatch) {
  const prototype = Object.getPrototypeOf(event);
  const nativeTarget = () => Reflect.get(prototype, 'target', event);
  /** @type {EventTarget | null} */
  let before = nativeTarget();
  const get = () => {
    const target = nativeTarget();
    // From now on that dispatch is the last one, even if it goes to the same target as one before ours.
    if (Reflect.get(prototype, 'eventPhase', event) !== 0) before = null;
    return target === before ? dispatch.target : target;
  };
  for (const name of ['target', 'srcElement']) Object.defineProperty(event, name, { get, enumerable: false, configurable: true });
}

module.exports = { Dispatch, setAttach };

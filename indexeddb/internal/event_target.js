'use strict';

// Listeners and event handlers of an event target: https://dom.spec.whatwg.org/#interface-eventtarget and
// https://html.spec.whatwg.org/#event-handler-attributes. The interfaces extend the native EventTarget for their place in the
// prototype chain only: its lists cannot be walked by our dispatch, which needs parents and checkpoints.

const { exception } = require('../../common/exceptions.js');
const { requireArguments, toDOMString } = require('./webidl.js');
const { Dispatch } = require('./dispatch.js');

/** @typedef {import('node:async_hooks').AsyncResource} AsyncResource */

/** Of a class, not a literal: see dispatch.js. */
class Listener {
  removed = false;
  /** Takes it off the signal that would remove it. @type {(() => void) | null} */
  unsubscribe = null;

  /**
   * @param {string} type
   * @param {object} callback
   * @param {boolean} capture
   * @param {boolean} once
   * @param {boolean} passive
   * @param {boolean} handler
   */
  constructor(type, callback, capture, once, passive, handler) {
    this.type = type;
    this.callback = callback;
    this.capture = capture;
    this.once = once;
    this.passive = passive;
    this.handler = handler;
  }
}

/** @type {readonly Listener[]} */
const NO_LISTENERS = [];
/**
 * What lists of one and of two are copied from: no literals, for the same reason, and Array.of() takes twenty times as long. Pushed, so that a
 * copy need not be copied again when it is written to, as one of a constant literal.
 * @type {Listener[]}
 */
const LIST_OF_ONE = [];
/** @type {Listener[]} */
const LIST_OF_TWO = [];
const placeholder = new Listener('', NO_LISTENERS, false, false, false, false);
LIST_OF_ONE.push(placeholder);
LIST_OF_TWO.push(placeholder, placeholder);

/**
 * @param {readonly Listener[]} listeners
 * @param {Listener} listener
 */
function withListener(listeners, listener) {
  if (listeners.length > 1) return [...listeners, listener];
  const list = (listeners.length === 0 ? LIST_OF_ONE : LIST_OF_TWO).slice();
  if (listeners.length === 1) list[0] = listeners[0];
  list[listeners.length] = listener;
  return list;
}

/** The state behind an object that events are fired at. */
class EventTargetState {
  /**
   * Replaced at each change, never changed: a dispatch walks the list as it was.
   * @type {readonly Listener[]}
   */
  listeners = NO_LISTENERS;

  /** @type {EventTarget | null} what scripts see; null before it has been made */
  object = null;

  /** Where the operation began that the events are about: AsyncLocalStorage has the same stores in the listeners. @type {AsyncResource | null} */
  context = null;

  /**
   * https://dom.spec.whatwg.org/#get-the-parent
   * @returns {EventTargetState | null}
   */
  getParent() {
    return null;
  }

  /** @param {Listener} listener */
  append(listener) {
    this.listeners = withListener(this.listeners, listener);
  }

  /** @param {Listener} listener */
  remove(listener) {
    listener.removed = true;
    if (listener.unsubscribe !== null) unsubscribeFromSignal(listener);
    this.listeners = this.listeners.filter((each) => each !== listener);
  }

  /** @param {string} type */
  hasListener(type) {
    for (const each of this.listeners) if (each.type === type) return true;
    return false;
  }

  /** @param {string} type */
  handler(type) {
    for (const each of this.listeners) if (each.handler && each.type === type) return each;
    return undefined;
  }
}

/**
 * @param {unknown} options
 * @returns {options is AddEventListenerOptions} else they stand for `capture`
 */
function isDictionary(options) {
  return (typeof options === 'object' && options !== null) || typeof options === 'function';
}

/**
 * @param {unknown} options
 * @returns {{ capture: boolean, once: boolean, passive: boolean, signal: AbortSignal | undefined }}
 */
function flattenOptions(options) {
  if (!isDictionary(options)) return { capture: Boolean(options), once: false, passive: false, signal: undefined };
  const { capture, once, passive, signal } = options;
  if (signal !== undefined && typeof (/** @type {any} */ (signal)?.aborted) !== 'boolean') {
    throw new TypeError('signal: expected an AbortSignal');
  }
  return { capture: Boolean(capture), once: Boolean(once), passive: Boolean(passive), signal };
}

/**
 * https://dom.spec.whatwg.org/#add-an-event-listener
 * @param {EventTargetState} state
 * @param {string} type
 * @param {unknown} callback
 * @param {unknown} options
 */
function addListener(state, type, callback, options) {
  const { capture, once, passive, signal } = flattenOptions(options);
  assertCallback(callback);
  if (callback === null || callback === undefined || signal?.aborted) return;
  if (findListener(state, type, callback, capture) !== undefined) return;
  const listener = new Listener(type, /** @type {object} */ (callback), capture, once, passive, false);
  state.append(listener);
  if (signal !== undefined) removeOnAbort(state, listener, signal);
}

/** What their signals still have of targets that nobody refers to any more. @type {FinalizationRegistry<() => void>} */
const unreachable = new FinalizationRegistry((unsubscribe) => unsubscribe());

/**
 * The signal may live much longer than the target, and must keep neither it nor the listener, which may refer to it.
 * @param {EventTargetState} state
 * @param {Listener} listener
 * @param {AbortSignal} signal
 */
function removeOnAbort(state, listener, signal) {
  const unsubscribe = subscribe(signal, new WeakRef(state), new WeakRef(listener));
  listener.unsubscribe = unsubscribe;
  unreachable.register(state, unsubscribe, listener);
}

/**
 * A function of its own: closures keep what others of the same function refer to.
 * @param {AbortSignal} signal
 * @param {WeakRef<EventTargetState>} state
 * @param {WeakRef<Listener>} listener
 */
function subscribe(signal, state, listener) {
  const remove = () => {
    const found = listener.deref();
    if (found !== undefined) state.deref()?.remove(found);
  };
  signal.addEventListener('abort', remove, { once: true });
  return () => signal.removeEventListener('abort', remove);
}

/** @param {Listener} listener that has been removed */
function unsubscribeFromSignal(listener) {
  listener.unsubscribe?.();
  listener.unsubscribe = null;
  unreachable.unregister(listener);
}

/** @param {unknown} callback */
function assertCallback(callback) {
  if (callback === null || callback === undefined) return;
  if (typeof callback !== 'function' && typeof callback !== 'object') {
    throw new TypeError('The listener must be a function or an object');
  }
}

/**
 * @param {EventTargetState} state
 * @param {string} type
 * @param {unknown} callback
 * @param {boolean} capture
 */
function findListener(state, type, callback, capture) {
  return state.listeners.find(
    (each) => !each.handler && each.type === type && each.callback === callback && each.capture === capture,
  );
}

/**
 * Gives an interface its own addEventListener, removeEventListener and dispatchEvent.
 * @param {Function} constructor
 * @param {(object: any) => EventTargetState} stateOf throws TypeError for a wrong object
 */
function defineEventTarget(constructor, stateOf) {
  const methods = {
    /**
     * @param {unknown} type
     * @param {unknown} callback
     */
    addEventListener(type, callback) {
      const state = stateOf(this);
      requireArguments(arguments, 2, 'addEventListener');
      addListener(state, toDOMString(type), callback, arguments[2]);
    },
    /**
     * @param {unknown} type
     * @param {unknown} callback
     */
    removeEventListener(type, callback) {
      const state = stateOf(this);
      requireArguments(arguments, 2, 'removeEventListener');
      const text = toDOMString(type);
      assertCallback(callback);
      const options = arguments[2];
      const capture = isDictionary(options) ? options.capture : options;
      const found = findListener(state, text, callback, Boolean(capture));
      if (found !== undefined) state.remove(found);
    },
    /** @param {unknown} event */
    dispatchEvent(event) {
      const state = stateOf(this);
      requireArguments(arguments, 1, 'dispatchEvent');
      if (!(event instanceof Event)) throw new TypeError('dispatchEvent: expected an Event');
      if (event.eventPhase !== Event.NONE) throw exception('InvalidStateError', 'The event is being dispatched');
      return dispatchNow(state, event);
    },
  };
  Object.defineProperties(constructor.prototype, Object.getOwnPropertyDescriptors(methods));
}

/**
 * A script dispatches an event of its own: listeners are called within that call.
 * @param {EventTargetState} state
 * @param {Event} event
 */
function dispatchNow(state, event) {
  const dispatch = new Dispatch(state, event);
  while (dispatch.step());
  dispatch.finish();
  return !event.defaultPrevented;
}

/**
 * Event handler IDL attributes.
 * @param {Function} constructor
 * @param {(object: any) => EventTargetState} stateOf throws TypeError for a wrong object
 * @param {string[]} types
 */
function defineEventHandlers(constructor, stateOf, types) {
  for (const type of types) {
    const name = `on${type}`;
    const accessors = {
      /** @returns {object | null} */
      get [name]() {
        return stateOf(this).handler(type)?.callback ?? null;
      },
      /** @param {any} value */
      set [name](value) {
        setHandler(stateOf(this), type, value);
      },
    };
    Object.defineProperties(constructor.prototype, Object.getOwnPropertyDescriptors(accessors));
  }
}

/**
 * A handler keeps its place among the listeners while it is set.
 * @param {EventTargetState} state
 * @param {string} type
 * @param {unknown} value
 */
function setHandler(state, type, value) {
  const callback = typeof value === 'function' || typeof value === 'object' ? value : null;
  const existing = state.handler(type);
  if (callback === null) {
    if (existing !== undefined) state.remove(existing);
  } else if (existing !== undefined) {
    existing.callback = callback;
  } else {
    state.append(new Listener(type, callback, false, false, false, true));
  }
}

module.exports = { EventTargetState, Listener, defineEventTarget, defineEventHandlers };

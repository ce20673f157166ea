'use strict';

/**
 * What a signal ends. It has one listener for all of them: Node warns of a leak where there are more than ten, and a program may well give one signal
 * to many calls.
 *
 * @typedef {{ callbacks: Set<() => void>, listener: () => void }} Ends
 */

/** @type {WeakMap<AbortSignal, Ends>} */
const endsOf = new WeakMap();

/**
 * @param {AbortSignal | undefined} signal not aborted yet
 * @param {() => void} callback called once it is
 * @returns {() => void} takes it back
 */
function whenAborted(signal, callback) {
  if (!signal) return () => {};
  const ends = endsOf.get(signal) ?? listen(signal);
  ends.callbacks.add(callback);
  return () => {
    if (ends.callbacks.delete(callback) && ends.callbacks.size === 0) leave(signal, ends);
  };
}

/**
 * @param {AbortSignal} signal
 * @returns {Ends}
 */
function listen(signal) {
  /** @type {Ends} */
  const ends = {
    callbacks: new Set(),
    listener() {
      leave(signal, ends);
      for (const callback of ends.callbacks) callback();
    },
  };
  endsOf.set(signal, ends);
  signal.addEventListener('abort', ends.listener, { once: true });
  return ends;
}

/**
 * @param {AbortSignal} signal
 * @param {Ends} ends
 */
function leave(signal, ends) {
  if (endsOf.get(signal) === ends) endsOf.delete(signal);
  signal.removeEventListener('abort', ends.listener);
}

module.exports = { whenAborted };

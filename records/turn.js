'use strict';

const { performance } = require('node:perf_hooks');
const timers = require('node:timers');

// Captured now: test tools replace them with fakes that only run when told. Of the module, not of the global object, which
// is a browser's where a test runner loads modules into jsdom.
const { nextTick } = process;
const { setImmediate: immediate } = timers;

/** A reaction to it is a microtask, at a fifth of what `queueMicrotask` costs. */
const settled = Promise.resolve();

/**
 * A program that awaits one answer after the other, each of which comes from memory, would never let the event loop
 * turn: timers, sockets and maintenance would wait for its end. After this many milliseconds an answer waits for a turn.
 */
const TURN_MS_MAX = 2;

// When the current stretch without a turn of the event loop began; undefined if nobody has asked since the last turn.
/** @type {number | undefined} */
let stretchStart;

/** @returns {boolean} true once the event loop has not turned for too long */
function isOverdue() {
  const now = performance.now();
  if (stretchStart === undefined) {
    stretchStart = now;
    immediate(() => { stretchStart = undefined; }).unref();
  }
  return now - stretchStart > TURN_MS_MAX;
}

/**
 * Calls `callback` once the code that is running, and all promise reactions that follow from it, are through: what
 * they asked for can then be done together.
 *
 * @param {() => void} callback
 */
function afterTurn(callback) {
  if (isOverdue()) immediate(callback);
  else settled.then(() => nextTick(callback));
}

/** @returns {Promise<void>} settled after a turn of the event loop */
function nextTurn() {
  return new Promise((resolve) => { immediate(() => resolve()); });
}

module.exports = { afterTurn, isOverdue, nextTurn };

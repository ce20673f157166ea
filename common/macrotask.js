'use strict';

// A callback from the event loop, whatever has been done to the timers: setImmediate, or messages to ourselves where it was a fake
// already at import.

const timers = require('node:timers');
const { MessageChannel } = require('node:worker_threads');

/** Those of Node are of a class that no fake has a reason to imitate. */
function hasRealImmediates() {
  const immediate = timers.setImmediate(() => {});
  timers.clearImmediate(immediate);
  return immediate?.constructor?.name === 'Immediate';
}

/** @returns {(callback: () => void) => void} keeps the process alive until the callbacks have run, as setImmediate does */
function throughMessages() {
  const { port1, port2 } = new MessageChannel();
  /** @type {(() => void)[]} */
  const callbacks = [];
  port1.on('message', () => {
    const callback = callbacks.shift();
    if (callbacks.length === 0) port1.unref();
    callback?.();
  });
  port1.unref();
  port2.unref();
  return (callback) => {
    if (callbacks.push(callback) === 1) port1.ref();
    port2.postMessage(null);
  };
}

// Captured at import: fake timers that are installed later must not stop the database.
const { setImmediate } = timers;

/** @type {(callback: () => void) => void} */
const macrotask = hasRealImmediates() ? (callback) => void setImmediate(callback) : throughMessages();

module.exports = { macrotask };

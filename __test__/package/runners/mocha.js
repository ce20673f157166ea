'use strict';

const assert = require('node:assert/strict');
const { IDBFactory, forceCloseDatabase, open } = require('flowdb');
const { beforeEach, it: test } = require('mocha');
const sinon = require('sinon');
const suite = require('./suite.js');

const FUNCTIONS = ['setTimeout', 'setInterval', 'setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'];

/** The globals, process.nextTick, and with them the functions of node:timers. */
function timers() {
  let clock;
  return { install: () => { clock = sinon.useFakeTimers({ toFake: FUNCTIONS }); }, uninstall: () => clock.restore() };
}

suite({ test, beforeEach, assert, IDBFactory, forceCloseDatabase, open, fakeTimers: { 'fake timers': timers() } });

test('sinon replaces the functions of node:timers too', () => {
  const real = require('node:timers').setImmediate;
  const clock = sinon.useFakeTimers();
  try {
    assert.notEqual(require('node:timers').setImmediate, real);
  } finally {
    clock.restore();
  }
});

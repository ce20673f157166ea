'use strict';

const assert = require('node:assert/strict');
const { beforeEach, expect, jest: runner, test } = require('@jest/globals');
const { IDBFactory, forceCloseDatabase, open } = require('flowdb');
const suite = require('./suite.js');

const timers = (options) => ({ install: () => runner.useFakeTimers(options), uninstall: () => runner.useRealTimers() });

function reload() {
  runner.resetModules();
  require('flowdb/auto');
  return require('flowdb');
}

suite({
  test, beforeEach, assert, IDBFactory, forceCloseDatabase, open, reload,
  fakeTimers: { 'fake timers': timers(), 'legacy fake timers': timers({ legacyFakeTimers: true }) },
});

test('this environment is a realm of its own', () => {
  expect(typeof structuredClone).toBe(typeof window === 'undefined' ? 'function' : 'undefined');
  expect(require('node:vm').runInThisContext('Object')).not.toBe(Object);
});

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { IDBFactory, forceCloseDatabase, open } from 'flowdb';
import suite from './suite.mjs';

const timers = {
  install: () => mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] }),
  uninstall: () => mock.timers.reset(),
};

suite({ test, beforeEach, assert, IDBFactory, forceCloseDatabase, open, fakeTimers: { 'fake timers': timers } });

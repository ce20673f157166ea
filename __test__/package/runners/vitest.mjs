import assert from 'node:assert/strict';
import { IDBFactory, forceCloseDatabase, open } from 'flowdb';
import { beforeEach, test, vi } from 'vitest';
import suite from './suite.mjs';

const FUNCTIONS = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance', 'Date'];
const timers = (options) => ({ install: () => vi.useFakeTimers(options), uninstall: () => vi.useRealTimers() });

suite({
  test, beforeEach, assert, IDBFactory, forceCloseDatabase, open,
  fakeTimers: { 'fake timers': timers(), 'fake timers of all functions': timers({ toFake: FUNCTIONS }) },
});

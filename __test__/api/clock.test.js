'use strict';

// The time of records is the machine's: tests that fake Date and timers change nothing about what expires, and stop nothing.

const assert = require('node:assert/strict');
const { performance } = require('node:perf_hooks');
const timers = require('node:timers');
const { test } = require('node:test');
const { database, eventually } = require('../fixture.js');

const YEAR = 365 * 24 * 3_600_000;
const realNow = Date.now;

/** Has every clock and timer of the program stand still, as Sinon, Jest and Vitest do, with `Date` at `now`. */
function fake(t, now) {
  const never = () => ({ unref() {}, ref() {} });
  const fakes = [
    [Date, 'now', () => now], [performance, 'now', () => 0], [process, 'nextTick', never], [globalThis, 'queueMicrotask', never],
    ...['setTimeout', 'setInterval', 'setImmediate'].flatMap((name) => [[globalThis, name, never], [timers, name, never]]),
  ];
  const restore = fakes.map(([object, name, replacement]) => {
    const original = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { value: replacement, configurable: true, writable: true });
    return () => (original ? Object.defineProperty(object, name, original) : delete object[name]);
  });
  const unfake = () => restore.splice(0).forEach((one) => one());
  t.after(unfake);
  return unfake;
}

test('what expires does so by the clock of the machine, whatever Date says', async (t) => {
  const db = await database(t);
  await db.kv.put('short', 'x', { ttl: 1 });
  await db.kv.put('long', 'x', { ttl: 3_600_000 });
  assert.ok(await eventually(async () => !(await db.kv.has('short'))));
  for (const now of [0, realNow() + YEAR]) {
    const unfake = fake(t, now);
    assert.deepEqual(await db.kv.scan({ values: false }).all(), ['long']);
    assert.equal(db.kv.getSync('short'), undefined);
    await db.kv.put('until', 'x', { expiresAt: Date.now() + 60_000 });
    assert.equal(await db.kv.has('until'), now > 0, 'a moment is compared with the clock of the machine');
    unfake();
  }
});

test('points without a timestamp get that of the machine', async (t) => {
  const db = await database(t);
  const before = realNow();
  const unfake = fake(t, 0);
  await db.series.put('s', 'x');
  const { ts } = await db.series.latest('s');
  unfake();
  assert.ok(ts >= before * 1000 && ts <= (realNow() + 1) * 1000, `${ts}`);
});

test('nothing waits for timers that stand still', async (t) => {
  const db = await database(t);
  const unfake = fake(t, 0);
  await Promise.all(Array.from({ length: 100 }, (_, index) => db.kv.put(`k${index}`, index)));
  assert.equal(await db.kv.increment('k1'), 2);
  assert.equal(await db.kv.getOrSet('loaded', async () => 'x'), 'x');
  await db.series.put('s', 1, { ts: 1 });
  assert.deepEqual((await db.series.latestOfEach()).length, 1);
  assert.equal((await db.kv.scan().all()).length, 101);
  await db.flush();
  await db.compact();
  await db.close();
  unfake();
});

'use strict';

// Goal: programs that await one call after the other leave the event loop its turns, though every answer comes from memory.

const assert = require('node:assert/strict');
const test = require('node:test');
const { open } = require('../../index.js');

const CALLS = 60_000;

/**
 * Counts the turns of the event loop while `work` runs.
 *
 * @param {() => Promise<void>} work
 */
async function turnsDuring(work) {
  let turns = 0;
  let timer = setImmediate(function count() {
    turns += 1;
    timer = setImmediate(count);
  });
  await work();
  clearImmediate(timer);
  return turns;
}

test('awaited calls let the event loop turn', async (t) => {
  const db = await open({ memory: true });
  t.after(() => db.close());

  const calls = {
    put: (/** @type {number} */ index) => db.kv.put(`key${index % 100}`, index),
    get: (/** @type {number} */ index) => db.kv.get(`key${index % 100}`),
    latest: () => db.series.latest('series'),
    scan: () => db.kv.scan({ prefix: 'key1' }).all(),
  };
  await db.series.put('series', 1, { ts: 1 });
  for (const [name, call] of Object.entries(calls)) {
    const count = name === 'scan' ? CALLS / 20 : CALLS;
    const turns = await turnsDuring(async () => { for (let index = 0; index < count; index += 1) await call(index); });
    assert.ok(turns >= 3, `${turns} turns during ${count} calls of ${name}`);
  }
});

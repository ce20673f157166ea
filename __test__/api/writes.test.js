'use strict';

// How writes become commits: one for each turn of the event loop, synced where that is asked for, refused where too
// many wait.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OUTSTANDING_BYTES_MAX } = require('../../records/write_queue.js');
const { database, directory } = require('../fixture.js');

for (const sync of ['os', 'always', { intervalMs: 5 }]) {
  test(`many writers at once, sync ${JSON.stringify(sync)}`, async (t) => {
    const db = await database(t, { path: directory(t), sync });
    await Promise.all(Array.from({ length: 20 }, async (_, writer) => {
      for (let index = 0; index < 20; index += 1) await db.put(`w${writer}/${index}`, `${index}`);
    }));
    assert.equal((await db.scan({ values: false }).all()).length, 400);
  });
}

test('a synced put in a database that does not sync', async (t) => {
  const db = await database(t, { path: directory(t) });
  await Promise.all([db.put('a', 'x'), db.put('b', 'x', { sync: true }), db.series.put('c', 'x', { sync: true, ts: 1 })]);
  await db.delete('a', { sync: true });
  assert.deepEqual(await db.scan({ values: false }).all(), ['b']);
});

test('who never awaits is refused in the end, and can go on afterwards', async (t) => {
  const db = await database(t, { path: directory(t) });
  const value = Buffer.alloc(1 << 20);
  const puts = Array.from({ length: 100 }, (_, index) => db.put(`k${index}`, value));
  const outcomes = await Promise.allSettled(puts);
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length >= 100 - OUTSTANDING_BYTES_MAX / value.length, `${refused.length} refused`);
  assert.ok(refused.every(({ reason }) => reason.code === 'FLOWDB_OVERLOADED'));
  assert.equal((await db.scan({ values: false }).all()).length, 100 - refused.length);
  await db.put('after', value);
  assert.ok(await db.kv.has('after'));
});

test('one write may be larger than all that may wait', async (t) => {
  const db = await database(t);
  const value = Buffer.alloc(OUTSTANDING_BYTES_MAX + 1);
  const put = db.put('large', value);
  await assert.rejects(db.put('next', 'x'), { code: 'FLOWDB_OVERLOADED' });
  await put;
  assert.equal((await db.get('large')).length, value.length);
});

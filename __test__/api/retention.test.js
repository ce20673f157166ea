'use strict';

// How long points are kept, by what their keys begin with: what reads see, what is on disk, and what is refused.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory, eventually } = require('../fixture.js');
const { open } = require('../../index.js');

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const RULES = {
  seriesRetentionMs: 10 * DAY,
  seriesRetentionByPrefix: [{ prefix: 'debug/', ms: DAY }, { prefix: Buffer.from('debug/kept/'), ms: 'never' }, { prefix: 'audit/', ms: 100 * DAY, bucketMs: DAY }],
};
const KEYS = { 'debug/': 1, 'debug/1': 1, 'debug/kept/1': Infinity, debug: 10, other: 10, 'audit/1': 100 };
const AGES = [0.1, 0.9, 2, 9, 11, 99, 101];

/** A point of each age, in days, for each key. */
async function fill(db) {
  const now = Date.now();
  const operations = Object.keys(KEYS).flatMap((key) => AGES.map((age) => ({ type: 'put', key, value: age, ts: new Date(now - age * DAY) })));
  await db.batch(operations);
}

async function seen(db) {
  const ages = Object.fromEntries(Object.keys(KEYS).map((key) => [key, []]));
  for await (const { key, value } of db.series.scan()) ages[key].unshift(value);
  return ages;
}

function kept() {
  return Object.fromEntries(Object.entries(KEYS).map(([key, days]) => [key, AGES.filter((age) => age < days)]));
}

test('the longest prefix of a key says what is seen of it, by every read', async (t) => {
  const db = await database(t, RULES);
  await fill(db);
  const snapshot = await db.snapshot();
  assert.deepEqual(await seen(db), kept());
  const points = Object.values(kept()).flat().length;
  assert.equal(await db.series.count(), points);
  assert.equal(await db.series.count({ snapshot }), points);
  assert.equal(await db.series.count({ prefix: 'debug/' }), 2 + 2 + AGES.length);
  const counts = await db.series.aggregate({ agg: 'count' });
  assert.deepEqual(Object.fromEntries(counts.map(({ key, count }) => [key, count])), Object.fromEntries(Object.entries(kept()).map(([key, ages]) => [key, ages.length])));
  const old = Object.fromEntries((await db.series.latestOfEach({ at: new Date(Date.now() - 5 * DAY) })).map(({ key, value }) => [key, value]));
  assert.deepEqual(old, { 'debug/kept/1': 9, debug: 9, other: 9, 'audit/1': 9 });
  const { ts } = await db.series.latest('audit/1', { at: new Date(Date.now() - 50 * DAY) });
  assert.equal(await db.series.get('audit/1', ts), 99);
  assert.equal(db.series.getSync('other', ts), undefined);
});

test('what is too old leaves the disk unread, and with nobody writing', async (t) => {
  const db = await database(t, { path: directory(t), ...RULES });
  await fill(db);
  await db.flush();
  const entries = Object.values(kept()).flat().length;
  const rest = async () => (await db.stats()).trees.series.tableEntries;
  // Of the series of one prefix, whole tables; a bucket of time may not have passed yet.
  assert.ok(await eventually(async () => await rest() <= entries + Object.keys(KEYS).length));
  assert.ok((await db.stats()).trees.series.evictedEntries > 0);
  await db.compact();
  assert.deepEqual(await seen(db), kept());
});

test('rules are those of the opening, and those of all who have the directory open', async (t) => {
  const path = directory(t);
  const db = await open({ path, ...RULES });
  await fill(db);
  const inOtherOrder = await open({ path, seriesRetentionByPrefix: [...RULES.seriesRetentionByPrefix].reverse() });
  assert.deepEqual(await seen(inOtherOrder), kept());
  await inOtherOrder.close();
  const other = { path, seriesRetentionByPrefix: RULES.seriesRetentionByPrefix.slice(1) };
  await assert.rejects(open(other), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^seriesRetentionByPrefix: the directory is open/ });
  await assert.rejects(open({ path, seriesRetentionByPrefix: [] }), { code: 'FLOWDB_INVALID_ARGUMENT' });
  await db.close();
  const without = await database(t, { path });
  assert.deepEqual(await seen(without), Object.fromEntries(Object.keys(KEYS).map((key) => [key, AGES])), 'nothing was dropped yet');
});

test('bad rules are refused by name', async () => {
  const rule = { prefix: 'a', ms: DAY };
  const wrong = {
    seriesRetentionByPrefix: [{ prefix: 'a', ms: DAY }, 'a', () => {}],
    'seriesRetentionByPrefix[0]': [[5], [null], ['a']],
    'seriesRetentionByPrefix[0].prefix': [[{ ms: DAY }], [{ prefix: 5, ms: DAY }], [{ prefix: 'x'.repeat(513), ms: DAY }], [{ prefix: '\ud800', ms: DAY }]],
    'seriesRetentionByPrefix[1].ms': [[rule, { prefix: 'b' }], [rule, { prefix: 'b', ms: 0 }], [rule, { prefix: 'b', ms: 1.5 }], [rule, { prefix: 'b', ms: 'forever' }]],
    'seriesRetentionByPrefix[0].bucketMs': [[{ ...rule, bucketMs: 59_999 }], [{ ...rule, bucketMs: '1h' }]],
    'seriesRetentionByPrefix[0].keep': [[{ ...rule, keep: 5 }]],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const seriesRetentionByPrefix of values) {
      const error = await open({ memory: true, seriesRetentionByPrefix }).then(() => undefined, (reason) => reason);
      assert.equal(error?.code, 'FLOWDB_INVALID_ARGUMENT', name);
      assert.ok(error.message.startsWith(`${name}:`), error.message);
    }
  }
  const contradictions = [
    { seriesRetentionByPrefix: [rule, rule] }, { seriesRetentionByPrefix: [rule, { prefix: Buffer.from('a'), ms: 5 }] },
    { seriesRetentionByPrefix: Array.from({ length: 257 }, (_, index) => ({ prefix: `${index}`, ms: DAY })) },
    { seriesRetentionByPrefix: [{ prefix: 'a', ms: 'never', bucketMs: HOUR }] }, { seriesRetentionByPrefix: [{ prefix: 'a', ms: 365 * DAY, bucketMs: 60_000 }] },
    { seriesBucketMs: HOUR }, { seriesBucketMs: HOUR, seriesRetentionByPrefix: [rule] }, { seriesRetentionMs: 365 * DAY, seriesBucketMs: 60_000 },
  ];
  for (const options of contradictions) {
    const name = 'seriesRetentionByPrefix' in options ? /^series(Retention|Bucket)/ : /^seriesBucketMs/;
    await assert.rejects(open({ memory: true, ...options }), { code: 'FLOWDB_INVALID_ARGUMENT', message: name });
  }
});

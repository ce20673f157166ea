'use strict';

// Questions about many points at a time: aggregates, the newest of each series, windows, duplicates.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory, eventually } = require('../fixture.js');

const ALL = ['count', 'sum', 'avg', 'min', 'max', 'first', 'last'];
const SECOND = 1_000_000;

test('numbers are summed up by window, or by series', async (t) => {
  const db = await database(t);
  const points = [[-1, 5], [0, 2], [400_000, 8], [999_999, -4], [SECOND, 1.5], [3 * SECOND, 7n]];
  for (const [ts, value] of points) await db.series.put('s', value, { ts });
  await db.series.put('t', 10, { ts: 0 });
  assert.deepEqual(await db.series.aggregate({ agg: ALL, window: 1000 }), [
    { key: 's', ts: -SECOND, count: 1, sum: 5, avg: 5, min: 5, max: 5, first: 5, last: 5 },
    { key: 's', ts: 0, count: 3, sum: 6, avg: 2, min: -4, max: 8, first: 2, last: -4 },
    { key: 's', ts: SECOND, count: 1, sum: 1.5, avg: 1.5, min: 1.5, max: 1.5, first: 1.5, last: 1.5 },
    { key: 's', ts: 3 * SECOND, count: 1, sum: 7, avg: 7, min: 7, max: 7, first: 7, last: 7 },
    { key: 't', ts: 0, count: 1, sum: 10, avg: 10, min: 10, max: 10, first: 10, last: 10 },
  ]);
  assert.deepEqual(await db.series.aggregate({ agg: ['count'], from: 0, to: SECOND }), [{ key: 's', count: 3 }, { key: 't', count: 1 }]);
  assert.deepEqual(await db.series.aggregate({ agg: 'max', key: 't' }), [{ key: 't', max: 10 }]);
  assert.deepEqual(await db.series.aggregate({ agg: 'max', prefix: 'x' }), []);
  assert.deepEqual(await db.series.aggregate({ agg: 'max', from: 5, to: 5 }), []);
});

test('numbers are found in fields; what is none is passed over', async (t) => {
  const db = await database(t);
  const values = [{ a: { b: 1 } }, { a: { b: 3 }, more: 'x' }, { a: {} }, { a: { b: '5' } }, { a: { b: NaN } }, 'text', 4, null, Buffer.from('1')];
  for (const [ts, value] of values.entries()) await db.series.put('s', value, { ts });
  assert.deepEqual(await db.series.aggregate({ agg: ['sum', 'count'], field: 'a.b' }), [{ key: 's', sum: 4, count: 2 }]);
  assert.deepEqual(await db.series.aggregate({ agg: ['sum', 'count'] }), [{ key: 's', sum: 4, count: 1 }]);
  for (const [ts, value] of [{ a: { b: 1.5 } }, { a: 2 }, 7].entries()) await db.series.put('j', value, { ts, valueEncoding: 'json' });
  assert.deepEqual(await db.series.aggregate({ key: 'j', agg: 'sum', field: 'a.b', valueEncoding: 'json' }), [{ key: 'j', sum: 1.5 }]);
  assert.deepEqual(await db.series.aggregate({ key: 'j', agg: 'sum', valueEncoding: 'json' }), [{ key: 'j', sum: 7 }]);
  assert.deepEqual(await db.series.aggregate({ key: 'j', agg: 'sum' }), []);
});

test('a large aggregation gives what adding up in JavaScript gives, and can be aborted', async (t) => {
  const db = await database(t, { path: directory(t) });
  const expected = new Map();
  const operations = [];
  for (let index = 0; index < 50_000; index += 1) {
    const [key, ts, value] = [`s${index % 3}`, index * 1000, index % 101];
    operations.push({ type: 'put', key, ts, value });
    const name = `${key} ${Math.floor(ts / SECOND) * SECOND}`;
    expected.set(name, (expected.get(name) ?? 0) + value);
  }
  await db.batch(operations);
  await db.flush();
  const rows = await db.series.aggregate({ prefix: 's', window: 1000, agg: ['sum'] });
  assert.deepEqual(new Map(rows.map(({ key, ts, sum }) => [`${key} ${ts}`, sum])), expected);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [db.series.aggregate({ agg: 'sum', signal }), db.series.count({ signal })];
  controller.abort();
  await Promise.all(calls.map((call) => assert.rejects(call, { code: 'FLOWDB_ABORTED' })));
  assert.equal(await db.series.count(), 50_000);
});

test('the newest point of every series comes in one call', async (t) => {
  const db = await database(t);
  for (const key of ['a/1', 'a/2', 'b/1']) for (const ts of [1, 5, 9]) await db.series.put(key, `${key}@${ts}`, { ts });
  const found = async (options) => (await db.series.latestOfEach(options)).map(({ value }) => value);
  assert.deepEqual(await db.series.latestOfEach({ key: 'a/2', limit: Infinity }), [{ key: 'a/2', ts: 9, value: 'a/2@9' }]);
  assert.deepEqual(await found(), ['a/1@9', 'a/2@9', 'b/1@9']);
  assert.deepEqual(await found({ prefix: 'a/', at: 8 }), ['a/1@5', 'a/2@5']);
  assert.deepEqual(await found({ at: 0 }), []);
  assert.deepEqual(await found({ reverse: true, limit: 2 }), ['b/1@9', 'a/2@9']);
  assert.equal((await db.series.latest('a/1', { at: 5 })).ts, 5);
  assert.equal((await db.series.latest('a/1', { at: 4n })).ts, 1);
});

test('the newest points of many series come in slices, between which the event loop turns and a signal is seen', async (t) => {
  const db = await database(t);
  const keys = Array.from({ length: 20_000 }, (_, index) => `series ${String(index).padStart(5, '0')}`);
  for (let start = 0; start < keys.length; start += 5_000) {
    await db.batch(keys.slice(start, start + 5_000).map((key) => ({ type: 'put', key, value: key, ts: 1 })));
  }
  let turns = 0;
  const count = () => { turns += 1; timer = setImmediate(count); };
  let timer = setImmediate(count);
  const points = await db.series.latestOfEach();
  clearImmediate(timer);
  assert.deepEqual(points.map(({ key }) => key), keys);
  assert.ok(turns > 10, `${turns} turns`);
  const reason = new Error('enough');
  const controller = new AbortController();
  const call = db.series.latestOfEach({ signal: controller.signal });
  // The call's first answer comes in a later turn than this one.
  controller.abort(reason);
  await assert.rejects(call, { code: 'FLOWDB_ABORTED', cause: reason });
  await assert.rejects(db.series.latestOfEach({ signal: controller.signal }), { code: 'FLOWDB_ABORTED', cause: reason });
  assert.ok(await eventually(async () => (await db.stats()).oldestSnapshotMs === 0), 'the call let go of its snapshot');
});

test('the newest points come page by page', async (t) => {
  const db = await database(t);
  const keys = Array.from({ length: 25 }, (_, index) => `s${String(index).padStart(2, '0')}`);
  await db.batch([...keys.map((key) => ({ type: 'put', key, value: 1, ts: 1 })), { type: 'put', key: 't', value: 1, ts: 1 }]);
  const snapshot = await db.snapshot();
  await db.series.clear();
  const walk = async (first, next) => {
    const found = [];
    for (let page = await db.series.latestOfEach({ ...first, limit: 10, snapshot }); page.length > 0; page = await db.series.latestOfEach({ ...next(page.at(-1).key), limit: 10, snapshot })) {
      found.push(...page.map(({ key }) => key));
    }
    return found;
  };
  assert.deepEqual(await walk({ prefix: 's' }, (gt) => ({ gt, lt: 't' })), keys);
  assert.deepEqual(await walk({ prefix: 's', reverse: true }, (lt) => ({ gte: 's', lt, reverse: true })), [...keys].reverse());
  assert.deepEqual(await db.series.latestOfEach({ limit: 0 }), []);
});

test('windows of one series, or of many, are deleted', async (t) => {
  const db = await database(t);
  for (const key of ['a', 'b', 'c']) for (const ts of [1, 2, 3, 4]) await db.series.put(key, 'x', { ts });
  const times = async (key) => (await db.series.scan({ key, values: false }).all()).map(({ ts }) => ts);
  await db.series.delete('a', { from: 2, to: 4 });
  assert.deepEqual(await times('a'), [1, 4]);
  await db.series.delete('a', { from: 4 });
  assert.deepEqual(await times('a'), [1]);
  await db.series.deleteRange({ gte: 'b', to: 3 });
  assert.deepEqual([await times('a'), await times('b'), await times('c')], [[1], [3, 4], [3, 4]]);
  await db.series.deleteRange({ prefix: 'b' });
  await db.series.delete('c', { from: 4, to: 4 });
  assert.deepEqual([await times('b'), await times('c')], [[], [3, 4]]);
  assert.equal(await db.series.count({ gte: 'a', from: 3 }), 2);
  await db.series.clear();
  assert.equal(await db.series.count(), 0);
});

test('of two values for a timestamp the policy decides', async (t) => {
  const db = await database(t);
  assert.equal(await db.series.put('s', 'one', { ts: 1, duplicates: 'first' }), true);
  assert.equal(await db.series.put('s', 'two', { ts: 1, duplicates: 'first' }), false);
  assert.equal(await db.series.get('s', 1), 'one');
  await assert.rejects(db.series.put('s', 'two', { ts: 1, duplicates: 'error' }), { code: 'FLOWDB_CONFLICT', message: /ts/ });
  await db.series.put('s', 'two', { ts: 2, duplicates: 'error' });
  await db.series.put('s', 'three', { ts: 2, duplicates: 'last' });
  assert.equal(await db.series.get('s', new Date(0)), undefined);
  assert.equal(db.series.getSync('s', 2n), 'three');
  assert.equal(await db.series.put('s', 'now', { duplicates: 'first' }), true);
});

test('fields are found beside lone surrogates and by them, in structured values and in JSON', async (t) => {
  for (const valueEncoding of ['any', 'json']) {
    const db = await database(t, { valueEncoding });
    await db.series.put('s', { '\ud800': 5, a: '\udfff', deep: { 'x\udc00': 1 } }, { ts: 1 });
    await db.series.put('s', { a: 7, b: '\ud800', deep: ['\udfff'] }, { ts: 2 });
    const sum = async (field) => (await db.series.aggregate({ agg: 'sum', field }))[0]?.sum;
    assert.deepEqual([await sum('a'), await sum('\ud800'), await sum('deep.x\udc00'), await sum('\ud801'), await sum('\ufffd')], [7, 5, 1, undefined, undefined], valueEncoding);
  }
});

test('points older than the retention are gone', async (t) => {
  const db = await database(t, { path: directory(t), seriesRetentionMs: 3_600_000 });
  const now = Date.now();
  await db.series.put('s', 'old', { ts: new Date(now - 3_700_000), ttl: 'never' });
  await db.series.put('s', 'young', { ts: new Date(now - 3_000_000) });
  assert.deepEqual((await db.series.scan().all()).map(({ value }) => value), ['young']);
});

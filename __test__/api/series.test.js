'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database } = require('../fixture.js');

const MICROSECONDS = 1000;

test('a series keeps a value for each timestamp', async (t) => {
  const db = await database(t);
  await db.series.put('s', 'one', { ts: 1 });
  await db.series.put('s', 'two', { ts: 2n });
  await db.put('s', 'three', { ts: new Date(1) });
  await db.series.put('s', 'two again', { ts: 2 });
  assert.equal(await db.series.get('s', { ts: 1 }), 'one');
  assert.equal(await db.get('s', { ts: 2 }), 'two again');
  assert.equal(db.getSync('s', { ts: 1000 }), 'three');
  assert.equal(await db.series.get('s', { ts: 3 }), undefined);
  assert.equal(await db.get('s'), undefined, 'kv and series do not share keys');
  assert.deepEqual(await db.series.latest('s'), { key: 's', ts: 1000, value: 'three' });
  assert.equal(await db.series.latest('t'), undefined);
});

test('timestamps of all 64 bits are kept, in order', async (t) => {
  const db = await database(t);
  const all = [-(2n ** 63n), -(2n ** 60n), -1, 0, 1, 2 ** 40, 2n ** 60n, 2n ** 63n - 1n];
  for (const ts of [...all].reverse()) await db.series.put('s', 'x', { ts });
  assert.deepEqual((await db.series.scan().all()).map(({ ts }) => ts), all);
  assert.deepEqual((await db.series.scan({ from: 0, to: 2n ** 60n }).all()).map(({ ts }) => ts), [0, 1, 2 ** 40]);
  assert.equal((await db.series.latest('s')).ts, 2n ** 63n - 1n);
  assert.equal(await db.series.get('s', { ts: -(2n ** 63n) }), 'x');
});

test('readings without a timestamp get one of their own, now', async (t) => {
  const db = await database(t);
  const before = Date.now();
  await Promise.all(Array.from({ length: 100 }, (_, index) => db.series.put('s', String(index))));
  const points = await db.series.scan().all();
  assert.deepEqual(points.map(({ value }) => Number(value)), Array.from({ length: 100 }, (_, index) => index));
  assert.ok(points[0].ts >= before * MICROSECONDS && points[99].ts <= (Date.now() + 1000) * MICROSECONDS);
});

test('a version, or all of them, can be deleted', async (t) => {
  const db = await database(t);
  for (const ts of [1, 2, 3]) await db.series.put('s', 'x', { ts });
  await db.series.put('s\0', 'other', { ts: 1 });
  await db.series.put('s\0\x01', 'other', { ts: 1 });
  await db.series.delete('s', { ts: 2 });
  assert.deepEqual((await db.series.scan({ key: 's' }).all()).map(({ ts }) => ts), [1, 3]);
  await db.series.delete('s');
  assert.deepEqual((await db.series.scan().all()).map(({ key }) => key), ['s\0', 's\0\x01']);
});

test('the ttl counts from the timestamp', async (t) => {
  const db = await database(t);
  const now = Date.now();
  await db.series.put('s', 'old', { ts: (now - 10_000) * MICROSECONDS, ttl: 5_000 });
  await db.series.put('s', 'new', { ts: (now - 10_000) * MICROSECONDS + 1, ttl: 60_000 });
  assert.deepEqual((await db.series.scan().all()).map(({ value }) => value), ['new']);
});

test('windows include their start and exclude their end, in every series and both directions', async (t) => {
  const db = await database(t);
  const keys = ['a', 'a\0', 'ab', 'b', '\u00ff'];
  for (const key of keys) {
    for (let ts = 0; ts < 50; ts += 10) await db.series.put(key, `${key}@${ts}`, { ts });
  }
  for (const [from, to] of [[10, 30], [0, 1], [45, 100], [undefined, 20], [15, undefined], [30, 10], [10, 10], [5, 9]]) {
    const wanted = keys.flatMap((key) => [0, 10, 20, 30, 40]
      .filter((ts) => ts >= (from ?? 0) && ts < (to ?? 1000))
      .map((ts) => `${key}@${ts}`));
    const forward = await db.series.scan({ from, to }).all();
    assert.deepEqual(forward.map(({ value }) => value), wanted, `from ${from} to ${to}`);
    const backward = await db.series.scan({ from, to, reverse: true }).all();
    assert.deepEqual(backward.map(({ value }) => value), wanted.reverse(), `from ${from} to ${to}, backward`);
  }
});

test('series are chosen by prefix, key or bounds', async (t) => {
  const db = await database(t);
  for (const key of ['a', 'a\0b', 'ab', 'b', 'c']) await db.series.put(key, 'x', { ts: 1 });
  const keys = async (options) => (await db.series.scan(options).all()).map(({ key }) => key);
  assert.deepEqual(await keys({ prefix: 'a' }), ['a', 'a\0b', 'ab']);
  assert.deepEqual(await keys({ prefix: 'a\0' }), ['a\0b']);
  assert.deepEqual(await keys({ prefix: '' }), ['a', 'a\0b', 'ab', 'b', 'c']);
  assert.deepEqual(await keys({ key: 'a' }), ['a']);
  assert.deepEqual(await keys({ gt: 'a', lte: 'b' }), ['a\0b', 'ab', 'b']);
  assert.deepEqual(await keys({ gte: 'ab', lt: 'c', reverse: true }), ['b', 'ab']);
  assert.deepEqual(await keys({ gt: 'c' }), []);
  assert.deepEqual(await keys({ gte: 'b', lt: 'a' }), []);
  assert.deepEqual((await db.scan({ prefix: 'a', from: 0 }).all()).length, 3, 'a window selects series');
  assert.deepEqual(await db.scan({ prefix: 'a' }).all(), []);
});

test('dates are told apart however far away they are', async (t) => {
  const db = await database(t);
  const times = [-8.64e15, 8.64e15 - 63].flatMap((start) => Array.from({ length: 64 }, (_, index) => start + index));
  await Promise.all(times.map((time) => db.series.put('far', time, { ts: new Date(time) })));
  assert.deepEqual((await db.series.scan({ key: 'far' }).all()).map(({ value }) => value), times);
});

test('latest gives the key in the encoding of the database, and never the caller\'s own bytes', async (t) => {
  const db = await database(t);
  await db.series.put('s', 'x', { ts: 1 });
  const key = Buffer.from('s');
  const latest = db.series.latest(key);
  key[0] = 0;
  assert.equal((await latest).key, 's');
});

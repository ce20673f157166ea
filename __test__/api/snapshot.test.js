'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database } = require('../fixture.js');

test('a snapshot stays as it was, for reads of every kind', async (t) => {
  const db = await database(t);
  await db.kv.put('a', 'old');
  db.kv.put('large', 'x'.repeat(200_000));
  await db.series.put('s', 1, { ts: 1 });
  const snapshot = await db.snapshot();
  await db.kv.put('a', 'new');
  await db.kv.put('b', 'new');
  await db.kv.delete('large');
  await db.series.put('s', 2, { ts: 2 });
  assert.equal(await db.kv.get('a', { snapshot }), 'old');
  assert.equal(db.kv.getSync('a', { snapshot }), 'old');
  assert.equal(await db.kv.has('b', { snapshot }), false);
  assert.deepEqual((await db.kv.getMany(['a', 'b'], { snapshot })), ['old', undefined]);
  assert.deepEqual(await db.kv.scan({ snapshot, values: false }).all(), ['a', 'large']);
  assert.equal(await db.kv.count({ snapshot }), 2);
  assert.equal((await db.series.latest('s', { snapshot })).ts, 1);
  assert.equal(await db.series.get('s', { ts: 2, snapshot }), undefined);
  assert.equal((await db.series.scan({ snapshot }).all()).length, 1);
  assert.equal(await db.series.count({ snapshot }), 1);
  assert.deepEqual((await db.series.latestOfEach({ snapshot })).map(({ value }) => value), [1]);
  assert.deepEqual(await db.series.aggregate({ snapshot, agg: 'sum' }), [{ key: 's', sum: 1 }]);
  assert.equal(await db.kv.get('a'), 'new');
  assert.ok((await db.stats()).oldestSnapshotMs > 0);
  snapshot.close();
  snapshot.close();
  assert.equal((await db.stats()).oldestSnapshotMs, 0);
  await assert.rejects(db.kv.get('a', { snapshot }), { code: 'FLOWDB_CLOSED', message: /snapshot/ });
});

test('a scan that has begun goes on after its snapshot is closed', async (t) => {
  const db = await database(t);
  await db.batch(Array.from({ length: 100 }, (_, index) => ({ type: 'put', key: `k${index}`, value: index })));
  const snapshot = await db.snapshot();
  let count = 0;
  for await (const entry of db.kv.scan({ snapshot })) {
    if (count === 0) snapshot[Symbol.asyncDispose ? Symbol.asyncDispose : 'close']();
    assert.ok(entry.key);
    count += 1;
  }
  assert.equal(count, 100);
});

test('what is no snapshot of this database is refused', async (t) => {
  const [db, other] = [await database(t), await database(t)];
  const foreign = await other.snapshot();
  for (const snapshot of [foreign, {}, null, 1]) {
    await assert.rejects(db.kv.get('a', { snapshot }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^snapshot/ });
    await assert.rejects(db.series.scan({ snapshot }).all(), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^snapshot/ });
  }
});

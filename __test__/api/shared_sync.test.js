'use strict';

// Changes that are to be synced: how many syncs they take, who waits for them, and what is told when one fails.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');
const { FlowDBError } = require('../../index.js');
const { WriteQueue } = require('../../records/write_queue.js');

const COUNT = 100;

for (const sync of ['os', 'always']) {
  test(`changes that wait at the same time share a sync, sync ${sync}`, async (t) => {
    const db = await database(t, { path: directory(t), sync });
    const options = sync === 'os' ? { sync: true } : {};
    const syncs = async () => (await db.stats()).latencies.sync.count;
    await db.put('patched', { n: 0 }, { sync: true });
    const kinds = {
      'put if absent': (index) => db.kv.put(`absent ${index}`, index, { ifAbsent: true, ...options }),
      'put if absent, which is there': (index) => db.kv.put(`absent ${index}`, index, { ifAbsent: true, ...options }),
      increment: () => db.kv.increment('n', 1, options),
      compareAndSet: (index) => db.kv.compareAndSet(`set ${index}`, undefined, index, options),
      getOrSet: (index) => db.kv.getOrSet(`loaded ${index}`, () => index, options),
      deleteRange: (index) => db.kv.deleteRange({ prefix: `absent ${index}`, ...options }),
    };
    for (const [kind, change] of Object.entries(kinds)) {
      const before = await syncs();
      await Promise.all(Array.from({ length: COUNT }, (_, index) => change(index)));
      const taken = await syncs() - before;
      assert.ok(taken <= 5, `${taken} syncs for ${COUNT} of ${kind}`);
      if (kind !== 'put if absent, which is there') assert.ok(taken >= 1, kind);
    }
    assert.equal(await db.get('n'), COUNT);
    const before = await syncs();
    await db.kv.patch('patched', { n: 1 }, options);
    assert.ok(await syncs() > before);
  });
}

test('a sync that fails is told to all changes that waited for it, and reads do not wait', async () => {
  const failure = new FlowDBError('FLOWDB_IO', 'the sync failed');
  const refused = new FlowDBError('FLOWDB_INVALID_ARGUMENT', 'no number');
  const native = {
    writer: () => () => assert.fail('nothing is written'),
    changeLater: async () => [Buffer.alloc(0), refused, Buffer.alloc(0)],
    syncChanges: (/** @type {boolean} */ sync) => (sync ? 7 : 0),
    takeOutcomes: () => [{ number: 7, error: failure, isLast: true }],
  };
  const queue = new WriteQueue(native, undefined);
  const changes = [false, true, false].map((sync) => queue.change(Buffer.alloc(1), sync));
  const outcomes = Promise.allSettled(changes);
  assert.equal(await queue.caughtUp(() => 'read'), 'read');
  queue.takeOutcomes();
  assert.deepEqual((await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason), [failure, refused, failure]);
});

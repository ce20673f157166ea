'use strict';

// Nobody waits for a sync who has not asked for one. Goal: writes behind one that is being synced are committed, and all reads see both, while its promise waits.
// Method: what the native side tells of the ends of syncs is held back, as by a disk that takes its time, until the test lets it through.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const binding = require('../../binding.js');
const { checkOpen } = require('../../records/open_options.js');
const { Kv } = require('../../records/kv.js');
const { Session } = require('../../records/session.js');
const { directory } = require('../fixture.js');

const SMALL = Buffer.alloc(100, 1);
const LARGE = Buffer.alloc(200_000, 2);

/** The native module, but of its stores' syncs the end is heard once `release` is called. */
function holding() {
  let isHeld = true;
  const held = [];
  const notified = [];
  const hold = (store) => {
    const synced = new Set();
    const note = (number, sync) => { if (sync) synced.add(number); return number; };
    const [writer, writeLater, takeOutcomes] = ['writer', 'writeLater', 'takeOutcomes'].map((name) => store[name].bind(store));
    store.writer = () => {
      const tryWrite = writer();
      return (operations, length, sync) => note(tryWrite(operations, length, sync), sync);
    };
    store.writeLater = (operations, sync) => note(writeLater(operations, sync), sync);
    store.takeOutcomes = () => {
      const outcomes = takeOutcomes();
      if (!isHeld) return [...held.splice(0), ...outcomes];
      const isEnd = ({ number, isLast }) => isLast && synced.has(number);
      held.push(...outcomes.filter(isEnd));
      return outcomes.filter((outcome) => !isEnd(outcome));
    };
    return store;
  };
  const open = async (options, onOutcome) => {
    notified.push(onOutcome);
    return hold(await binding.RecordStore.open(options, onOutcome));
  };
  const release = () => {
    isHeld = false;
    for (const notify of notified) notify();
  };
  return { module: { ...binding, RecordStore: { open } }, release };
}

for (const [name, value] of [['small', SMALL], ['large', LARGE]]) {
  test(`a ${name} write that waits for its sync keeps neither reads nor writes waiting`, async (t) => {
    const { module, release } = holding();
    const session = await Session.open(module, checkOpen(directory(t)));
    t.after(() => session.close());
    const kv = new Kv(session);
    const told = [];
    const synced = kv.put('synced', value, { sync: true }).then(() => told.push('synced'));
    await new Promise((resolve) => { setImmediate(resolve); }); // what comes in the same turn may share the commit
    const behind = kv.put('behind', LARGE).then(() => told.push('behind'));
    assert.deepEqual(await kv.get('synced'), value);
    assert.deepEqual(await kv.get('behind'), LARGE);
    assert.deepEqual((await kv.scan({ values: false }).all()), ['behind', 'synced']);
    assert.deepEqual(told, [], 'outcomes are told in order, the first once it is synced');
    release();
    await Promise.all([synced, behind]);
    assert.deepEqual(told, ['synced', 'behind']);
  });
}

'use strict';

// A scan's own iterator keeps the contract of an async generator: calls may overlap, and the end is the end.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, run } = require('../fixture.js');

/** @param {import('node:test').TestContext} t  @param {number} count */
async function filled(t, count) {
  const db = await database(t);
  await db.batch(Array.from({ length: count }, (_, index) => ({ type: 'put', key: String(index).padStart(5, '0'), value: index })));
  return db;
}

const entry = (/** @type {number} */ index) => ({ done: false, value: { key: String(index).padStart(5, '0'), value: index } });
const END = { done: true, value: undefined };

test('calls that overlap are answered in order', async (t) => {
  const db = await filled(t, 1500);
  const entries = db.kv.scan()[Symbol.asyncIterator]();
  const answers = await Promise.all(Array.from({ length: 1503 }, () => entries.next()));
  assert.deepEqual(answers, [...Array.from({ length: 1500 }, (_, index) => entry(index)), END, END, END]);
});

test('return answers after the calls before it, and is the end', async (t) => {
  const db = await filled(t, 20);
  const entries = db.kv.scan()[Symbol.asyncIterator]();
  const answers = await Promise.all([entries.next(), entries.next(), entries.return?.('x'), entries.next(), entries.return?.(Promise.resolve('y'))]);
  assert.deepEqual(answers, [entry(0), entry(1), { done: true, value: 'x' }, END, { done: true, value: 'y' }]);
});

test('return before the first step reads nothing', async (t) => {
  const db = await filled(t, 2);
  const entries = db.kv.scan()[Symbol.asyncIterator]();
  assert.deepEqual(await entries.return?.(), END);
  assert.deepEqual(await entries.next(), END);
});

test('throw rejects, and is the end', async (t) => {
  const db = await filled(t, 20);
  const entries = db.kv.scan()[Symbol.asyncIterator]();
  for (let index = 0; index < 5; index += 1) assert.deepEqual(await entries.next(), entry(index));
  await assert.rejects(Promise.resolve(entries.throw?.(new RangeError('enough'))), RangeError);
  assert.deepEqual(await entries.next(), END);
});

test('an error is the end', async (t) => {
  const db = await filled(t, 20);
  const entries = db.kv.scan({ valueEncoding: 'utf8' })[Symbol.asyncIterator]();
  await assert.rejects(entries.next(), { code: 'FLOWDB_INVALID_ARGUMENT' });
  assert.deepEqual(await entries.next(), END);
});

test('an error that nobody handles is told of as unhandled', async () => {
  const { code, output } = await run(`
    process.on('unhandledRejection', ({ code }) => console.log('unhandled', code));
    (async () => {
      const db = await open({ memory: true });
      await db.kv.put('k', 1);
      const entries = () => db.kv.scan({ valueEncoding: 'utf8' })[Symbol.asyncIterator]();
      entries().next();
      entries().next().catch(({ code }) => console.log('handled', code));
      setImmediate(() => db.close());
    })();`);
  assert.deepEqual([code, output.split('\n').filter(Boolean).sort()], [0, ['handled FLOWDB_INVALID_ARGUMENT', 'unhandled FLOWDB_INVALID_ARGUMENT']]);
});

test('keys are strings where they can be, on pages with others beside them', async (t) => {
  const db = await database(t);
  const keys = ['a', 'é', '😀', Buffer.of(0xff, 1)];
  for (const key of keys) await db.put(key, 1);
  assert.deepEqual(await db.kv.scan({ values: false }).all(), keys);
  assert.deepEqual(await db.kv.scan({ prefix: 'a', values: false, keyEncoding: 'buffer' }).all(), [Buffer.from('a')]);
  const seen = [];
  for await (const key of db.kv.scan({ values: false })) seen.push(key);
  assert.deepEqual(seen, keys);
});

test('the first step sees what was there when it was called', async (t) => {
  const db = await filled(t, 2);
  const entries = db.kv.scan()[Symbol.asyncIterator]();
  const first = entries.next();
  const written = [db.put('00000', 'later'), db.delete('00001')];
  assert.deepEqual(await first, entry(0));
  await Promise.all(written);
  assert.deepEqual(await entries.next(), entry(1));
});

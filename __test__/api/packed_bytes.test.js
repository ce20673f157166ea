'use strict';

// What the record API and the facade hand to the native side is packed bytes and where they end. Goal: an end that is not theirs is refused, rather than
// taken for nothing to do and acknowledged. Method: the native functions are called as neither does.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { DocumentClient, RecordStore } = require('../../binding.js');
const { directory } = require('../fixture.js');

const CUT_OFF = { code: 'FLOWDB_INVALID_ARGUMENT', message: /cut off/ };

test('a write or a read that ends behind its bytes is refused', async (t) => {
  const store = await RecordStore.open({ path: directory(t) }, () => {});
  t.after(() => store.close());
  const write = store.writer();
  for (const sync of [false, true]) assert.throws(() => write(Buffer.alloc(4), 100, sync), CUT_OFF);
  assert.equal(write(Buffer.alloc(4), 0, false), 0, 'what says that it is empty is done');
  const get = store.reader().getter();
  assert.throws(() => get(Buffer.alloc(16), 0, 100, true), CUT_OFF);
  assert.throws(() => get(Buffer.alloc(16), 100, 9, true), CUT_OFF);
});

test('requests that end behind their bytes, or begin behind their end, are refused', async (t) => {
  const client = DocumentClient.openMemory(() => {});
  t.after(() => client.dispose());
  const scratch = Buffer.alloc(64);
  for (const [start, end] of [[2, 100], [3, 2]]) {
    assert.throws(() => client.executor()(1, Buffer.alloc(4), start, end, scratch), CUT_OFF);
    assert.throws(() => client.transactor()(1, 1, 3, Buffer.alloc(4), start, end, scratch), CUT_OFF);
  }
});

'use strict';

// Goal: an abort of many requests makes no error for a request that nobody looks at. One takes longer than all else that is done for a request.
// Method: a DOMException that counts, in place before flowdb is loaded.

const assert = require('node:assert/strict');
const { test } = require('node:test');

let made = 0;
globalThis.DOMException = new Proxy(DOMException, {
  construct(constructor, args) {
    made += 1;
    return Reflect.construct(constructor, args);
  },
});
const diagnostics = require('node:diagnostics_channel');
const { finished, openDatabase } = require('./support.js');

test('the error of a request that an abort takes back is made when somebody looks at it', async () => {
  const db = await openDatabase((created) => created.createObjectStore('s'));
  const transaction = db.transaction('s', 'readwrite');
  const store = transaction.objectStore('s');
  const requests = Array.from({ length: 1000 }, (_, key) => store.delete(key));
  const aborted = assert.rejects(finished(transaction), { message: 'abort' });
  requests[7].onerror = ({ target }) => assert.equal(target.error.name, 'AbortError');
  transaction.abort();
  await aborted;
  assert.equal(made, 1);
  const [first, second] = requests;
  assert.deepEqual([first.error.name, first.error instanceof DOMException, first.result, second.error.name], ['AbortError', true, undefined, 'AbortError']);
  assert.equal(first.error, first.error);
  assert.notEqual(first.error, second.error);
  assert.equal(made, 3);
});

test('messages of a channel share one', async (t) => {
  const messages = [];
  const listener = (message) => messages.push(message);
  diagnostics.subscribe('flowdb:indexeddb:request', listener);
  t.after(() => diagnostics.unsubscribe('flowdb:indexeddb:request', listener));
  const db = await openDatabase((created) => created.createObjectStore('s'));
  const transaction = db.transaction('s', 'readwrite');
  for (let key = 0; key < 100; key += 1) transaction.objectStore('s').delete(key);
  made = 0;
  transaction.abort();
  await assert.rejects(finished(transaction), { message: 'abort' });
  assert.equal(messages.filter(({ error }) => error?.name === 'AbortError').length, 100);
  assert.equal(made, 1);
});

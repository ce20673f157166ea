'use strict';

// What the package exports, seen from CommonJS and from ES modules.

const assert = require('node:assert/strict');
const { cpSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const flowdb = require('../../index.js');
const { ROOT, directory } = require('../fixture.js');

const NAMES = [
  'open', 'Database', 'FlowDBError', 'indexedDB', 'IDBCursor', 'IDBCursorWithValue', 'IDBDatabase', 'IDBFactory', 'IDBIndex',
  'IDBKeyRange', 'IDBObjectStore', 'IDBOpenDBRequest', 'IDBRecord', 'IDBRequest', 'IDBTransaction', 'IDBVersionChangeEvent',
  'forceCloseDatabase', 'default',
];

test('every name is there', () => {
  assert.deepEqual(Object.keys(flowdb).sort(), [...NAMES].sort());
  for (const name of NAMES) assert.notEqual(flowdb[name], undefined, name);
  assert.equal(flowdb.default, flowdb.indexedDB);
});

test('ES modules see the names', async () => {
  const module = await import(pathToFileURL(path.join(ROOT, 'index.js')).href);
  for (const name of NAMES.filter((one) => one !== 'default')) assert.equal(module[name], flowdb[name], name);
});

test('errors are errors with a code', () => {
  const error = new flowdb.FlowDBError('FLOWDB_IO', 'words', { file: 'f', offset: 3 });
  assert.ok(error instanceof Error);
  assert.equal(String(error), 'FlowDBError: words');
  assert.deepEqual({ ...error }, { code: 'FLOWDB_IO', file: 'f', offset: 3 });
});

test('a platform without a library gets an error that names everything', (t) => {
  const folder = directory(t);
  const copy = path.join(folder, 'binding.js');
  for (const part of ['binding.js', 'common']) cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true });
  assert.throws(() => require(copy), (error) => {
    assert.equal(error.code, 'FLOWDB_NO_BINARY');
    assert.deepEqual([error.platform, error.arch], [process.platform, process.arch]);
    assert.ok(error.package.startsWith(`@flowdb/binding-${process.platform}-${process.arch}`));
    for (const part of [error.platform, error.arch, error.libc, error.package]) assert.ok(error.message.includes(part));
    return true;
  });
});

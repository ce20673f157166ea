'use strict';

// A project that replaces fake-indexeddb by flowdb finds every path and every name it imported.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { ROOT } = require('./installation.js');

// Its package.json is not among its exports.
const fake = JSON.parse(fs.readFileSync(path.join(ROOT, 'node_modules/fake-indexeddb/package.json'), 'utf8'));
const subPaths = Object.keys(fake.exports).filter((name) => name !== './auto').map((name) => name.slice(1));

test('the release whose exports count', () => assert.equal(fake.version, '6.2.8'));

for (const subPath of subPaths) {
  test(`require('flowdb${subPath}')`, () => {
    const theirs = require(`fake-indexeddb${subPath}`);
    const ours = require(`flowdb${subPath}`);
    assert.equal(typeof ours, typeof theirs);
    // Names that begin with an underscore are the state of their objects.
    const names = Object.keys(theirs).filter((name) => !name.startsWith('_'));
    const missing = names.filter((name) => typeof ours[name] !== typeof theirs[name]);
    assert.deepEqual(missing, []);
  });

  test(`import 'flowdb${subPath}'`, async () => {
    const theirs = await import(`fake-indexeddb${subPath}`);
    const ours = await import(`flowdb${subPath}`);
    const missing = Object.keys(theirs).filter((name) => typeof ours[name] !== typeof theirs[name]);
    assert.deepEqual(missing, []);
  });
}

test('both ways to load the package give the same objects', async () => {
  const imported = await import('flowdb');
  const required = require('flowdb');
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort());
  for (const [name, value] of Object.entries(required)) assert.equal(imported[name], value, name);
  assert.equal((await import('flowdb/lib/FDBFactory')).default, required.IDBFactory);
});

test('the default is the factory, as in fake-indexeddb: its open makes a request', async () => {
  for (const name of ['fake-indexeddb', 'flowdb']) {
    const { default: factory, IDBFactory, IDBOpenDBRequest } = await import(name);
    assert.ok(factory instanceof IDBFactory, name);
    const request = factory.open('the default', 1);
    assert.ok(request instanceof IDBOpenDBRequest, name);
    await new Promise((resolve) => { request.onsuccess = resolve; });
    request.result.close();
  }
});

'use strict';

const assert = require('node:assert/strict');
const { copyFileSync, cpSync, readdirSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { IDBFactory, open } = require('../../index.js');
const { ROOT, assertKilled, database, directory, run } = require('../fixture.js');

const TRY = `
  open(process.argv[1]).then(async (db) => { console.log(JSON.stringify({ value: await db.get('k') })); await db.close(); })
    .catch((error) => console.log(JSON.stringify({ code: error.code, holder: error.holder, message: error.message })));
`;

test('a second process is told who has the directory', async (t) => {
  const dir = directory(t);
  const db = await open(dir);
  await db.put('k', 'x');
  const refused = JSON.parse((await run(TRY, { args: [dir] })).output);
  assert.equal(refused.code, 'FLOWDB_LOCKED');
  assert.equal(refused.holder, process.pid);
  assert.match(refused.message, new RegExp(`${process.pid}`));
  await db.close();
  assert.deepEqual(JSON.parse((await run(TRY, { args: [dir] })).output), { value: 'x' });
});

test('IndexedDB in a second process is told the same, as the cause of its exception', async (t) => {
  const dir = directory(t);
  const db = await open(dir);
  await db.flush();
  const { output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(ROOT)});
    const request = new IDBFactory({ path: process.argv[1] }).open('name');
    request.onerror = () => {
      const { name, message, cause } = request.error;
      console.log(JSON.stringify({ name, message, isOurs: cause instanceof FlowDBError, code: cause.code, holder: cause.holder }));
    };
  `, { args: [dir] });
  const { message, ...refused } = JSON.parse(output);
  assert.deepEqual(refused, { name: 'UnknownError', isOurs: true, code: 'FLOWDB_LOCKED', holder: process.pid });
  assert.match(message, /^FLOWDB_LOCKED: /);
  await db.close();
});

test('a killed process leaves nothing locked and nothing lost', async (t) => {
  const dir = directory(t);
  const child = await run(`
    open(process.argv[1]).then(async (db) => {
      await db.put('k', 'x');
      await db.put('large', 'x'.repeat(500_000));
      process.kill(process.pid, 'SIGKILL');
    });
  `, { args: [dir] });
  assertKilled(child);
  const db = await database(t, { path: dir });
  assert.equal(await db.get('k'), 'x');
  assert.equal((await db.get('large')).length, 500_000);
});

test('another copy of the library in this process is told so', async (t) => {
  const dir = directory(t);
  const library = readdirSync(ROOT).find((name) => /^flowdb\..*\.node$/.test(name));
  const copy = path.join(directory(t), library);
  copyFileSync(path.join(ROOT, library), copy);
  await database(t, { path: dir });
  await assert.rejects(require(copy).RecordStore.open({ path: dir }, () => {}), { code: 'FLOWDB_LOCKED', holder: process.pid, message: /another copy/ });
});

test('a second copy of the package in this process is told so by open and by IndexedDB, and works once the first has let go', async (t) => {
  const dir = directory(t);
  const copy = copyOfThePackage(directory(t));
  const first = new IDBFactory({ path: dir });
  t.after(() => first.close());
  await opened(first);
  await assert.rejects(copy.open(dir), { code: 'FLOWDB_LOCKED', holder: process.pid, message: /another copy/ });
  const second = new copy.IDBFactory({ path: dir });
  const refused = await opened(second).then(assert.fail, (error) => error);
  assert.equal(refused.name, 'UnknownError');
  assert.deepEqual([refused.cause.code, refused.cause.holder], ['FLOWDB_LOCKED', process.pid]);
  assert.ok(refused.cause instanceof copy.FlowDBError);
  await first.close();
  await opened(second);
  await second.close();
});

/** @param {string} into */
function copyOfThePackage(into) {
  const files = readdirSync(ROOT).filter((name) => /\.(js|node)$/.test(name) || name === 'package.json');
  for (const name of [...files, 'common', 'values', 'records', 'indexeddb', 'lib', 'auto']) cpSync(path.join(ROOT, name), path.join(into, name), { recursive: true });
  return require(into);
}

/** @param {IDBFactory} factory */
function opened(factory) {
  return new Promise((resolve, reject) => {
    const request = factory.open('name');
    request.onsuccess = () => resolve(request.result.close());
    request.onerror = () => reject(request.error);
  });
}

'use strict';

// What becomes of a database whose directory is named by a relative path, or is taken away from under it.

const assert = require('node:assert/strict');
const { existsSync, mkdirSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { directory, run } = require('../fixture.js');

test('a relative path is one of the working directory at the time of the call', async (t) => {
  const dir = directory(t);
  mkdirSync(path.join(dir, 'there'));
  const { output } = await run(`
    process.chdir(process.argv[1]);
    (async () => {
      const opening = open('records');
      const factory = new (require(${JSON.stringify(path.join(__dirname, '../../index.js'))}).IDBFactory)({ path: 'documents' });
      process.chdir('there');
      const db = await opening;
      await db.put('k', 'x');
      await db.flush();
      await db.close();
      await new Promise((resolve, reject) => { const request = factory.open('d'); request.onsuccess = resolve; request.onerror = reject; });
      await factory.close();
      const again = await open('../records');
      console.log(await again.get('k'));
    })();
  `, { args: [dir] });
  assert.equal(output.trim(), 'x');
  assert.deepEqual(['records', 'documents'].map((name) => [existsSync(path.join(dir, name)), existsSync(path.join(dir, 'there', name))]), [[true, false], [true, false]]);
});

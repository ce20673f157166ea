'use strict';

// What becomes of a database whose directory is named by a relative path, or is taken away from under it.

const assert = require('node:assert/strict');
const { existsSync, mkdirSync, renameSync, rmSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { database, directory, run } = require('../fixture.js');

for (const [what, takeAway] of [
  ['removed', (/** @type {string} */ dir) => rmSync(dir, { recursive: true })],
  ['moved', (/** @type {string} */ dir) => renameSync(dir, `${dir}.old`)],
]) {
  test(`a database whose directory was ${what} leaves the one in its place alone`, async (t) => {
    const options = { path: path.join(directory(t), 'data'), writeBufferBytes: 64 * 1024 };
    const former = await database(t, options);
    await former.put('former', 'x');
    takeAway(options.path);
    const latter = await database(t, options);
    const fill = async (/** @type {import('../../index.js').Database} */ db, /** @type {number} */ count) => {
      for (let index = 0; index < count; index += 1) await db.put(`k${index}`, 'x'.repeat(300));
      await db.flush();
    };
    await fill(latter, 1000);
    await assert.rejects(fill(former, 3000), { code: 'FLOWDB_POISONED', message: /removed or moved/ });
    assert.equal(await former.get('former'), 'x', 'what it has open can still be read');
    await former.close();
    assert.equal((await latter.scan({ values: false }).all()).length, 1000);
    await latter.close();
    const again = await database(t, options);
    assert.equal((await again.scan({ values: false }).all()).length, 1000);
  });
}

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

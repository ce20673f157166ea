'use strict';

// However a thread or a process ends while it writes, compacts and has calls pending: it ends as asked, and loses nothing that was acknowledged.
// `node scripts/soak.mjs` does the same for long.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { ROOT, directory, run } = require('../fixture.js');

const soak = import(pathToFileURL(path.join(ROOT, 'scripts', 'soak.mjs')).href);
const seed = Number(process.env.FLOWDB_SEED ?? Date.now() >>> 0);
const rounds = Number(process.env.FLOWDB_SEEDS ?? 4);
// Windows has no signals that end a process from within.
const deaths = process.platform === 'win32' ? ['exit', 'throw', 'reject'] : ['exit', 'throw', 'reject', 'term', 'kill'];

for (const death of deaths) {
  test(`processes end by: ${death}`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const { DEATHS, processRounds } = await soak;
    assert.ok(await processRounds({ death: DEATHS[death], rounds, seed }) > 0);
  });
}

test('threads are terminated', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const { threadRounds } = await soak;
  assert.ok(await threadRounds({ rounds: 3 * rounds, seed }) > 0);
});

test('process.exit with everything pending, and a pool of one thread', async (t) => {
  const { code, output } = await run(`
    (async () => {
      const db = await open({ path: process.argv[1], writeBufferBytes: 64 * 1024 });
      for (let index = 0; index < 3000; index += 1) db.put('k' + index, 'x'.repeat(300));
      const iterator = db.scan()[Symbol.asyncIterator]();
      await iterator.next();
      db.put('synced', 'x', { sync: true }); db.put('large', 'x'.repeat(2_000_000)); db.get('k1'); db.flush(); iterator.next(); db.close();
      open(process.argv[1] + '-other');
      process.exit(7);
    })();
  `, { args: [directory(t)], env: { UV_THREADPOOL_SIZE: '1' } });
  assert.deepEqual([code, output], [7, '']);
});

test('many threads load the library, use it and leave at the same time', async (t) => {
  const { code, output } = await run(`
    const { Worker } = require('node:worker_threads');
    const source = \`
      const { workerData } = require('node:worker_threads');
      const { open, IDBFactory } = require(workerData.root);
      open(workerData.path).then(async (db) => {
        await db.put('thread' + workerData.index, 'x', { sync: true });
        if (workerData.index % 3 === 0) return process.exit();
        if (workerData.index % 3 === 1) await db.close();
      });\`;
    (async () => {
      const workers = Array.from({ length: 24 }, (_, index) => new Worker(source, { eval: true, workerData: { index, path: process.argv[1], root: process.argv[2] } }));
      await Promise.all(workers.map((worker) => new Promise((resolve, reject) => { worker.on('error', reject); worker.on('exit', resolve); })));
      const db = await open(process.argv[1]);
      console.log((await db.scan({ prefix: 'thread', values: false }).all()).length);
    })();
  `, { args: [directory(t), ROOT] });
  assert.deepEqual([code, output.trim()], [0, '24']);
});

test('the library is loaded by many vm contexts, which are collected', async (t) => {
  const { code, output } = await run(`
    const vm = require('node:vm');
    const fs = require('node:fs');
    const nodePath = require('node:path');
    const { createRequire } = require('node:module');
    // A loader as test runners have them: every module once for each context.
    const loadIn = (context, file, loaded = new Map()) => {
      if (loaded.has(file)) return loaded.get(file).exports;
      const module = { exports: {} };
      loaded.set(file, module);
      const outer = createRequire(file);
      const inner = (name) => {
        const found = outer.resolve(name);
        return nodePath.isAbsolute(found) && found.endsWith('.js') ? loadIn(context, found, loaded) : outer(found);
      };
      vm.runInContext('(function (module, exports, require) {' + fs.readFileSync(file, 'utf8') + '\\n})', context, { filename: file })(module, module.exports, inner);
      return module.exports;
    };
    (async () => {
      const globals = { process, console, Buffer, setTimeout, clearTimeout, setImmediate, clearImmediate, queueMicrotask, structuredClone,
        EventTarget, Event, DOMException, AbortController, AbortSignal, Blob, File: globalThis.File, TextEncoder, TextDecoder, performance };
      let collected = 0;
      const registry = new FinalizationRegistry(() => { collected += 1; });
      for (let round = 0; round < 30; round += 1) {
        const context = vm.createContext({ ...globals });
        registry.register(context, round);
        const db = await loadIn(context, require.resolve(process.argv[2])).open(process.argv[1]);
        await db.put('context' + round, 'x');
        if (round % 2) await db.close();
      }
      for (let attempt = 0; attempt < 100 && collected < 10; attempt += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
      const db = await open(process.argv[1]);
      console.log((await db.scan({ prefix: 'context', values: false }).all()).length, collected >= 10 ? 'collected' : 'kept: only ' + collected + ' were collected');
      await db.close();
    })();
  `, { args: [directory(t), ROOT], nodeOptions: ['--expose-gc'] });
  assert.deepEqual([code, output.trim()], [0, '30 collected']);
});

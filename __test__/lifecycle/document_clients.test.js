'use strict';

// IndexedDB in a directory, used by several threads; and how its factories come to an end.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { IDBFactory, open } = require('../../index.js');
const { ROOT, directory, eventually, run } = require('../fixture.js');

/**
 * A thread that opens version 1 of the database `shared` and reports what it is told.
 *
 * @param {string} path
 * @param {string} onversionchange source of what it does then
 */
function holder(path, onversionchange) {
  return new Worker(`
    const { parentPort, workerData: { path, root } } = require('node:worker_threads');
    const { IDBFactory } = require(root);
    const request = new IDBFactory({ path }).open('shared', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('s');
    request.onsuccess = () => {
      const db = request.result;
      db.onversionchange = () => { parentPort.postMessage('versionchange'); ${onversionchange} };
      parentPort.postMessage('open');
    };
    parentPort.on('message', () => {});
  `, { eval: true, workerData: { path, root: ROOT } });
}

/**
 * @param {any} request
 * @returns {Promise<{ result: any, events: string[] }>}
 */
function settled(request) {
  const events = [];
  return new Promise((resolve, reject) => {
    request.onblocked = () => events.push('blocked');
    request.onupgradeneeded = () => events.push('upgradeneeded');
    request.onsuccess = () => resolve({ result: request.result, events });
    request.onerror = () => reject(request.error);
  });
}

test('a connection in another thread is told of an upgrade, and closes', async (t) => {
  const path = directory(t);
  const thread = holder(path, 'db.close();');
  await once(thread, 'message');
  const told = once(thread, 'message');
  const { result, events } = await settled(new IDBFactory({ path }).open('shared', 2));
  assert.deepEqual(await told, ['versionchange']);
  assert.deepEqual([events, result.version, [...result.objectStoreNames]], [['upgradeneeded'], 2, ['s']]);
  result.close();
  await thread.terminate();
});

test('the death of a thread closes its connections', async (t) => {
  const path = directory(t);
  const thread = holder(path, '');
  await once(thread, 'message');
  const request = new IDBFactory({ path }).open('shared', 2);
  const upgraded = settled(request);
  await new Promise((resolve) => { request.addEventListener('blocked', resolve, { once: true }); });
  await thread.terminate();
  const { result, events } = await upgraded;
  assert.deepEqual(events, ['blocked', 'upgradeneeded']);
  result.close();
});

test('records and databases share a directory', async (t) => {
  const path = directory(t);
  const db = await open(path);
  await db.put('k', 'a record');
  const { result } = await settled(new IDBFactory({ path }).open('mine', 1));
  result.close();
  assert.equal(await db.get('k'), 'a record');
  assert.ok((await db.stats()).trees.documents.memoryBytes > 0);
  await db.close();
});

test('an open connection that does nothing does not keep the process alive', async (t) => {
  const { code, output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(ROOT)});
    const request = new IDBFactory({ path: process.argv[1] }).open('db', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('s').put('x', 1);
    request.onsuccess = () => console.log('open');
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim()], [0, 'open']);
});

test('factories in memory that are forgotten are freed', async () => {
  const { output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(ROOT)});
    const factories = new FinalizationRegistry(() => { freed += 1; });
    let freed = 0;
    const use = () => new Promise((resolve, reject) => {
      const factory = new IDBFactory();
      factories.register(factory, 0);
      const request = factory.open('db', 1);
      request.onupgradeneeded = () => request.result.createObjectStore('s').put('x'.repeat(1000), 1);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    });
    (async () => {
      for (let index = 0; index < 50; index += 1) await use();
      for (let round = 0; round < 100 && freed < 49; round += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
      console.log(freed >= 49 ? 'freed' : 'freed only ' + freed);
    })();
  `, { nodeOptions: ['--expose-gc'] });
  assert.equal(output.trim(), 'freed');
});

test('a directory is free again once its factory was forgotten', async (t) => {
  const path = directory(t);
  const child = `
    const { IDBFactory } = require(${JSON.stringify(ROOT)});
    const request = new IDBFactory({ path: process.argv[1] }).open('db', 1);
    request.onsuccess = () => console.log('open');
    request.onerror = () => console.log(request.error.name);
  `;
  await settled(new IDBFactory({ path }).open('db', 1)).then(({ result }) => result.close());
  assert.notEqual((await run(child, { args: [path] })).output.trim(), 'open', 'this process still has it');
  if (typeof globalThis.gc !== 'function') require('node:v8').setFlagsFromString('--expose-gc');
  const collect = require('node:vm').runInNewContext('gc');
  assert.ok(await eventually(async () => { collect(); return (await run(child, { args: [path] })).output.trim() === 'open'; }));
});

test('a connection with listeners hears of an upgrade although nobody refers to its factory', async (t) => {
  const { output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(ROOT)});
    const path = process.argv[1];
    const opened = (request) => new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const told = [];
    const forget = async (name) => {
      const database = await opened(new IDBFactory({ path }).open(name, 1));
      database.onversionchange = (event) => { told.push(name); event.target.close(); };
      if (name === 'deaf') database.onversionchange = null;
    };
    (async () => {
      const other = new IDBFactory({ path });
      for (const name of ['hears', 'deaf']) {
        await forget(name);
        for (let round = 0; round < 20; round += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
        (await opened(other.open(name, 2))).close();
      }
      console.log(told.join());
    })();
  `, { args: [directory(t)], nodeOptions: ['--expose-gc'] });
  assert.equal(output.trim(), 'hears');
});

test('a directory is free again once its connections with listeners are closed, and its factory was forgotten', async (t) => {
  const path = directory(t);
  await settled(new IDBFactory({ path }).open('db', 1)).then(({ result }) => {
    result.onversionchange = () => {};
    result.close();
    result.onclose = () => {};
  });
  const request = `const request = new (require(${JSON.stringify(ROOT)}).IDBFactory)({ path: process.argv[1] }).open('db');`;
  const child = `${request} request.onsuccess = () => console.log('open'); request.onerror = () => console.log('refused');`;
  require('node:v8').setFlagsFromString('--expose-gc');
  const collect = require('node:vm').runInNewContext('gc');
  assert.ok(await eventually(async () => { collect(); return (await run(child, { args: [path] })).output.trim() === 'open'; }));
});

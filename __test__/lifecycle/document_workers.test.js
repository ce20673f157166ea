'use strict';

// Goal: threads with the same directory are one world: transactions exclude each other, version changes are told to all, and a thread
// that is terminated leaves nothing half done and nothing locked.
// Method: random programs in three threads, some of them terminated in the middle, against what each has reported. FLOWDB_SEED is the
// first seed, FLOWDB_SEEDS how many there are.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { IDBFactory } = require('../../index.js');
const { ROOT, directory, pause } = require('../fixture.js');
const { Random } = require('../support/random_value.js');

const THREADS = 3;
const NUMBERS = require.resolve('../support/random_value.js');
const STEPS = 12;

/** A thread that adds to a counter, aborts, or upgrades, as its random numbers say; each addition also leaves a record of its name. */
const PROGRAM = `
const { parentPort, workerData: { path, root, numbers, name, seed, steps } } = require('node:worker_threads');
const { IDBFactory } = require(root);
const factory = new IDBFactory({ path });
const { Random } = require(numbers);
const random = new Random(seed);
const below = (limit) => random.below(limit);
let db = null;

function open(version) {
  return new Promise((resolve, reject) => {
    const request = factory.open('shared', version);
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion === 0) for (const store of ['counter', 'log']) request.result.createObjectStore(store);
      request.transaction.objectStore('log').put(request.result.version, 'version');
    };
    request.onerror = () => (request.error.name === 'VersionError' ? resolve(null) : reject(request.error));
    request.onsuccess = () => {
      const opened = request.result;
      opened.onversionchange = () => { opened.close(); if (db === opened) db = null; };
      resolve(opened);
    };
  });
}

function add(step, turns, abort) {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(['counter', 'log'], 'readwrite', { durability: below(4) === 0 ? 'strict' : 'relaxed' });
    const counter = transaction.objectStore('counter');
    const get = counter.get('n');
    get.onsuccess = () => {
      const read = get.result ?? 0;
      counter.put(-1, 'n');
      parentPort.postMessage('in transaction');
      const wait = (left) => {
        if (left > 0) { counter.get('n').onsuccess = () => wait(left - 1); return; }
        counter.put(read + 1, 'n');
        transaction.objectStore('log').put(abort ? 'aborted' : 'added', name + '/' + step);
        if (abort) transaction.abort();
      };
      wait(turns);
    };
    transaction.oncomplete = () => { parentPort.postMessage({ added: name + '/' + step }); resolve(); };
    transaction.onabort = () => (abort ? resolve() : reject(transaction.error));
  });
}

(async () => {
  for (let step = 0; step < steps; step += 1) {
    const choice = below(10);
    if (choice === 0 && db !== null) { const { version } = db; db.close(); db = await open(version + 1); }
    while (db === null) db = await open();
    await add(step, below(30), choice === 1);
  }
  if (db !== null) db.close();
  await factory.close();
})();
`;

/**
 * @param {string} path
 * @param {Random} random
 */
async function runSeed(path, random) {
  const added = new Set();
  const terminated = new Set();
  let started = 0;
  const run = async () => {
    const name = `thread${started}`;
    started += 1;
    const thread = new Worker(PROGRAM, { eval: true, workerData: { path, root: ROOT, numbers: NUMBERS, name, seed: random.below(1e6), steps: STEPS } });
    thread.on('message', (message) => { if (message.added) added.add(message.added); });
    const failed = new Promise((_, reject) => { thread.on('error', reject); });
    const ended = once(thread, 'exit');
    if (random.below(3) === 0) {
      await Promise.race([once(thread, 'message'), failed]);
      await pause(random.below(20));
      terminated.add(name);
      await thread.terminate();
      return run();
    }
    return Promise.race([ended, failed]);
  };
  await Promise.all(Array.from({ length: THREADS }, run));
  return { added, terminated };
}

/** @param {string} path */
async function contents(path) {
  const factory = new IDBFactory({ path });
  const request = factory.open('shared');
  await new Promise((resolve, reject) => { request.onsuccess = resolve; request.onerror = () => reject(request.error); });
  const transaction = request.result.transaction(['counter', 'log']);
  const counter = transaction.objectStore('counter').get('n');
  const log = transaction.objectStore('log').getAllRecords();
  await new Promise((resolve) => { transaction.oncomplete = resolve; });
  const { version } = request.result;
  await factory.close();
  return { counter: counter.result, version, log: new Map(log.result.map(({ key, value }) => [key, value])) };
}

const FIRST = Number(process.env.FLOWDB_SEED ?? Date.now() & 0xffff);
const SEEDS = Number(process.env.FLOWDB_SEEDS ?? 3);

test('random programs in three threads: no addition is lost, none is there in part', async (t) => {
  t.diagnostic(`FLOWDB_SEED=${FIRST} FLOWDB_SEEDS=${SEEDS}`);
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const random = new Random(seed);
    const path = directory(t);
    const { added, terminated } = await runSeed(path, random);
    const { counter, version, log } = await contents(path);
    const where = `seed ${seed}`;
    assert.equal(log.get('version'), version, where);
    log.delete('version');
    assert.equal(counter, log.size, where);
    assert.ok([...log.values()].every((value) => value === 'added'), where);
    for (const name of added) assert.ok(log.has(name), `${where}: ${name} was complete and is lost`);
    for (const name of log.keys()) assert.ok(added.has(name) || terminated.has(name.split('/')[0]), `${where}: ${name} was never complete`);
  }
});

test('a thread terminated in the middle of a transaction leaves nothing of it and lets the next go on', async (t) => {
  const path = directory(t);
  const factory = new IDBFactory({ path });
  const request = factory.open('shared');
  request.onupgradeneeded = () => request.result.createObjectStore('s').put('clean', 1);
  await new Promise((resolve) => { request.onsuccess = resolve; });
  const thread = new Worker(`
    const { parentPort, workerData: { path, root } } = require('node:worker_threads');
    const request = new (require(root).IDBFactory)({ path }).open('shared');
    request.onsuccess = () => {
      const store = request.result.transaction('s', 'readwrite').objectStore('s');
      const again = () => { store.get(1).onsuccess = again; };
      store.put('dirty', 1).onsuccess = () => { parentPort.postMessage('dirty'); again(); };
    };
  `, { eval: true, workerData: { path, root: ROOT } });
  await once(thread, 'message');
  const read = request.result.transaction('s', 'readwrite').objectStore('s').get(1);
  const done = new Promise((resolve) => { read.onsuccess = resolve; });
  await pause(20);
  assert.equal(read.readyState, 'pending', 'the lock is held');
  await thread.terminate();
  await done;
  assert.equal(read.result, 'clean');
  await factory.close();
});

test('a thread terminated in the middle of a version change leaves the old version', async (t) => {
  const path = directory(t);
  const thread = new Worker(`
    const { parentPort, workerData: { path, root } } = require('node:worker_threads');
    const request = new (require(root).IDBFactory)({ path }).open('shared', 5);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore('half');
      const again = () => { store.get(1).onsuccess = again; };
      store.put('dirty', 1).onsuccess = () => { parentPort.postMessage('dirty'); again(); };
    };
  `, { eval: true, workerData: { path, root: ROOT } });
  await once(thread, 'message');
  const factory = new IDBFactory({ path });
  const request = factory.open('shared');
  const upgrade = new Promise((resolve) => {
    request.onupgradeneeded = ({ oldVersion, newVersion }) => resolve([oldVersion, newVersion, request.result.objectStoreNames.length]);
  });
  await thread.terminate();
  assert.deepEqual(await upgrade, [0, 1, 0]);
  await factory.close();
});

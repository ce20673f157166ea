'use strict';

// One process that does a bit of everything for as long as it is told, checks every answer, and says now and then what it holds.
//
//     node --expose-gc mixed.cjs directory seconds secondsPerSample seed
//
// Prints one line of JSON for each sample: see `sample`.

const fs = require('node:fs');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { open, IDBFactory } = require('../../index.js');
const { openFiles, threads } = require('./held.cjs');
const { randomNumbers } = require('./random.cjs');

const [directory, seconds, secondsPerSample, seed] = process.argv.slice(2);
const random = randomNumbers(Number(seed));
const below = (/** @type {number} */ limit) => Math.floor(random() * limit);

const KEYS = 20_000;
const SERIES = 50;
const VALUE_BYTES_MAX = 1500;
const POINT_TTL_MS = 20_000;
const DATABASES = 5;
const MEBIBYTE = 2 ** 20;
// So small that flushes and compactions never end.
const WRITE_BUFFER_BYTES = 256 * 1024;

/** What each key holds: the number its value was made from. @type {Map<string, number>} */
const expected = new Map();
const valueOf = (/** @type {number} */ number) => ({ number, text: 'v'.repeat(number % VALUE_BYTES_MAX) });
const anyKey = () => `key/${below(KEYS)}`;

/** @param {boolean} holds  @param {string} what */
function check(holds, what) {
  if (!holds) throw new Error(`wrong answer: ${what}`);
}

/** @param {string} key  @param {{ number: number, text: string } | undefined} value */
function checkValue(key, value) {
  check(value?.number === expected.get(key) && value?.text.length === (value && value.number % VALUE_BYTES_MAX), `${key}: ${value?.number}`);
}

/**
 * @typedef {object} World
 * @property {import('../../index.js').Database} db
 * @property {IDBFactory} factory
 * @property {import('../../index.js').Database} beneath  what the factory's databases are in
 * @property {number} steps
 */

/** The steps, each about as long as the others. @type {Record<string, (world: World) => unknown>} */
const STEPS = {
  async puts({ db, steps }) {
    await Promise.all(Array.from({ length: 100 }, () => {
      const key = anyKey();
      const number = steps * 100 + below(100);
      expected.set(key, number);
      return db.put(key, valueOf(number), { sync: below(500) === 0 });
    }));
  },
  async gets({ db }) {
    const keys = Array.from({ length: 50 }, anyKey);
    for (const key of keys) checkValue(key, await db.get(key));
    (await db.kv.getMany(keys)).forEach((value, index) => checkValue(keys[index], value));
    checkValue(keys[0], db.getSync(keys[0]));
    check(await db.kv.has(keys[0]) === expected.has(keys[0]), 'has');
  },
  async scans({ db }) {
    for await (const { key, value } of db.scan({ gte: anyKey(), lt: 'key0' })) {
      checkValue(key, value);
      if (below(100) === 0) break;
    }
    for (const { key, value } of await db.scan({ prefix: 'key/1', limit: 200, reverse: true }).all()) checkValue(key, value);
  },
  async deletes({ db }) {
    const key = anyKey();
    expected.delete(key);
    await db.delete(key);
    const range = `key/${below(KEYS)}/`;
    await db.kv.deleteRange({ gte: range, lt: `${range}~` });
    check(!await db.kv.has(key), 'has after delete');
  },
  async conditions({ db }) {
    const counter = `counter/${below(10)}`;
    const before = await db.get(counter) ?? 0;
    check(await db.kv.increment(counter) === before + 1, counter);
    check(await db.kv.compareAndSet(counter, before + 1, before + 2), 'compareAndSet');
    check(await db.kv.put(counter, 0, { ifAbsent: true }) === false, 'ifAbsent');
    check(await db.kv.getOrSet(`load/${below(1000)}`, async () => 'loaded', { ttl: 50 }) === 'loaded', 'getOrSet');
  },
  async series({ db, steps }) {
    const ts = Date.now() * 1000;
    await db.batch(Array.from({ length: SERIES }, (_, index) => ({ type: 'put', key: `sensor/${index}`, ts, value: steps, ttl: POINT_TTL_MS })));
    const [newest] = await db.series.aggregate({ key: 'sensor/7', agg: ['max', 'count'] });
    check(newest.max === steps && newest.count > 0, `aggregate: ${newest.max}`);
    check((await db.series.latest('sensor/3'))?.value === steps, 'latest');
  },
  async snapshots({ db }) {
    const key = anyKey();
    const snapshot = await db.snapshot();
    const number = expected.get(key);
    expected.delete(key);
    await db.delete(key);
    check((await db.get(key, { snapshot }))?.number === number, 'a read in a snapshot');
    if (below(2) === 0) snapshot.close();
  },
  maintenance: ({ db }) => (below(20) === 0 ? db.flush() : db.stats()),
  async documents({ factory, steps }) {
    const name = `documents/${below(DATABASES)}`;
    await transact(factory, name, (store) => store.put({ id: below(500), step: steps, tags: [`t${below(9)}`, `u${below(9)}`] }));
    if (below(20) === 0) await requested(factory.deleteDatabase(name));
  },
  async inMemory({ steps }) {
    if (below(10) > 0) return;
    const db = await open({ memory: true });
    await db.put('key', steps);
    check(await db.get('key') === steps, 'in memory');
    if (below(2) === 0) await db.close();
    await transact(new IDBFactory(), 'memory', (store) => store.put({ id: 1, tags: ['t'] }));
  },
  async threads() {
    if (below(100) > 0) return;
    const worker = new Worker(THREAD, { eval: true, workerData: { root: require.resolve('../../index.js'), directory } });
    await new Promise((resolve, reject) => { worker.once('message', resolve).once('error', reject); });
    if (below(2) === 0) await new Promise((resolve) => { worker.once('exit', resolve).postMessage('end'); });
    else await worker.terminate();
  },
};

const THREAD = `
  const { parentPort, workerData: { root, directory } } = require('node:worker_threads');
  const { open } = require(root);
  open(directory).then(async (db) => {
    await db.put('thread', 'x');
    parentPort.postMessage('ready');
    parentPort.once('message', () => db.close());
  });`;

/** @param {import('../../index.js').IDBRequest} request @returns {Promise<any>} */
function requested(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBFactory} factory  @param {string} name  @param {(store: any) => void} change */
async function transact(factory, name, change) {
  const opening = factory.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('store', { keyPath: 'id' }).createIndex('tags', 'tags', { multiEntry: true });
  };
  const connection = await requested(opening);
  const transaction = connection.transaction('store', 'readwrite');
  const store = transaction.objectStore('store');
  change(store);
  const indexed = await requested(store.index('tags').getAll());
  check(indexed.length >= await requested(store.count()), 'an index with an entry per tag');
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  connection.close();
}

/** Memory that is in use and is no file's: how much there is of programs and libraries is up to the kernel. */
function residentBytes() {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const [, kibibytes] = /** @type {RegExpExecArray} */ (/RssAnon:\s+(\d+) kB/.exec(fs.readFileSync('/proc/self/status', 'utf8')));
  return Number(kibibytes) * 1024;
}

/** What the process holds, with nothing under way that could go at once. @param {World} world @param {number} start */
async function sample({ db, beneath, steps }, start) {
  await db.compact();
  await beneath.compact();
  for (let turn = 0; turn < 3; turn += 1) {
    /** @type {any} */ (globalThis).gc();
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const mebibytes = (/** @type {number} */ bytes) => Number((bytes / MEBIBYTE).toFixed(2));
  // How many tables there are after a compaction depends on what the latest writes were.
  const tables = (await Promise.all([db, beneath].map((one) => one.stats()))).flatMap(({ trees }) => Object.values(trees).map((tree) => tree.tables));
  console.log(JSON.stringify({
    second: Math.round((performance.now() - start) / 1000), steps,
    residentMiB: mebibytes(residentBytes()), heapMiB: mebibytes(heapUsed), externalMiB: mebibytes(external + arrayBuffers),
    files: openFiles() - tables.reduce((sum, some) => sum + some, 0), threads: threads(), handles: process.getActiveResourcesInfo().length,
  }));
}

async function run() {
  const documents = path.join(directory, 'documents');
  const [db, beneath] = await Promise.all([directory, documents].map((folder) => open({ path: folder, writeBufferBytes: WRITE_BUFFER_BYTES })));
  const world = { db, factory: new IDBFactory({ path: documents }), beneath, steps: 0 };
  const steps = Object.values(STEPS);
  const start = performance.now();
  for (let samples = 1; samples * Number(secondsPerSample) <= Number(seconds); samples += 1) {
    while (performance.now() - start < samples * Number(secondsPerSample) * 1000) {
      world.steps += 1;
      await Promise.all([steps[below(steps.length)](world), world.db.get('key/1')]);
    }
    await sample(world, start);
  }
  await db.close();
  await beneath.close();
}

run();

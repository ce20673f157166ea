'use strict';

// What is done to each engine. A workload runs in a process of its own; what it reads is what `load random` left, reopened.
//
// `wanted` is how many times better than the best of the others flowdb is meant to be.

const { missingKey, objectOf, randomKey, randomNumbers, sequentialKey, valueOf, zipfian } = require('./data.js');

const BATCH = 1000;
const HOT_KEYS = 10_000;
const CLIENTS = 32;
const SCAN_LENGTH = 100;
const TTL_MS = 3_600_000;

/**
 * @typedef {any} Engine  what the files of engines/ give
 * @typedef {object} Context
 * @property {Engine} engine
 * @property {number} records
 * @property {(work: () => Promise<unknown>) => Promise<void>} timed  only what passes here is measured, as often as it is called
 * @property {(right: boolean) => void} check
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} unit
 * @property {number} wanted
 * @property {'killed process' | 'power cut' | 'reads'} safe  what acknowledged writes survive, with every engine alike
 * @property {'empty' | 'loaded'} database
 * @property {boolean} [keeps]  its database is the loaded one afterwards
 * @property {boolean} [map]    measured with a plain Map, too
 * @property {boolean} [synchronous]  not measured with what can only read asynchronously
 * @property {(records: number) => number} count
 * @property {(context: Context, count: number) => Promise<void>} run
 */

/**
 * @param {number} count
 * @param {number} [seed]
 */
function pickKeys(count, records = count, seed = 7) {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => random() % records);
}

const isValue = (/** @type {Buffer | undefined} */ value, /** @type {number} */ index, version = 0) => (
  value !== undefined && valueOf(index, version).equals(value));

/** @param {(index: number) => string} keyOf  @param {number} [version] */
const writeAll = (keyOf, version = 0) => async (/** @type {Context} */ { engine, timed, check }, /** @type {number} */ count) => {
  for (let start = 0; start < count; start += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, count - start) }, (_, at) => (
      /** @type {[string, Buffer]} */ ([keyOf(start + at), valueOf(start + at, version)])));
    await timed(() => engine.writeBatch(entries));
  }
  for (let index = 0; index < count; index += 997) check(isValue(await engine.get(keyOf(index)), index, version));
};

/** @param {'put' | 'putDurable'} method  @param {number} outstanding */
const putEach = (method, outstanding) => async (/** @type {Context} */ { engine, timed, check }, /** @type {number} */ count) => {
  const keys = Array.from({ length: count }, (_, index) => randomKey(index));
  await timed(() => clients(outstanding, count, (index) => engine[method](keys[index], valueOf(index))));
  for (let index = 0; index < count; index += 97) check(isValue(await engine.get(keys[index]), index));
};

/**
 * So many loops that each await their own call before the next.
 *
 * @param {number} number
 * @param {number} count
 * @param {(index: number) => unknown} call
 */
async function clients(number, count, call) {
  let next = 0;
  const loop = async () => { while (next < count) { const index = next; next += 1; await call(index); } };
  await Promise.all(Array.from({ length: number }, loop));
}

/** @param {Context} context  @param {number} count */
async function putAllAtOnce({ engine, timed, check }, count) {
  const keys = Array.from({ length: count }, (_, index) => randomKey(index));
  await timed(() => Promise.all(keys.map((key, index) => engine.put(key, valueOf(index)))));
  for (let index = 0; index < count; index += 97) check(isValue(await engine.get(keys[index]), index));
}

/** @param {number} outstanding  @param {boolean} [sync] */
const getEach = (outstanding, sync = false) => async (/** @type {Context} */ { engine, records, timed, check }, /** @type {number} */ count) => {
  const picked = pickKeys(count, sync ? Math.min(HOT_KEYS, records) : records);
  const keys = picked.map((index) => randomKey(index));
  /** @type {Buffer[]} */
  const values = new Array(count);
  const run = sync
    ? async () => { for (let index = 0; index < count; index += 1) values[index] = engine.getSync(keys[index]); }
    : () => clients(outstanding, count, async (index) => { values[index] = await engine.get(keys[index]); });
  await run();
  await timed(run);
  picked.forEach((index, at) => check(isValue(values[at], index)));
};

/** @param {Context} context  @param {number} count */
async function getMissing({ engine, records, timed, check }, count) {
  const keys = pickKeys(count, records).map((index) => missingKey(index));
  let found = 0;
  const run = async () => { for (const key of keys) if (engine.getSync(key) !== undefined) found += 1; };
  await run();
  await timed(run);
  check(found === 0);
}

/** @param {Context} context  @param {number} count */
async function getMany({ engine, records, timed, check }, count) {
  const picked = pickKeys(count, records);
  for (let pass = 0; pass < 2; pass += 1) {
    for (let start = 0; start < count; start += 100) {
      const some = picked.slice(start, start + 100);
      const keys = some.map((index) => randomKey(index));
      /** @type {Buffer[]} */
      let values = [];
      const work = async () => { values = await engine.getMany(keys); };
      await (pass === 0 ? work() : timed(work));
      some.forEach((index, at) => check(isValue(values[at], index)));
    }
  }
}

/** @param {Context} context  @param {number} count */
async function scanBatches({ engine, timed, check }, count) {
  let seen = 0;
  let bytes = 0;
  await timed(async () => {
    for await (const batch of engine.batches()) {
      seen += batch.length;
      for (const [key, value] of batch) bytes += key.length + value.length;
    }
  });
  check(seen === count && bytes === count * 116);
}

/** @param {Context} context  @param {number} count */
async function scanEntries({ engine, timed, check }, count) {
  let seen = 0;
  let bytes = 0;
  let last = '';
  let ordered = true;
  await timed(async () => {
    for await (const [key, value] of engine.entries()) {
      seen += 1;
      bytes += key.length + value.length;
      ordered &&= key > last;
      last = key;
    }
  });
  check(ordered && seen === count && bytes === count * 116);
}

/** @param {Context} context  @param {number} count */
async function scanShort({ engine, records, timed, check }, count) {
  const sorted = Array.from({ length: records }, (_, index) => randomKey(index)).sort();
  const starts = pickKeys(count, records - SCAN_LENGTH);
  for (let pass = 0; pass < 2; pass += 1) {
    for (const start of starts) {
      /** @type {[string, Buffer][]} */
      let entries = [];
      const work = async () => { entries = await engine.range(sorted[start], SCAN_LENGTH); };
      await (pass === 0 ? work() : timed(work));
      check(entries.length === SCAN_LENGTH && entries[SCAN_LENGTH - 1][0] === sorted[start + SCAN_LENGTH - 1]);
    }
  }
}

/** YCSB's mixes of reads and updates. @param {number} readsOf100 */
const mixed = (readsOf100) => async (/** @type {Context} */ { engine, records, timed, check }, /** @type {number} */ count) => {
  const random = randomNumbers(11);
  const pick = zipfian(records, random);
  const operations = Array.from({ length: count }, () => ({ index: pick(), read: random() % 100 < readsOf100 }));
  const keys = operations.map(({ index }) => randomKey(index));
  const run = () => clients(CLIENTS, count, async (at) => {
    const { index, read } = operations[at];
    if (read) check((await engine.get(keys[at])).length === 100);
    else await engine.put(keys[at], valueOf(index));
  });
  await run();
  await timed(run);
};

/** @param {Context} context  @param {number} count */
async function putExpiring({ engine, timed, check }, count) {
  const objects = Array.from({ length: count }, (_, index) => objectOf(index));
  await timed(() => clients(CLIENTS, count, (index) => engine.putExpiring(`user:${index}`, objects[index], TTL_MS)));
  for (let index = 0; index < count; index += 97) check((await engine.getExpiring(`user:${index}`)).email === objects[index].email);
}

/** @param {Context} context  @param {number} count */
async function getExpiring({ engine, timed, check }, count) {
  const hot = Math.min(count, HOT_KEYS);
  const keys = pickKeys(count, hot).map((index) => `user:${index}`);
  await clients(CLIENTS, hot, (index) => engine.putExpiring(`user:${index}`, objectOf(index), TTL_MS));
  let sum = 0;
  const run = async () => { for (const key of keys) sum += engine.getExpiring(key).tags.length; };
  await run();
  await timed(run);
  check(sum === 2 * 3 * count);
}

const all = (/** @type {number} */ records) => records;
/** No more than there are records, so that a small run is small throughout. @param {number} count */
const fixed = (count) => (/** @type {number} */ records) => Math.min(count, records);

/** @type {Workload[]} In this order: the database that is read and overwritten is the one that `load random` leaves. */
const WORKLOADS = [
  { name: 'load sequential', unit: 'records/s', wanted: 1.5, safe: 'killed process', database: 'empty', count: all, run: writeAll(sequentialKey) },
  { name: 'load random', unit: 'records/s', wanted: 2, safe: 'killed process', database: 'empty', keeps: true, count: all, run: writeAll(randomKey) },
  { name: '100k puts at once', unit: 'puts/s', wanted: 1.5, safe: 'killed process', database: 'empty', map: true, count: fixed(100_000), run: putAllAtOnce },
  { name: 'puts one by one', unit: 'puts/s', wanted: 3, safe: 'killed process', database: 'empty', map: true, count: fixed(20_000), run: putEach('put', 1) },
  { name: 'durable puts, 1 outstanding', unit: 'puts/s', wanted: 1, safe: 'power cut', database: 'empty', count: fixed(4000), run: putEach('putDurable', 1) },
  { name: 'durable puts, 64 outstanding', unit: 'puts/s', wanted: 1.5, safe: 'power cut', database: 'empty', count: fixed(20_000), run: putEach('putDurable', 64) },
  { name: 'durable puts, 1024 outstanding', unit: 'puts/s', wanted: 1.5, safe: 'power cut', database: 'empty', count: fixed(40_000), run: putEach('putDurable', 1024) },
  { name: 'synchronous get, hot', unit: 'gets/s', wanted: 1.5, safe: 'reads', database: 'loaded', synchronous: true, count: fixed(100_000), run: getEach(1, true) },
  { name: 'get, 1 outstanding', unit: 'gets/s', wanted: 5, safe: 'reads', database: 'loaded', count: fixed(50_000), run: getEach(1) },
  { name: 'get, 64 outstanding', unit: 'gets/s', wanted: 2, safe: 'reads', database: 'loaded', count: fixed(100_000), run: getEach(64) },
  { name: 'getMany of 100', unit: 'keys/s', wanted: 2, safe: 'reads', database: 'loaded', count: fixed(100_000), run: getMany },
  { name: 'get of missing keys', unit: 'gets/s', wanted: 1.2, safe: 'reads', database: 'loaded', synchronous: true, count: fixed(100_000), run: getMissing },
  { name: 'full scan, batches', unit: 'records/s', wanted: 1.5, safe: 'reads', database: 'loaded', count: all, run: scanBatches },
  { name: 'full scan, for await', unit: 'records/s', wanted: 2, safe: 'reads', database: 'loaded', count: all, run: scanEntries },
  { name: 'scan of 100 records', unit: 'scans/s', wanted: 1.5, safe: 'reads', database: 'loaded', count: fixed(3000), run: scanShort },
  { name: 'YCSB-B, 32 clients', unit: 'calls/s', wanted: 2, safe: 'killed process', database: 'loaded', count: fixed(100_000), run: mixed(95) },
  { name: 'YCSB-A, 32 clients', unit: 'calls/s', wanted: 2, safe: 'killed process', database: 'loaded', count: fixed(100_000), run: mixed(50) },
  { name: 'overwrite random', unit: 'records/s', wanted: 2, safe: 'killed process', database: 'loaded', keeps: true, count: all, run: writeAll(randomKey, 1) },
  { name: 'put with TTL, 32 clients', unit: 'puts/s', wanted: 2, safe: 'killed process', database: 'empty', count: fixed(50_000), run: putExpiring },
  { name: 'get with TTL, hot', unit: 'gets/s', wanted: 1.2, safe: 'reads', database: 'empty', synchronous: true, count: fixed(50_000), run: getExpiring },
];

module.exports = { WORKLOADS };

'use strict';

// Goal: memory is bounded by what is asked for, not by what is stored or written; space comes back; what dies halfway is not there. Method: a
// process of its own goes through the steps and says what it took; another one is killed.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { IDBFactory } = require('../../index.js');
const { assertKilled, directory, run } = require('../fixture.js');
const { openDatabase, result } = require('./support.js');

/** FLOWDB_LARGE=full: 1M records with 10 indexes, a transaction of 1 GiB, values of 64 MiB. */
const isFull = process.env.FLOWDB_LARGE === 'full';
const SIZES = isFull ? [1_000_000, 10, 1024, 64] : [20_000, 3, 256, 8];
/**
 * What each step may take, on Linux, where the peak begins anew with each: about half more than measured, and less than what the step would take if it
 * held what it loads, or a transaction that is never written to disk. Elsewhere, and in full, one limit for all.
 *
 * @type {[RegExp, number][]}
 */
const LIMITS = [[/^(load|count|advance|cursor|getAll|delete half|drain|createIndex)/, 130], [/^(transaction|the same, aborted)/, 235], [/^(values|their keys)/, 290]];
const MIB_MAX = isFull ? 900 : 450;

/** @param {string} step */
function limitOf(step) {
  if (isFull || process.platform !== 'linux') return MIB_MAX;
  return LIMITS.find(([name]) => name.test(step))?.[1] ?? MIB_MAX;
}

test('memory is bounded while much is stored, read and deleted', async (t) => {
  const args = [path.join(__dirname, 'large_steps.js'), directory(t), ...SIZES.map(String)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const steps = stdout.trim().split('\n').map((line) => JSON.parse(line));
  if (isFull) t.diagnostic(stdout);
  assert.equal(steps.at(-1).step, 'space comes back');
  for (const { step, peakMiB } of steps) assert.ok(peakMiB < limitOf(step), `${step}: ${peakMiB} MiB`);
});

test('a version upgrade killed halfway reopens at the old version', async (t) => {
  const dir = directory(t);
  const child = await run(`
    const { IDBFactory } = require(${JSON.stringify(path.join(__dirname, '../../index.js'))});
    const factory = new IDBFactory({ path: process.argv[1] });
    const first = factory.open('database', 1);
    first.onupgradeneeded = () => first.result.createObjectStore('old').put('kept', 1);
    first.onsuccess = () => {
      first.result.close();
      const second = factory.open('database', 2);
      second.onupgradeneeded = () => {
        second.result.deleteObjectStore('old');
        const store = second.result.createObjectStore('new');
        store.createIndex('number', 'number');
        // More than a transaction keeps in memory: a part of it is on disk when the process dies.
        const chunk = Buffer.alloc(1024 * 1024);
        for (let number = 0; number < 80; number += 1) {
          store.put({ number, chunk }, number).onsuccess = () => { if (number === 79) process.kill(process.pid, 'SIGKILL'); };
        }
      };
    };
  `, { args: [dir] });
  assertKilled(child);
  const factory = new IDBFactory({ path: dir });
  const db = await openDatabase(undefined, { factory });
  const found = [db.version, [...db.objectStoreNames], await result(db.transaction('old').objectStore('old').get(1))];
  await factory.close();
  assert.deepEqual(found, [1, ['old'], 'kept']);
});

test('a cursor holds a large value once, and nobody what was let go of', async () => {
  const { output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(path.join(__dirname, '../../index.js'))});
    const MIB = 1024 * 1024;
    const turn = () => new Promise((resolve) => setTimeout(resolve));
    // What is held stays; what is only not collected yet goes within some turns.
    const arrays = async () => {
      let least = Infinity;
      for (let round = 0; round < 20; round += 1) {
        await turn();
        gc();
        least = Math.min(least, process.memoryUsage().arrayBuffers / MIB);
      }
      return least;
    };
    const result = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
    (async () => {
      const opening = new IDBFactory().open('d');
      opening.onupgradeneeded = () => {
        const bytes = new Uint8Array(32 * MIB).fill(7);
        opening.result.createObjectStore('s').put(bytes, 1);
        opening.result.createObjectStore('within').put({ bytes }, 1);
      };
      const db = await result(opening);
      const before = await arrays();
      let request = db.transaction('s').objectStore('s').openCursor();
      const { key } = await result(request);
      const during = await arrays() - before;
      const { length } = request.result.value;
      request = null;
      const { bytes } = await result(db.transaction('within').objectStore('within').get(1));
      const sum = length + bytes.length;
      console.log(JSON.stringify({ key, sum: sum / MIB, during }));
      setTimeout(async () => console.log(await arrays() - before));
    })();
  `, { nodeOptions: ['--expose-gc'] });
  const [first, after] = output.trim().split('\n');
  const { key, sum, during } = JSON.parse(first);
  assert.deepEqual([key, sum], [1, 64]);
  assert.ok(during > 31 && during < 48, `${during} MiB for a value of 32`);
  assert.ok(Number(after) < 16, `${after} MiB afterwards`);
});

test('a connection that nobody refers to does not block a deletion', async () => {
  const { output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(path.join(__dirname, '../../index.js'))});
    const factory = new IDBFactory();
    const opened = () => new Promise((resolve) => { factory.open('d').onsuccess = () => setImmediate(resolve); });
    opened().then(() => {
      const collect = setInterval(gc, 10);
      factory.deleteDatabase('d').onsuccess = () => { console.log('deleted'); clearInterval(collect); };
    });
  `, { nodeOptions: ['--expose-gc'] });
  assert.equal(output.trim(), 'deleted');
});

test('a connection with listeners stays open', async () => {
  const { output } = await run(`
    const { IDBFactory } = require(${JSON.stringify(path.join(__dirname, '../../index.js'))});
    const factory = new IDBFactory();
    const opened = () => new Promise((resolve) => {
      factory.open('d').onsuccess = (event) => {
        event.target.result.onversionchange = () => console.log('asked');
        setImmediate(resolve);
      };
    });
    opened().then(async () => {
      for (let round = 0; round < 20; round += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
      const request = factory.deleteDatabase('d');
      request.onblocked = () => { console.log('blocked'); process.exit(); };
    });
  `, { nodeOptions: ['--expose-gc'] });
  assert.deepEqual(output.trim().split('\n'), ['asked', 'blocked']);
});

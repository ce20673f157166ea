'use strict';

// Terminates worker threads that write, at random moments, and looks whether what they were told to be written is there.
//
//     node terminator.cjs directory rounds seed

const { Worker } = require('node:worker_threads');
const { open } = require('../../index.js');
const { openFiles } = require('./held.cjs');
const { randomNumbers } = require('./random.cjs');

const [directory, rounds, seed] = process.argv.slice(2);
const WRITE_BUFFER_BYTES = 64 * 1024;
// Most threads are let write first; loading the library and opening the directory are among the moments of the others.
const WRITING = 0.75;
const PAUSE_MS_MAX = 60;
const THREADS = 2;
/** A file that is open this long after the last handle was closed stays open. */
const CLOSING_MS_MAX = 10_000;
const LOOK_MS = 20;

const PROGRAM = `
  const { parentPort, workerData: { root, directory, prefix, acknowledged } } = require('node:worker_threads');
  const { open } = require(root);
  const ignore = () => {};
  (async () => {
    const db = await open(directory);
    for (let count = 0; ; count += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => db.put(prefix + (count + index), 'x'.repeat(300))));
      Atomics.store(acknowledged, 0, count + 20);
      if (count === 0) parentPort.postMessage('writing');
      db.put(prefix + 'synced', 'x', { sync: true }).then(ignore, ignore);
      db.put(prefix + 'large', 'x'.repeat(100_000)).then(ignore, ignore);
      db.scan({ prefix, limit: 5 }).all().then(ignore, ignore);
      for await (const entry of db.scan({ prefix })) { void entry; break; }
      if (count % 400 === 0) db.flush().then(ignore, ignore);
    }
  })();`;

const random = randomNumbers(Number(seed));

/** @param {string} prefix  @returns {Promise<number>} how many puts the thread saw acknowledged */
async function runThread(prefix) {
  const acknowledged = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(PROGRAM, { eval: true, workerData: { root: require.resolve('../../index.js'), directory, prefix, acknowledged } });
  /** @type {unknown} */
  let failure;
  worker.on('error', (error) => { failure = error; });
  if (random() < WRITING) {
    await new Promise((resolve) => {
      worker.once('message', resolve);
      worker.once('exit', resolve);
    });
  }
  await new Promise((resolve) => { setTimeout(resolve, random() * PAUSE_MS_MAX); });
  await worker.terminate();
  if (failure) throw failure;
  return Atomics.load(acknowledged, 0);
}

/**
 * @param {import('../../index.js').Database} db
 * @param {string} prefix
 * @param {number} acknowledged
 */
async function checkAndRemove(db, prefix, acknowledged) {
  const keys = new Set(await db.scan({ prefix, values: false }).all());
  for (let index = 0; index < acknowledged; index += 1) {
    if (!keys.has(`${prefix}${index}`)) throw new Error(`${prefix}${index} was acknowledged, of ${acknowledged}, and is not there`);
  }
  await db.batch([...keys].map((key) => ({ type: 'delete', key })));
}

async function run() {
  const db = await open({ path: directory, writeBufferBytes: WRITE_BUFFER_BYTES });
  let total = 0;
  let files = 0;
  for (let round = 0; round < Number(rounds); round += 1) {
    const prefixes = Array.from({ length: THREADS }, (_, index) => `t${round}-${index}/`);
    const counts = await Promise.all(prefixes.map(runThread));
    for (const [index, prefix] of prefixes.entries()) await checkAndRemove(db, prefix, counts[index]);
    total += counts.reduce((sum, count) => sum + count, 0);
    if (round === 0) files = openFiles();
  }
  await db.put('end', 'x', { sync: true });
  await db.close();
  // What the last threads had open is closed in the background.
  for (let wait = 0; wait < CLOSING_MS_MAX && openFiles() > files; wait += LOOK_MS) await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
  console.log(JSON.stringify({ acknowledged: total, filesGrown: openFiles() - files, rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }));
}

run();

'use strict';

// One workload with one engine, in the process that bench/records.mjs starts for it. It prints what it measured, as JSON.

const fs = require('node:fs');
const path = require('node:path');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { WORKLOADS } = require('./workloads.js');
const { randomKey } = require('./data.js');

const NANOSECONDS_PER_MS = 1e6;
const WORTH_A_TURN_MS = 5;

/**
 * @param {{ engine: string, workload: string, records: number, directory: string }} task
 */
async function measure({ engine: name, workload: title, records, directory }) {
  const workload = WORKLOADS.find((one) => one.name === title);
  const openEngine = require(`./engines/${name}.js`);
  if (!workload) return measureOpening(openEngine, directory);
  const engine = await openEngine(directory, { durable: workload.safe === 'power cut' });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const count = workload.count(records);
  let milliseconds = 0;
  let right = true;
  await workload.run({
    engine, records,
    check: (fine) => { right &&= fine; },
    async timed(work) {
      delay.enable();
      const start = performance.now();
      await work();
      const took = performance.now() - start;
      milliseconds += took;
      // The turn that ends the work is one of those that are looked at; short works need no turn each.
      if (took > WORTH_A_TURN_MS) await new Promise((resolve) => { setTimeout(resolve, 0); });
      delay.disable();
    },
  }, count);
  await engine.close();
  syncFiles(directory);
  const delayMs = delay.max > 0 ? delay.max / NANOSECONDS_PER_MS : 0;
  return { value: count / milliseconds * 1000, delayMs, right, diskBytes: bytesOnDisk(directory) };
}

/**
 * From a directory to its first answer. Modules and libraries are loaded before, with every engine alike.
 *
 * @param {(directory: string, options: { durable: boolean }) => Promise<any>} openEngine
 * @param {string} directory
 */
async function measureOpening(openEngine, directory) {
  const start = performance.now();
  const engine = await openEngine(directory, { durable: false });
  const value = await engine.get(randomKey(3));
  const milliseconds = performance.now() - start;
  await engine.close();
  return { value: milliseconds, delayMs: 0, right: value?.length === 100, diskBytes: bytesOnDisk(directory) };
}

/** What was written must not be written back while the next one is timed. @param {string} directory */
function syncFiles(directory) {
  for (const file of filesIn(directory)) {
    const descriptor = fs.openSync(file, 'r');
    fs.fdatasyncSync(descriptor);
    fs.closeSync(descriptor);
  }
}

/** @param {string} directory */
function filesIn(directory) {
  if (!fs.existsSync(directory)) return [];
  const entries = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => path.join(directory, name));
  return entries.filter((file) => fs.statSync(file).isFile());
}

/** @param {string} directory  @returns {number} what its files take up, holes left out */
function bytesOnDisk(directory) {
  return filesIn(directory).reduce((sum, file) => sum + fs.statSync(file).blocks * 512, 0);
}

measure(JSON.parse(process.argv[2])).then((result) => { process.stdout.write(JSON.stringify(result)); });

// One workload on one implementation, in a process of its own: node child.mjs <implementation> <workload> <objects>.
// Prints a line of JSON.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { measure } from './measure.mjs';

const require = createRequire(import.meta.url);

/** @typedef {import('./workloads.mjs').Environment} Environment */

/** @type {Record<string, () => Pick<Environment, 'indexedDB' | 'IDBKeyRange'> & { close: () => Promise<void> }>} */
const IMPLEMENTATIONS = {
  memory() {
    const { IDBFactory, IDBKeyRange } = require('../../index.js');
    return { indexedDB: new IDBFactory(), IDBKeyRange, close: async () => {} };
  },
  disk() {
    const { IDBFactory, IDBKeyRange } = require('../../index.js');
    const path = mkdtempSync(join(tmpdir(), 'flowdb-bench-'));
    const indexedDB = new IDBFactory({ path });
    const close = async () => {
      await indexedDB.close();
      rmSync(path, { recursive: true, force: true });
    };
    return { indexedDB, IDBKeyRange, close };
  },
  fake() {
    const { IDBFactory, IDBKeyRange } = require('fake-indexeddb');
    return { indexedDB: new IDBFactory(), IDBKeyRange, close: async () => {} };
  },
};

const [implementation, name, objects] = process.argv.slice(2);
const { indexedDB, IDBKeyRange, close } = IMPLEMENTATIONS[implementation]();
const delay = monitorEventLoopDelay({ resolution: 1 });

/** Runs a loop of the program itself, which blocks the event loop without being a stall of the database. @param {() => void} loop */
function calls(loop) {
  delay.disable();
  loop();
  delay.enable();
}

/** What the timed part takes from this process. */
function watch() {
  delay.enable();
  const busyBefore = process.cpuUsage();
  return (/** @type {number} */ operations) => {
    // What a loaded machine takes away from this process is not in it.
    const busy = process.cpuUsage(busyBefore);
    delay.disable();
    const peakMegabytes = process.resourceUsage().maxRSS / 1024;
    const stallMilliseconds = delay.count > 0 ? delay.max / 1e6 : 0;
    return { cpuMicroseconds: (busy.user + busy.system) / operations, peakMegabytes, stallMilliseconds };
  };
}

const result = await measure(name, { indexedDB, IDBKeyRange, objects: Number(objects), calls }, watch);
await close();
process.stdout.write(`${JSON.stringify(result)}\n`);

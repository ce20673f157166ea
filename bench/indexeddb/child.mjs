// One workload on one implementation, in a process of its own: node child.mjs <implementation> <workload> <objects>.
// Prints a line of JSON.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { WORKLOADS } from './workloads.mjs';

const require = createRequire(import.meta.url);

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
const workload = WORKLOADS[name];
const { indexedDB, IDBKeyRange, close } = IMPLEMENTATIONS[implementation]();
const delay = monitorEventLoopDelay({ resolution: 1 });

/** Runs a loop of the program itself, which blocks the event loop without being a stall of the database. */
function calls(loop) {
  delay.disable();
  loop();
  delay.enable();
}

const context = { indexedDB, IDBKeyRange, objects: Number(objects), calls };
context.database = await workload.setUp(context);
delay.enable();
const start = performance.now();
const busyBefore = process.cpuUsage();
const operations = await workload.run(context);
const seconds = (performance.now() - start) / 1000;
const busy = process.cpuUsage(busyBefore);
delay.disable();
const peakMegabytes = process.resourceUsage().maxRSS / 1024;
await workload.verify?.(context);
context.database?.close();
await close();
const stallMilliseconds = delay.count > 0 ? delay.max / 1e6 : 0;
// What a loaded machine takes away from this process is not in it.
const cpuMicroseconds = (busy.user + busy.system) / operations;
const result = { perSecond: operations / seconds, cpuMicroseconds, peakMegabytes, stallMilliseconds };
process.stdout.write(`${JSON.stringify(result)}\n`);

// What a load of millions of records and the compactions behind it cost the rest of the process: how late timers are, how long `fs.stat` takes
// in libuv's thread pool, and memory. Each beside the same figures of the same process while it does nothing.
//
//     node bench/event_loop.mjs
//     node bench/event_loop.mjs --records 1000000 --batch 100 --dir /where/the/disk/is
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const load = createRequire(import.meta.url);
const { open } = load('../index.js');
const { randomKey, valueOf } = load('./records/data.js');

const IDLE_MS = 10_000;
const PROBE_PAUSE_MS = 2;
const NANOSECONDS_PER_MS = 1e6;
const MEBIBYTE = 2 ** 20;

const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '5000000' },
    batch: { type: 'string', default: '100' },
    dir: { type: 'string', default: tmpdir() },
  },
});

/** @param {number[]} sorted  @param {number} part */
const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];

/**
 * @param {string} directory
 * @param {() => Promise<unknown>} work
 */
async function observe(directory, work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  /** @type {number[]} */
  const stats = [];
  let peakBytes = 0;
  let isDone = false;
  const probe = (async () => {
    while (!isDone) {
      const start = performance.now();
      await stat(directory);
      stats.push(performance.now() - start);
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
      await sleep(PROBE_PAUSE_MS);
    }
  })();
  delay.enable();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  delay.disable();
  isDone = true;
  await probe;
  stats.sort((one, other) => one - other);
  const loop = (/** @type {number} */ percentile) => delay.percentile(percentile) / NANOSECONDS_PER_MS;
  return { seconds, loop50: loop(50), loop99: loop(99), loopMax: delay.max / NANOSECONDS_PER_MS, stat99: quantile(stats, 0.99), statMax: stats[stats.length - 1], peakMiB: peakBytes / MEBIBYTE };
}

/** @param {string} directory  @param {number} records  @param {number} size */
async function loadAndCompact(directory, records, size) {
  const db = await open(directory);
  for (let first = 0; first < records; first += size) {
    await db.batch(Array.from({ length: Math.min(size, records - first) }, (_, index) => (
      { type: 'put', key: randomKey(first + index), value: valueOf(first + index) })));
  }
  await db.compact();
  const { bytes } = (await db.stats()).blockCache;
  await db.close();
  return bytes;
}

const base = mkdtempSync(path.join(options.dir, 'flowdb-event-loop-'));
try {
  const idle = await observe(base, () => sleep(IDLE_MS));
  const busy = await observe(base, () => loadAndCompact(path.join(base, 'database'), Number(options.records), Number(options.batch)));
  const row = (/** @type {string} */ name, /** @type {number} */ one, /** @type {number} */ other) => (
    console.log(`| ${name} | ${one.toFixed(2)} | ${other.toFixed(2)} | ${(other - one).toFixed(2)} |`));
  console.log(`${options.records} records in batches of ${options.batch}, then everything compacted: ${busy.seconds.toFixed(1)} s\n`);
  console.log('| | idle | load and compaction | more |\n|---|---:|---:|---:|');
  row('event loop, delay of a timer of 1 ms, median, ms', idle.loop50, busy.loop50);
  row('event loop, p99, ms', idle.loop99, busy.loop99);
  row('event loop, longest, ms', idle.loopMax, busy.loopMax);
  row('fs.stat, p99, ms', idle.stat99, busy.stat99);
  row('fs.stat, longest, ms', idle.statMax, busy.statMax);
  row('memory, peak, MiB', idle.peakMiB, busy.peakMiB);
} finally {
  rmSync(base, { recursive: true, force: true });
}

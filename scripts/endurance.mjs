// A process that does a bit of everything for an hour: every answer is right, and what it holds does not grow.
//
//     node scripts/endurance.mjs                  an hour
//     node scripts/endurance.mjs --minutes 10
//     node scripts/endurance.mjs --seed 7         the steps of an earlier run, which prints its seed
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Failure } from './failure.mjs';
import { ROOT } from './platform.mjs';
import { isEntry, main } from './run.mjs';

const SAMPLES = 60;
/** The part of a run in which caches fill, code is compiled and the allocator finds its size. */
const WARM_UP = 0.25;
/** Below this the memory of a process that leaks nothing goes up and down by more than what is looked for. */
const SECONDS_TO_JUDGE_MEMORY = 600;
const GROWTH_MIB_PER_10_MINUTES = 1;
/** With these, glibc gives back what is freed, as its manual says, instead of keeping ever more of it after each peak: what is left is what is held. */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

/**
 * @typedef {object} Sample
 * @property {number} second
 * @property {number} steps
 * @property {number} residentMiB
 * @property {number} heapMiB
 * @property {number} externalMiB
 * @property {number} files     open ones but tables
 * @property {number} threads
 * @property {number} handles
 */

/**
 * @param {{ seconds: number, seed: number, onSample?: (sample: Sample) => void }} options
 * @returns {Promise<Sample[]>}
 */
export async function endure({ seconds, seed, onSample }) {
  const directory = mkdtempSync(path.join(tmpdir(), 'flowdb-endurance-'));
  /** @type {Sample[]} */
  const samples = [];
  try {
    const program = path.join(ROOT, 'scripts/soak/mixed.cjs');
    const child = spawn(process.execPath, ['--expose-gc', program, directory, String(seconds), String(seconds / SAMPLES), String(seed)], {
      stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...ALLOCATOR },
    });
    const ended = new Promise((resolve) => { child.once('close', (code, signal) => resolve(signal ?? code)); });
    for await (const line of createInterface({ input: child.stdout })) {
      samples.push(JSON.parse(line));
      onSample?.(samples[samples.length - 1]);
    }
    const how = await ended;
    if (how !== 0) throw new Failure(`seed ${seed}: ended with ${how}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return samples;
}

/**
 * What grew in a run, warm-up left out: memory by the median slope between any two samples; of what is counted, the most of the
 * second half beyond the most of the first.
 *
 * @param {Sample[]} samples
 */
export function growth(samples) {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const half = Math.floor(warm.length / 2);
  const most = (/** @type {Sample[]} */ some, /** @type {'files' | 'threads' | 'handles'} */ what) => Math.max(...some.map((sample) => sample[what]));
  const grown = (/** @type {'files' | 'threads' | 'handles'} */ what) => Math.max(0, most(warm.slice(half), what) - most(warm.slice(0, half), what));
  const slopes = warm.flatMap((one, index) => warm.slice(index + 1).map((other) => (other.residentMiB - one.residentMiB) / (other.second - one.second)));
  slopes.sort((one, other) => one - other);
  return { memoryMiBPer10Minutes: (slopes[slopes.length >> 1] ?? 0) * 600, files: grown('files'), threads: grown('threads'), handles: grown('handles') };
}

async function run() {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string' } } });
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed);
  const seconds = Number(values.minutes) * 60;
  console.log(`seed ${seed}, Node ${process.version}`);
  const samples = await endure({ seconds, seed, onSample: (sample) => console.log(JSON.stringify(sample)) });
  const { memoryMiBPer10Minutes, ...counted } = growth(samples);
  console.log(`memory: ${memoryMiBPer10Minutes.toFixed(2)} MiB in 10 minutes; more ${Object.entries(counted).map(([name, count]) => `${name}: ${count}`).join(', ')}`);
  const grown = Object.entries(counted).filter(([, count]) => count > 0).map(([name]) => name);
  if (seconds >= SECONDS_TO_JUDGE_MEMORY && memoryMiBPer10Minutes >= GROWTH_MIB_PER_10_MINUTES) grown.push('memory');
  if (grown.length > 0) throw new Failure(`seed ${seed}: ${grown.join(' and ')} grew`);
}

if (isEntry(import.meta.url)) await main(run);

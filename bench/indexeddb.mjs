// IndexedDB beside fake-indexeddb and Chromium: node bench/indexeddb.mjs [--rounds 5] [--objects 100000] [--rows TEXT]
// [--implementations memory,disk,fake,chromium] [--json]. Each measurement is a process of its own, or a browser with a profile of its own; the
// implementations take turns within each round, so that a slow minute of the machine meets all of them; medians are told.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { findChromium } from '../scripts/chromium.mjs';
import { WORKLOADS } from './indexeddb/workloads.mjs';
import { median } from './median.mjs';

/**
 * @typedef {import('./indexeddb/measure.mjs').Sample} Sample
 * @typedef {{ name: string } & { [implementation: string]: Sample }} Row
 */

const run = promisify(execFile);
const [CHILD, CHROMIUM] = ['child', 'chromium'].map((name) => fileURLToPath(new URL(`indexeddb/${name}.mjs`, import.meta.url)));

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    objects: { type: 'string', default: '100000' },
    rows: { type: 'string', default: '' },
    implementations: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const browser = findChromium();
const implementations = options.implementations?.split(',') ?? ['memory', 'disk', 'fake', ...(browser ? ['chromium'] : [])];
const names = Object.keys(WORKLOADS).filter((name) => name.includes(options.rows));

if (browser === undefined) {
  console.error('There is no Chromium on the path: the database in a browser is not measured.');
  if (implementations.includes('chromium')) process.exit(1);
}

/** @param {string} implementation  @param {string} name  @returns {Promise<Sample>} */
async function measure(implementation, name) {
  const program = implementation === 'chromium' ? [CHROMIUM, /** @type {string} */ (browser)] : [CHILD, implementation];
  const { stdout } = await run(process.execPath, [...program, name, options.objects]);
  return JSON.parse(stdout);
}

/** Medians of the speed; of memory and stalls the worst. Of a browser only the speed is known. @param {Sample[]} samples  @returns {Sample} */
function summarize(samples) {
  const of = (/** @type {keyof Sample} */ field) => samples.map((sample) => /** @type {number} */ (sample[field]));
  const perSecond = median(of('perSecond'));
  if (samples.some(({ cpuMicroseconds }) => cpuMicroseconds === undefined)) return { perSecond };
  return {
    perSecond,
    cpuMicroseconds: median(of('cpuMicroseconds')),
    peakMegabytes: Math.max(...of('peakMegabytes')),
    stallMilliseconds: Math.max(...of('stallMilliseconds')),
  };
}

/** @param {string} name */
async function measureRow(name) {
  /** @type {Record<string, Sample[]>} */
  const samples = Object.fromEntries(implementations.map((implementation) => [implementation, []]));
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const implementation of implementations) samples[implementation].push(await measure(implementation, name));
  }
  const row = /** @type {Row} */ ({ name });
  for (const implementation of implementations) row[implementation] = summarize(samples[implementation]);
  return row;
}

const thousands = (/** @type {number} */ perSecond) => (perSecond >= 10_000 ? `${(perSecond / 1000).toFixed(0)}k` : perSecond.toFixed(0));
/** @param {Row} row  @param {string} one  @param {string} other */
const ratio = (row, one, other) => row[one].perSecond / row[other].perSecond;
/** @param {Row} row  @param {string} one  @param {string} other */
const cpu = (row, one, other) => /** @type {number} */ (row[other].cpuMicroseconds) / /** @type {number} */ (row[one].cpuMicroseconds);
/** @param {Row} row  @param {keyof Sample} field  @param {number} digits */
const list = (row, field, digits) => implementations.map((each) => row[each][field]?.toFixed(digits) ?? '-').join(' / ');

/** The columns that compare two implementations, of those that are measured. */
const COMPARISONS = /** @type {{ title: string, pair: [string, string], of: typeof ratio }[]} */ ([
  { title: 'memory : fake', pair: ['memory', 'fake'], of: ratio },
  { title: 'the same by CPU time', pair: ['memory', 'fake'], of: cpu },
  { title: 'disk : chromium', pair: ['disk', 'chromium'], of: ratio },
  { title: 'disk : memory', pair: ['disk', 'memory'], of: ratio },
]).filter(({ pair }) => pair.every((each) => implementations.includes(each)));

/** @param {Row} row */
function markdown(row) {
  const speeds = implementations.map((each) => thousands(row[each].perSecond));
  const ratios = COMPARISONS.map(({ pair, of }) => of(row, ...pair).toFixed(2));
  const lists = [list(row, 'cpuMicroseconds', 1), list(row, 'peakMegabytes', 0), list(row, 'stallMilliseconds', 0)];
  return `| ${[row.name, ...speeds, ...ratios, ...lists].join(' | ')} |`;
}

function header() {
  const titles = ['operations per second', ...implementations, ...COMPARISONS.map(({ title }) => title), 'CPU us', 'peak MB', 'longest stall ms'];
  return `| ${titles.join(' | ')} |\n|${'---|'.repeat(titles.length)}`;
}

/** @param {number[]} numbers */
function geometricMean(numbers) {
  return Math.exp(numbers.reduce((sum, each) => sum + Math.log(each), 0) / numbers.length);
}

const rows = [];
if (!options.json) console.log(header());
for (const name of names) {
  const row = await measureRow(name);
  rows.push(row);
  if (!options.json) console.log(markdown(row));
}
if (options.json) console.log(JSON.stringify({ node: process.version, ...options, implementations, rows }));
for (const { title, pair, of } of options.json || rows.length < 2 ? [] : COMPARISONS) {
  console.log(`\nGeometric mean of ${title}: ${geometricMean(rows.map((row) => of(row, ...pair))).toFixed(2)}`);
}

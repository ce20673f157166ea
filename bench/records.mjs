// The record API beside what else a Node program would use: docs/benchmarks.md says how to read what it prints.
//
//     node bench/records.mjs --install        puts the others into bench/records/node_modules, from npm
//     node bench/records.mjs                  every row, with whatever is installed
//     node bench/records.mjs --help
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { npm } from '../scripts/run.mjs';
import { table } from './records/report.mjs';

const FOLDER = fileURLToPath(new URL('records/', import.meta.url));
const load = createRequire(path.join(FOLDER, 'task.js'));
/** @type {{ WORKLOADS: import('./records/workloads.js').Workload[] }} */
const { WORKLOADS } = load('./workloads.js');

const ENGINES = ['flowdb', 'lmdb', 'classic-level', 'better-sqlite3', 'rocksdb', 'map'];
const MEBIBYTE = 2 ** 20;

/** Made from what other rows leave, and not measured by a workload of their own. */
const DERIVED = [
  { name: 'open + first get', unit: 'ms', safe: 'reads', wanted: 1, less: true },
  { name: 'disk after load random', unit: 'MiB', safe: 'reads', wanted: 1, rivals: ['rocksdb'], less: true },
  { name: 'disk after overwrite random', unit: 'MiB', safe: 'reads', wanted: 1, rivals: ['rocksdb'], less: true },
];
const ROWS = [...WORKLOADS, ...DERIVED];

const OPTIONS = /** @type {const} */ ({
  records: { type: 'string', default: '200000' },
  rounds: { type: 'string', default: '3' },
  engines: { type: 'string', default: ENGINES.join() },
  rows: { type: 'string', default: '' },
  dir: { type: 'string', default: tmpdir() },
  json: { type: 'string', default: '' },
  from: { type: 'string', multiple: true, default: /** @type {string[]} */ ([]) },
  install: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
});

const HELP = `
--records N     records in the database (${OPTIONS.records.default})
--rounds N      each row so many times with each engine, in turn (${OPTIONS.rounds.default})
--engines LIST  of ${ENGINES.join()}
--rows LIST     only rows whose names contain one of these words; rows on a loaded database load it first
--dir FOLDER    on the disk that is to be measured; a temporary folder in it is removed again
--json FILE     appends every measurement, one line each
--from FILE     measures nothing: the table of such files
--install       installs the others`;

/** @param {string} engine */
function isInstalled(engine) {
  if (engine === 'flowdb' || engine === 'map') return true;
  try {
    load(engine);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} engine  @param {import('./records/workloads.js').Workload} workload */
function isMeasured(engine, { map, synchronous }) {
  if (engine === 'map') return map;
  return engine !== 'rocksdb' || !synchronous;
}

/**
 * @param {{ engine: string, workload: string, records: number, directory: string }} task
 * @returns {{ value: number, delayMs: number, right: boolean, diskBytes: number }}
 */
function runTask(task) {
  const { status, stdout, stderr, signal } = spawnSync(process.execPath, [path.join(FOLDER, 'task.js'), JSON.stringify(task)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${task.engine}, ${task.workload}: ended with ${signal ?? status}\n${stderr}`);
  return JSON.parse(stdout);
}

/**
 * @param {{ base: string, records: number, round: number, engines: string[], words: string[] }} plan
 * @param {(measurement: import('./records/report.mjs').Measurement) => void} record
 */
function runRound({ base, records, round, engines, words }, record) {
  const chosen = (/** @type {string} */ row) => words.length === 0 || words.some((word) => row.includes(word));
  const loadedNeeded = [...WORKLOADS.filter(({ database }) => database === 'loaded'), ...DERIVED].some(({ name }) => chosen(name));
  const turns = engines.map((_, index) => engines[(index + round) % engines.length]);
  for (const workload of WORKLOADS) {
    const { name } = workload;
    const disk = DERIVED.find((row) => row.name === `disk after ${name}`);
    const needed = (name === 'load random' && loadedNeeded) || (disk && chosen(disk.name));
    if (!needed && !chosen(name)) continue;
    for (const engine of turns) {
      if (!isMeasured(engine, workload)) continue;
      const loaded = path.join(base, `${engine}-loaded`);
      const scratch = path.join(base, `${engine}-scratch`);
      // Rows that write to the loaded database, and do not leave it for the next, get a copy.
      const direct = workload.keeps || (workload.database === 'loaded' && workload.safe === 'reads');
      if (!direct && workload.database === 'loaded') cpSync(loaded, scratch, { recursive: true });
      const result = runTask({ engine, workload: name, records, directory: direct ? loaded : scratch });
      rmSync(scratch, { recursive: true, force: true });
      record({ row: name, engine, value: result.value, delayMs: result.delayMs, right: result.right });
      if (disk) record({ row: disk.name, engine, value: result.diskBytes / MEBIBYTE, delayMs: 0, right: result.right });
    }
    if (name === 'load random' && chosen('open + first get')) {
      for (const engine of turns) {
        if (engine === 'map') continue;
        const result = runTask({ engine, workload: 'open', records, directory: path.join(base, `${engine}-loaded`) });
        record({ row: 'open + first get', engine, value: result.value, delayMs: 0, right: result.right });
      }
    }
  }
  for (const engine of engines) rmSync(path.join(base, `${engine}-loaded`), { recursive: true, force: true });
}

const { values: options } = parseArgs({ options: OPTIONS });
if (options.help) console.log(HELP.trim());
else if (options.install) await npm(['install', '--no-save', '--no-audit', '--no-fund'], { cwd: FOLDER });
else measureAll();

function measureAll() {
  /** @type {import('./records/report.mjs').Measurement[]} */
  const measurements = options.from.flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line)));
  const asked = ENGINES.filter((engine) => options.engines.split(',').includes(engine));
  const isThere = (/** @type {string} */ engine) => (
    measurements.length > 0 ? measurements.some((one) => one.engine === engine) : isInstalled(engine));
  const engines = asked.filter(isThere);
  const missing = measurements.length > 0 ? [] : asked.filter((engine) => !isThere(engine));
  if (measurements.length === 0) {
    const base = mkdtempSync(path.join(options.dir, 'flowdb-records-'));
    try {
      for (let round = 0; round < Number(options.rounds); round += 1) {
        const words = options.rows.split(',').filter(Boolean);
        runRound({ base, records: Number(options.records), round, engines, words }, (measurement) => {
          measurements.push(measurement);
          console.error(`${round + 1}: ${measurement.row}, ${measurement.engine}: ${measurement.value.toFixed(1)}${measurement.right ? '' : ' WRONG'}`);
          if (options.json) appendFileSync(options.json, `${JSON.stringify(measurement)}\n`);
        });
      }
    } finally {
      if (existsSync(base)) rmSync(base, { recursive: true, force: true });
    }
  }
  console.log(table(ROWS, measurements, engines));
  if (missing.length > 0) console.log(`\nNot installed, and left out: ${missing.join(', ')}. See docs/benchmarks.md.`);
  if (measurements.some(({ right }) => !right)) process.exitCode = 1;
}

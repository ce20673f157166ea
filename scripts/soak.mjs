// Ends threads and processes at random moments while they write, compact and have calls pending, again and again: nothing crashes, nothing
// hangs, and nothing that was acknowledged is lost.
//
//     node scripts/soak.mjs                                     500 rounds of worker.terminate(), 200 of process.exit()
//     node scripts/soak.mjs --kill 100 --throw 100              these only: also --terminate, --exit, --reject and --term
//     node scripts/soak.mjs --node /path/to/another/node        what dies runs under that one
//     node scripts/soak.mjs --seed 7                            the moments of an earlier run, which prints its seed
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Failure } from './failure.mjs';
import { ROOT } from './platform.mjs';
import { isEntry, main } from './run.mjs';
import { randomNumbers } from './soak/random.cjs';

const HANG_MS = 120_000;
/** From before there is a first flush until compactions of several levels are under way. */
const DELAY_MS_MAX = 250;
/** Threads of so many rounds share a process: long enough for a leak to show, short enough to say where it failed. */
const ROUNDS_OF_PROCESS = 25;

/**
 * @typedef {object} Death
 * @property {string} how    as writer.cjs calls it
 * @property {number | null} code
 * @property {string | null} signal
 */
/** @type {Record<string, Death>} */
export const DEATHS = {
  exit: { how: 'exit', code: 7, signal: null },
  throw: { how: 'throw', code: 1, signal: null },
  reject: { how: 'reject', code: 1, signal: null },
  term: { how: 'SIGTERM', code: null, signal: 'SIGTERM' },
  kill: { how: 'SIGKILL', code: null, signal: 'SIGKILL' },
};

/**
 * @param {string} node
 * @param {string[]} args
 * @param {number} hangMs
 * @returns {Promise<{ code: number | null, signal: string | null, output: string, errors: string }>}
 */
function runProgram(node, args, hangMs = HANG_MS) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { cwd: ROOT });
    let output = '';
    let errors = '';
    const watchdog = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Failure(`${args.join(' ')}: did not end within ${hangMs / 1000} s`));
    }, hangMs);
    child.stdout.on('data', (text) => { output += text; });
    child.stderr.on('data', (text) => { errors += text; });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(watchdog);
      resolve({ code, signal, output, errors });
    });
  });
}

/**
 * One process after the other on the same directory, each ended by `death`.
 *
 * @param {{ death: Death, rounds: number, seed: number, node?: string }} options
 * @returns {Promise<number>} how many acknowledged writes were looked for
 */
export async function processRounds({ death, rounds, seed, node = process.execPath }) {
  const { open } = createRequire(import.meta.url)(path.join(ROOT, 'index.js'));
  const directory = mkdtempSync(path.join(tmpdir(), 'flowdb-soak-'));
  const random = randomNumbers(seed);
  let total = 0;
  try {
    for (let round = 0; round < rounds; round += 1) {
      const delayMs = Math.floor(random() * DELAY_MS_MAX);
      const where = `${death.how}, round ${round}, after ${delayMs} ms, seed ${seed}`;
      const { code, signal, output, errors } = await runProgram(node, [
        path.join(ROOT, 'scripts/soak/writer.cjs'), directory, `r${round}`, death.how, String(delayMs)]);
      if (code !== death.code || signal !== death.signal) throw new Failure(`${where}: ended with ${signal ?? code}\n${errors}`);
      const acknowledged = Number(output.trim().split('\n').at(-1));
      const db = await open(directory);
      try {
        await checkAndRemove(db, `r${round}`, acknowledged, where);
      } finally {
        await db.close();
      }
      total += acknowledged;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return total;
}

/**
 * @param {import('../index.js').Database} db
 * @param {string} prefix
 * @param {number} acknowledged
 * @param {string} where
 */
async function checkAndRemove(db, prefix, acknowledged, where) {
  const entries = new Map((await db.scan({ prefix: `${prefix}/` }).all()).map((/** @type {any} */ { key, value }) => [key, value]));
  for (let index = 0; index < acknowledged; index += 1) {
    if (entries.get(`${prefix}/${index}`)?.length !== 300) throw new Failure(`${where}: ${prefix}/${index} of ${acknowledged} acknowledged is lost`);
  }
  await db.batch([...entries.keys()].map((key) => ({ type: 'delete', key })));
}

/**
 * Threads that are terminated, many to a process.
 *
 * @param {{ rounds: number, seed: number, node?: string }} options
 * @returns {Promise<number>} how many acknowledged writes were looked for
 */
export async function threadRounds({ rounds, seed, node = process.execPath }) {
  let total = 0;
  for (let done = 0; done < rounds; done += ROUNDS_OF_PROCESS) {
    const directory = mkdtempSync(path.join(tmpdir(), 'flowdb-soak-'));
    const some = Math.min(ROUNDS_OF_PROCESS, rounds - done);
    try {
      const { code, signal, output, errors } = await runProgram(node, [
        path.join(ROOT, 'scripts/soak/terminator.cjs'), directory, String(some), String(seed + done)]);
      const where = `worker.terminate(), rounds ${done} to ${done + some}, seed ${seed}`;
      if (code !== 0) throw new Failure(`${where}: ended with ${signal ?? code}\n${errors}`);
      const { acknowledged, filesGrown } = JSON.parse(output);
      if (filesGrown > 0) throw new Failure(`${where}: ${filesGrown} files were left open`);
      total += acknowledged;
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return total;
}

async function soak() {
  const number = /** @type {const} */ ({ type: 'string' });
  const kinds = ['terminate', ...Object.keys(DEATHS)];
  const options = Object.fromEntries([...kinds, 'node', 'seed'].map((name) => [name, number]));
  /** @type {{ values: Record<string, string | undefined> }} */
  const { values } = parseArgs({ options });
  const asked = kinds.filter((kind) => values[kind] !== undefined);
  const rounds = asked.length > 0 ? Object.fromEntries(asked.map((kind) => [kind, Number(values[kind])])) : { terminate: 500, exit: 200 };
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed);
  const { node = process.execPath } = values;
  console.log(`seed ${seed}, ${node}`);
  for (const [kind, count] of Object.entries(rounds)) {
    const settings = { rounds: count, seed, node };
    const total = await (kind === 'terminate' ? threadRounds(settings) : processRounds({ ...settings, death: DEATHS[kind] }));
    console.log(`${kind}: ${count} rounds, ${total} acknowledged writes, all there`);
  }
}

if (isEntry(import.meta.url)) await main(soak);

// A stage is a process of its own: it gets the data directory, does its part, and reports to the conductor.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inspect, isDeepStrictEqual } from 'node:util';

// Far more than any stage takes: one that hangs fails instead.
const PATIENCE_MS = 300_000;

/** @typedef {{ what: string, count: number, ms: number }} Row */
/** @typedef {{ rows: Row[], passed: number, failures: string[], facts: Record<string, any> }} Outcome */

/** What a stage measured and found out. */
export class Report {
  /** @type {Row[]} */
  rows = [];
  passed = 0;
  /** @type {string[]} */
  failures = [];
  /** @type {Record<string, any>} */
  facts = {};

  /**
   * Measures a step of the work.
   *
   * @template T
   * @param {string} what
   * @param {() => Promise<T>} work
   * @param {(result: T) => number} count  how many records it wrote or read
   * @returns {Promise<T>}
   */
  async timed(what, work, count) {
    const start = performance.now();
    const result = await work();
    this.rows.push({ what, ms: performance.now() - start, count: count(result) });
    return result;
  }

  /**
   * @param {string} name
   * @param {unknown} actual
   * @param {unknown} expected
   */
  equal(name, actual, expected) {
    if (isDeepStrictEqual(actual, expected)) this.passed += 1;
    else this.fail(`${name}: ${difference(actual, expected)}`);
  }

  /** @param {string} message */
  fail(message) {
    this.failures.push(message);
  }
}

/**
 * One line that says where two values part.
 *
 * @param {unknown} actual
 * @param {unknown} expected
 */
function difference(actual, expected) {
  if (Array.isArray(actual) && Array.isArray(expected)) {
    if (actual.length !== expected.length) return `${actual.length} entries, ${expected.length} expected`;
    const at = actual.findIndex((item, index) => !isDeepStrictEqual(item, expected[index]));
    return `entry ${at} is ${brief(actual[at])}, expected ${brief(expected[at])}`;
  }
  return `${brief(actual)}, expected ${brief(expected)}`;
}

/** @param {unknown} value */
const brief = (value) => inspect(value, { breakLength: Infinity, depth: 3, maxArrayLength: 5 }).slice(0, 300);

/**
 * Runs a stage's body in the stage's own process.
 *
 * @param {(report: Report, args: string[]) => Promise<void>} body
 */
export async function stage(body) {
  const report = new Report();
  try {
    await body(report, process.argv.slice(2));
  } catch (error) {
    report.fail(error instanceof Error ? String(error.stack) : inspect(error));
  }
  const { rows, passed, failures, facts } = report;
  if (process.send) process.send({ rows, passed, failures, facts });
  else console.log(inspect({ rows, passed, failures, facts }, { depth: 4 }));
  if (failures.length > 0) process.exitCode = 1;
}

/**
 * Runs a stage as a child process to its end.
 *
 * @param {string} name  of the module beside this one
 * @param {string[]} args
 * @returns {Promise<Outcome>}
 */
export async function runStage(name, ...args) {
  const child = fork(fileURLToPath(new URL(name, import.meta.url)), args, {
    env: process.env, execArgv: [], timeout: PATIENCE_MS,
  });
  /** @type {Outcome | null} */
  let outcome = null;
  child.on('message', (message) => { outcome = /** @type {Outcome} */ (message); });
  const ending = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(signal ?? status));
  });
  const { rows, passed, failures, facts } = /** @type {Outcome} */ (outcome ?? new Report());
  const expected = failures.length > 0 ? 1 : 0;
  const asExpected = outcome !== null && ending === expected;
  const complaint = asExpected ? [] : [`${name}: ended with ${ending}${outcome ? '' : ' and no report'}`];
  return { rows, passed, facts, failures: [...failures, ...complaint] };
}

// Starting other programs: one way to find npm, one way to say what went wrong.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from './failure.mjs';
import { npmScript } from './npm_script.cjs';
import { ROOT } from './platform.mjs';

const HINTS = new Map([
  ['cargo', 'cargo was not found. flowdb is built from Rust: install a toolchain from https://rustup.rs and run this again.'],
]);

/**
 * Runs a program in the repository's root. What it prints goes through; `onText` also gets its standard output,
 * and with `quiet` alone.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ onText?: (text: string) => void, quiet?: boolean, cwd?: string }} [options]
 * @returns {Promise<void>} rejects with a `Failure` unless the program ended with status 0
 */
export function run(program, args, { onText, quiet = false, cwd = ROOT } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', onText ? 'pipe' : 'inherit', 'inherit'] });
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      if (!quiet) process.stdout.write(text);
      onText?.(text);
    });
    child.on('error', (error) => {
      const missing = /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT';
      reject(new Failure((missing && HINTS.get(program)) || `${program}: ${error.message}`));
    });
    child.on('close', (status, signal) => {
      if (status === 0) resolve();
      else reject(new Failure(`${path.basename(program)} ${args[0] ?? ''} ended with ${signal ?? `status ${status}`}`));
    });
  });
}

/**
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export async function npm(args, options) {
  const script = npmScript();
  if (!script) throw new Failure('npm was not found. It comes with Node: https://nodejs.org');
  return run(process.execPath, [script, ...args], options);
}

/**
 * Is the module the program that was started, rather than imported by another?
 *
 * @param {string} url  the module's `import.meta.url`
 */
export function isEntry(url) {
  return realpathSync(process.argv[1]) === fileURLToPath(url);
}

/**
 * Runs a script's main function and turns its failure into one line and an exit status.
 *
 * @param {() => Promise<void>} body
 */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

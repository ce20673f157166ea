// Builds the native library and puts it where the loader and the platform package look for it.
import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { ROOT, hostPlatform } from './platform.mjs';
import { isEntry, main, run } from './run.mjs';

/** Cargo decides whether anything has to be compiled; a library that did not change is left alone. */
export async function build() {
  const { folder, library } = hostPlatform();
  const built = await cargoBuild();
  for (const target of [path.join(ROOT, library), path.join(folder, library)]) place(built, target);
}

/** @returns {Promise<string>} path of the dynamic library that cargo built */
async function cargoBuild() {
  let messages = '';
  await run('cargo', ['build', '--release', '--locked', '--package', 'flowdb', '--message-format=json-render-diagnostics'], {
    quiet: true,
    onText: (text) => { messages += text; },
  });
  // Cargo's own word on where it built to holds for every target directory, host and platform.
  const artifacts = messages.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const binding = artifacts.find((artifact) => artifact.reason === 'compiler-artifact'
    && artifact.target.name === 'flowdb' && artifact.target.crate_types.includes('cdylib'));
  const file = binding?.filenames.find((/** @type {string} */ name) => /\.(so|dylib|dll)$/.test(name));
  if (!file) throw new Failure('cargo built no dynamic library for the package flowdb');
  return file;
}

/**
 * Replaces the file in one step: a process that has the old library loaded keeps it whole.
 *
 * @param {string} built
 * @param {string} target
 */
function place(built, target) {
  if (sameBytes(built, target)) return;
  const temporary = `${target}.${process.pid}`;
  try {
    copyFileSync(built, temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Failure(`cannot write ${target}: ${/** @type {Error} */ (error).message}. Is it in use by another process?`);
  }
}

/**
 * @param {string} left
 * @param {string} right
 */
function sameBytes(left, right) {
  try {
    return readFileSync(left).equals(readFileSync(right));
  } catch {
    return false;
  }
}

if (isEntry(import.meta.url)) await main(build);

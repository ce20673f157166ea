// Builds the native library and puts it where the loader and the platform package look for it.
//
//     node scripts/build.mjs                    for this machine
//     node scripts/build.mjs linux-arm64-gnu    as it is published for a platform of npm/, into its package only
import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { GLIBC_MAX } from './glibc.mjs';
import { writeNotices } from './notices.mjs';
import { ROOT, hostPlatform, platforms } from './platform.mjs';
import { isEntry, main, run } from './run.mjs';

/** Cargo decides whether anything has to be compiled; a library that did not change is left alone. */
export async function build() {
  const platform = hostPlatform();
  const { folder, library } = platform;
  const built = await cargoBuild(['build']);
  for (const target of [path.join(ROOT, library), path.join(folder, library)]) place(built, target);
  await writeNotices(platform);
}

/**
 * For Linux, zig links: against the oldest glibc that is promised, or musl, whatever the machine itself has.
 *
 * @param {string} triple
 */
async function buildFor(triple) {
  const platform = platforms().find((one) => one.triple === triple);
  if (!platform?.target) throw new Failure(`there is no platform ${triple} in npm/. There are: ${platforms().map((one) => one.triple).join(', ')}`);
  const { target, folder, library } = platform;
  const command = triple.startsWith('linux-') ? 'zigbuild' : 'build';
  const built = await cargoBuild([command, '--target', triple.endsWith('-gnu') ? `${target}.${GLIBC_MAX}` : target]);
  place(built, path.join(folder, library));
  await writeNotices(platform);
}

/**
 * @param {string[]} command  of cargo
 * @returns {Promise<string>} path of the dynamic library that cargo built
 */
async function cargoBuild(command) {
  let messages = '';
  await run('cargo', [...command, '--release', '--locked', '--package', 'flowdb', '--message-format=json-render-diagnostics'], {
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

if (isEntry(import.meta.url)) await main(() => (process.argv[2] ? buildFor(process.argv[2]) : build()));

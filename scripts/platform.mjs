// Which of the packages in npm/ belongs to the machine this runs on. Those folders are the only list of platforms.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from './failure.mjs';

/** The root of the repository. */
export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** What cargo calls each of them. */
const CARGO_TARGETS = new Map([
  ['darwin-arm64', 'aarch64-apple-darwin'],
  ['darwin-x64', 'x86_64-apple-darwin'],
  ['linux-arm64-gnu', 'aarch64-unknown-linux-gnu'],
  ['linux-arm64-musl', 'aarch64-unknown-linux-musl'],
  ['linux-x64-gnu', 'x86_64-unknown-linux-gnu'],
  ['linux-x64-musl', 'x86_64-unknown-linux-musl'],
  ['win32-arm64-msvc', 'aarch64-pc-windows-msvc'],
  ['win32-x64-msvc', 'x86_64-pc-windows-msvc'],
]);

/**
 * @typedef {object} Platform
 * @property {string} triple    for example `linux-x64-gnu`
 * @property {string} [target]  cargo's name for it
 * @property {string} folder    absolute path of its folder in npm/
 * @property {string} library   file name of its native library
 * @property {{ name: string, version: string, os: string[], cpu: string[], libc?: string[], main: string }} manifest
 */

/** @returns {Platform[]} every platform that flowdb is packaged for */
export function platforms() {
  return readdirSync(path.join(ROOT, 'npm')).sort().map((triple) => {
    const folder = path.join(ROOT, 'npm', triple);
    const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return { triple, target: CARGO_TARGETS.get(triple), folder, library: manifest.main, manifest };
  });
}

/** @returns {Platform} the one this process runs on */
export function hostPlatform() {
  const libc = hostLibc();
  const found = platforms().find(({ manifest }) => manifest.os.includes(process.platform)
    && manifest.cpu.includes(process.arch) && (libc === null || (manifest.libc ?? []).includes(libc)));
  if (!found) {
    throw new Failure(`flowdb has no package for ${process.platform} ${process.arch}${libc ? ` (${libc})` : ''}: add one in npm/`);
  }
  return found;
}

/** @returns {'glibc' | 'musl' | null} null where there is only one C library to speak of */
function hostLibc() {
  if (process.platform !== 'linux') return null;
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (/** @type {unknown} */ (process.report.getReport()));
  return report.header.glibcVersionRuntime ? 'glibc' : 'musl';
}

// Which version of the GNU C library a native library needs, and whether that is too new to be published.
//
//     node scripts/glibc.mjs npm/linux-x64-gnu/flowdb.linux-x64-gnu.node [newest allowed, default 2.28]
//
// The library's own words: the versions of symbols that it asks other libraries for, the ELF section .gnu.version_r.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { isEntry, main } from './run.mjs';

/** That of Debian 10, Ubuntu 20.04 (2.31) and RHEL 8; what Node's own binaries need from version 20 on. */
export const GLIBC_MAX = '2.28';

const ELF_MAGIC = 0x7f454c46;
const ELF_CLASS_64 = 2;
const ELF_LITTLE_ENDIAN = 1;
/** SHT_GNU_verneed: the versions that are needed. */
const SECTION_VERSIONS_NEEDED = 0x6ffffffe;

/**
 * @param {Buffer} file  a 64-bit little-endian ELF file
 * @returns {string[]} versions of the GNU C library it needs symbols of, in order; empty for a library that uses another one
 */
export function glibcVersions(file) {
  const sections = sectionHeaders(file);
  const needed = sections.find(({ type }) => type === SECTION_VERSIONS_NEEDED);
  if (!needed) return [];
  const names = sections[needed.link];
  const versions = [...neededNames(file, needed.offset, names.offset)].filter((name) => /^GLIBC_\d/.test(name));
  return [...new Set(versions.map((name) => name.slice('GLIBC_'.length)))].sort(compareVersions);
}

/** @param {Buffer} file */
function sectionHeaders(file) {
  if (file.length < 64 || file.readUInt32BE(0) !== ELF_MAGIC || file[4] !== ELF_CLASS_64 || file[5] !== ELF_LITTLE_ENDIAN) {
    throw new Failure('this is not a 64-bit little-endian ELF file');
  }
  const start = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  return Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const at = start + index * size;
    return { type: file.readUInt32LE(at + 4), offset: Number(file.readBigUInt64LE(at + 0x18)), link: file.readUInt32LE(at + 0x28) };
  });
}

/**
 * For each library that is needed there is an entry, with a chain of versions behind it; distances are relative, and 0 ends a chain.
 *
 * @param {Buffer} file
 * @param {number} entry
 * @param {number} names  where the names' table begins
 */
function* neededNames(file, entry, names) {
  for (let next = -1; next !== 0; entry += next) {
    let version = entry + file.readUInt32LE(entry + 8);
    for (let step = -1; step !== 0; version += step) {
      const name = names + file.readUInt32LE(version + 8);
      yield file.toString('latin1', name, file.indexOf(0, name));
      step = file.readUInt32LE(version + 12);
    }
    next = file.readUInt32LE(entry + 12);
  }
}

/**
 * @param {string} left
 * @param {string} right
 */
export function compareVersions(left, right) {
  const [a, b] = [left, right].map((version) => version.split('.').map(Number));
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

if (isEntry(import.meta.url)) {
  await main(async () => {
    const [file, newest = GLIBC_MAX] = process.argv.slice(2);
    if (!file) throw new Failure('which file? node scripts/glibc.mjs file [newest version allowed]');
    const needed = glibcVersions(readFileSync(file)).at(-1);
    if (needed && compareVersions(needed, newest) > 0) {
      throw new Failure(`${path.basename(file)} needs glibc ${needed}; ${newest} is the newest that is allowed`);
    }
    console.log(`${path.basename(file)}: ${needed ? `glibc ${needed}` : 'no glibc'}`);
  });
}

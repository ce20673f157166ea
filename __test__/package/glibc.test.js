'use strict';

// The reader of the versions that a library needs, on the one built here, on Node itself and on a small file; and the command that refuses
// what is too new. That the published libraries are old enough is what the workflow asks it.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { test } = require('node:test');
const { ROOT, hostPlatform } = require('./installation.js');

const SCRIPT = path.join(ROOT, 'scripts', 'glibc.mjs');
const linux = { skip: process.platform !== 'linux' && 'this is not Linux' };
const load = () => import(pathToFileURL(SCRIPT).href);

/** @param {string[]} args */
function command(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { cwd: ROOT, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** An ELF file that needs these versions of symbols and is nothing else. @param {string[]} versions */
function elf(versions) {
  const names = Buffer.from(`\0${versions.join('\0')}\0`, 'latin1');
  const sections = 64;
  const chain = sections + 2 * 64;
  const table = chain + 16 + versions.length * 16;
  const file = Buffer.alloc(table + names.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeBigUInt64LE(BigInt(sections), 0x28);
  file.writeUInt16LE(64, 0x3a);
  file.writeUInt16LE(2, 0x3c);
  file.writeUInt32LE(0x6ffffffe, sections + 4);
  file.writeBigUInt64LE(BigInt(chain), sections + 0x18);
  file.writeUInt32LE(1, sections + 0x28);
  file.writeBigUInt64LE(BigInt(table), sections + 64 + 0x18);
  file.writeUInt32LE(16, chain + 8);
  versions.forEach((version, index) => {
    const at = chain + 16 + index * 16;
    file.writeUInt32LE(names.indexOf(`\0${version}\0`, 0, 'latin1') + 1, at + 8);
    file.writeUInt32LE(index + 1 < versions.length ? 16 : 0, at + 12);
  });
  names.copy(file, table);
  return file;
}

test('versions are compared by number, and only those of the GNU C library count', async () => {
  const { glibcVersions } = await load();
  assert.deepEqual(glibcVersions(elf(['GLIBC_2.28', 'GCC_3.3', 'GLIBC_2.4', 'GLIBC_2.2.5', 'GLIBC_PRIVATE'])), ['2.2.5', '2.4', '2.28']);
  assert.deepEqual(glibcVersions(elf(['GCC_3.3'])), []);
  assert.throws(() => glibcVersions(Buffer.from('MZ'.repeat(100))), /not a 64-bit/);
});

test('what is newer than allowed is refused', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-glibc-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'made.node');
  fs.writeFileSync(file, elf(['GLIBC_2.17', 'GLIBC_2.29']));
  assert.deepEqual(command(file, '2.29'), { status: 0, stdout: 'made.node: glibc 2.29\n', stderr: '' });
  const refused = command(file);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /made\.node needs glibc 2\.29; 2\.28 is the newest that is allowed/);
});

test('the library built here needs what objdump says, and no more than this machine has', linux, async (t) => {
  const { compareVersions, glibcVersions } = await load();
  const { folder, library } = await hostPlatform();
  const file = path.join(folder, library);
  const versions = glibcVersions(fs.readFileSync(file));
  const runtime = /** @type {any} */ (process.report.getReport()).header.glibcVersionRuntime;
  if (runtime) assert.ok(versions.length > 0 && compareVersions(versions.at(-1), runtime) <= 0, versions.join());
  else assert.deepEqual(versions, []);
  const { status, stdout } = spawnSync('objdump', ['-T', file], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) return t.diagnostic('there is no objdump to compare with');
  assert.deepEqual(versions, [...new Set([...stdout.matchAll(/GLIBC_([\d.]+)/g)].map((match) => match[1]))].sort(compareVersions));
});

'use strict';

// What the first use says on a platform whose library is not there: importing works everywhere. Platforms are faked: the real one's library is not looked for then.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { ROOT } = require('./installation.js');

/**
 * Loads flowdb in a process that takes itself for another one, whose program does not say which C library it has, unless one is given.
 *
 * @param {{ platform: string, arch: string, glibc?: string, execPath?: string }} fake
 * @param {string} [root]  where flowdb is
 */
function loadAs({ platform, arch, glibc, execPath = '' }, root = ROOT) {
  const program = `
    const fake = ${JSON.stringify({ platform, arch, execPath, header: { glibcVersionRuntime: glibc } })};
    const { createRequire } = require('node:module');
    const load = createRequire(${JSON.stringify(path.join(root, 'index.js'))});
    for (const name of ['platform', 'arch', 'execPath']) Object.defineProperty(process, name, { value: fake[name] });
    Object.defineProperty(process, 'report', { value: { getReport: () => ({ header: fake.header }) } });
    const report = ({ name: kind, code, message, platform, arch, libc, cause, package: name }) => (
      { kind, code, message, platform, arch, libc, package: name, cause: cause?.message.split('\\n')[0] });
    const { indexedDB, open } = load('./index.js');
    (async () => {
      const error = await open({ memory: true }).catch((reason) => reason);
      const request = indexedDB.open('name');
      const exception = await new Promise((resolve) => { request.onerror = () => resolve(request.error); });
      console.log(JSON.stringify({ ...report(error), exception: { name: exception.name, cause: report(exception.cause) } }));
    })();`;
  return JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }));
}

const ABSENT = [
  { platform: 'linux', arch: 'riscv64', glibc: '2.39', triple: 'linux-riscv64-gnu', libc: 'gnu', packaged: false },
  { platform: 'linux', arch: 'x64', triple: 'linux-x64-musl', libc: 'musl', packaged: true },
  { platform: 'linux', arch: 'arm64', glibc: '2.28', triple: 'linux-arm64-gnu', libc: 'gnu', packaged: true },
  { platform: 'darwin', arch: 'arm64', triple: 'darwin-arm64', libc: '', packaged: true },
  { platform: 'win32', arch: 'arm64', triple: 'win32-arm64-msvc', libc: 'msvc', packaged: true },
  { platform: 'freebsd', arch: 'x64', triple: 'freebsd-x64', libc: '', packaged: false },
];

for (const { triple, libc, packaged, ...fake } of ABSENT) {
  const here = fs.existsSync(path.join(ROOT, `flowdb.${triple}.node`));
  test(`the error on ${triple} names it`, { skip: here && 'its library is here' }, () => {
    const error = loadAs(fake);
    assert.equal(error.code, 'FLOWDB_NO_BINARY');
    assert.deepEqual([error.kind, error.platform, error.arch, error.libc], ['FlowDBError', fake.platform, fake.arch, libc]);
    assert.equal(error.package, `@flowdb/binding-${triple}`);
    const { exception, ...rest } = error;
    assert.deepEqual(exception, { name: 'UnknownError', cause: rest }, 'IndexedDB gives the same one as its cause');
    for (const word of [fake.platform, fake.arch, libc, error.package]) assert.ok(error.message.includes(word), error.message);
    assert.equal(error.message.includes('There are packages for'), !packaged, error.message);
    assert.equal(error.message.includes('lock file'), packaged, error.message);
  });
}

for (const [loader, libc] of [['/lib/ld-musl-riscv64.so.1', 'musl'], ['/lib/ld-linux-riscv64-lp64d.so.1', 'gnu'], ['/lib64/ld64.so.2', 'gnu']]) {
  test(`a program that is started with ${loader} has the C library ${libc}`, (t) => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-loader-'));
    t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
    const execPath = path.join(directory, 'node');
    fs.writeFileSync(execPath, Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(700), Buffer.from(`${loader}\0`), Buffer.alloc(8000)]));
    // The report would say otherwise.
    const error = loadAs({ platform: 'linux', arch: 'riscv64', glibc: libc === 'gnu' ? undefined : '2.39', execPath });
    assert.equal(error.package, `@flowdb/binding-linux-riscv64-${libc}`);
  });
}

test('it knows the platforms that have a package', () => {
  const { message } = loadAs({ platform: 'freebsd', arch: 'x64' });
  const listed = /There are packages for ([^.]+)\./.exec(message)?.[1].split(', ');
  assert.deepEqual(listed, fs.readdirSync(path.join(ROOT, 'npm')).sort());
});

/**
 * A copy of flowdb for faked arm64 Linux with other files beside it.
 *
 * @param {import('node:test').TestContext} t
 * @param {Record<string, string>} files
 */
function copyWith(t, files) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-loader-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  for (const name of ['index.js', 'binding.js', 'package.json', 'common', 'values', 'records', 'indexeddb']) {
    fs.cpSync(path.join(ROOT, name), path.join(root, name), { recursive: true });
  }
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  return root;
}
const ARM = { platform: 'linux', arch: 'arm64', glibc: '2.28' };
const { version } = require('../../package.json');

test('a library that is there and does not load: the error says why, and nothing about lock files', (t) => {
  const error = loadAs(ARM, copyWith(t, { 'flowdb.linux-arm64-gnu.node': 'not a library' }));
  assert.equal(error.code, 'FLOWDB_NO_BINARY');
  assert.doesNotMatch(error.cause, /Cannot find module/);
  assert.match(error.message, /does not load/);
  assert.ok(error.message.includes(error.cause), error.message);
  assert.doesNotMatch(error.message, /lock file|Cannot find module/);
});

test('a library that needs a newer glibc: the error says which is needed', (t) => {
  const main = `throw Object.assign(new Error("/lib/libc.so.6: version \`GLIBC_2.99' not found"), { code: 'ERR_DLOPEN_FAILED' });`;
  const error = loadAs(ARM, copyWith(t, {
    'node_modules/@flowdb/binding-linux-arm64-gnu/index.js': main, 'node_modules/@flowdb/binding-linux-arm64-gnu/package.json': JSON.stringify({ version }),
  }));
  assert.match(error.message, /does not load.*glibc 2\.28 or newer.*GLIBC_2\.99/s);
  assert.doesNotMatch(error.message, /lock file/);
});

test('the package of the platform is of another version: it is not loaded, and the error names both', (t) => {
  const error = loadAs(ARM, copyWith(t, {
    'node_modules/@flowdb/binding-linux-arm64-gnu/index.js': 'console.log("loaded");', 'node_modules/@flowdb/binding-linux-arm64-gnu/package.json': '{ "version": "0.0.7" }',
  }));
  assert.equal(error.code, 'FLOWDB_NO_BINARY');
  for (const word of [`version ${version}`, 'version 0.0.7', `@flowdb/binding-linux-arm64-gnu@${version}`]) assert.ok(error.message.includes(word), error.message);
});

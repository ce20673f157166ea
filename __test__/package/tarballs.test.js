'use strict';

// What the tarballs hold, and that they work when they are all there is.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { Installation, ROOT, hostPlatform, installed } = require('./installation.js');

const RECORDS_PROGRAM = `
  const db = await open(process.argv[2]);
  await db.kv.put('key', { n: 1 });
  await db.series.put('sensor', 21.5, { ts: 1_000 });
  console.log(JSON.stringify([await db.kv.get('key'), await db.series.latest('sensor')]));
  await db.close();`;
const RECORDS_OUTPUT = JSON.stringify([{ n: 1 }, { key: 'sensor', ts: 1000, value: 21.5 }]);

describe('the two tarballs, installed into an empty folder', () => {
  /** @type {Installation} */
  let installation;
  before(async () => { installation = await installed(); });
  after(() => installation?.remove());

  test('no Rust is within reach', () => {
    const found = installation.run('path.js', `
      const { spawnSync } = require('node:child_process');
      console.log(['cargo', 'rustc'].map((program) => spawnSync(program, ['--version']).error?.code).join());`);
    assert.equal(found.trim(), 'ENOENT,ENOENT');
  });

  test('require', () => {
    const output = installation.run('required.js',
      `const { open } = require('flowdb'); (async () => { ${RECORDS_PROGRAM} })();`, installation.data('required'));
    assert.equal(output.trim(), RECORDS_OUTPUT);
  });

  test('import by name', () => {
    const output = installation.run('imported.mjs', `
      import { indexedDB, IDBKeyRange, open } from 'flowdb';
      ${RECORDS_PROGRAM}
      console.log(indexedDB.cmp(1, 2), IDBKeyRange.only(7).lower);`, installation.data('imported'));
    assert.equal(output, `${RECORDS_OUTPUT}\n-1 7\n`);
  });

  test('flowdb holds JavaScript and types only', () => {
    const files = fs.readdirSync(path.join(installation.project, 'node_modules', 'flowdb'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map((entry) => entry.name);
    const documents = ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE-MIT', 'LICENSE-APACHE'];
    assert.deepEqual(files.filter((name) => !/\.(js|mjs|d\.ts|d\.mts)$/.test(name)).sort(), documents.sort());
  });

  test('the package of the platform holds the library only', async () => {
    const { library, manifest } = await hostPlatform();
    const files = fs.readdirSync(path.join(installation.project, 'node_modules', manifest.name));
    assert.deepEqual(files.sort(), ['README.md', library, 'package.json'].sort());
  });
});

test('without the package of the platform the error says which one is missing', async () => {
  const installation = new Installation();
  try {
    const { manifest } = await hostPlatform();
    installation.install(installation.pack(ROOT));
    const output = installation.run('missing.mjs', `
      const error = await import('flowdb').then(({ open }) => open(process.argv[2])).catch((reason) => reason);
      console.log(JSON.stringify({ code: error.code, message: error.message }));`, installation.data('missing'));
    const { code, message } = JSON.parse(output);
    assert.equal(code, 'FLOWDB_NO_BINARY');
    for (const word of [manifest.name, process.platform, process.arch]) assert.ok(message.includes(word), message);
  } finally {
    installation.remove();
  }
});

test('scripts/pack.mjs makes tarballs that name all platforms and install without a registry', async () => {
  const installation = new Installation();
  const destination = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-packed-'));
  try {
    execFileSync(process.execPath, [path.join(ROOT, 'scripts', 'pack.mjs'), destination], { cwd: ROOT, env: process.env, stdio: 'pipe' });
    const tarballs = fs.readdirSync(destination);
    const { manifest: { name, version } } = await hostPlatform();
    assert.deepEqual(tarballs.sort(), [`flowdb-${version}.tgz`, `${name.slice(1).replace('/', '-')}-${version}.tgz`].sort());
    installation.install(...tarballs.map((tarball) => path.join(destination, tarball)));
    const manifest = JSON.parse(fs.readFileSync(path.join(installation.project, 'node_modules/flowdb/package.json'), 'utf8'));
    assert.deepEqual(Object.keys(manifest.optionalDependencies).sort(),
      fs.readdirSync(path.join(ROOT, 'npm')).map((triple) => `@flowdb/binding-${triple}`).sort());
    assert.equal(installation.run('packed.js', `console.log(typeof require('flowdb').open);`).trim(), 'function');
  } finally {
    installation.remove();
    fs.rmSync(destination, { recursive: true, force: true });
  }
});

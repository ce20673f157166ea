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

  test('flowdb holds JavaScript, types and documents only', () => {
    const root = path.join(installation.project, 'node_modules', 'flowdb');
    const files = fs.readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll(path.sep, '/'));
    const others = files.filter((name) => !/\.(js|mjs|d\.ts|d\.mts)$|^docs\/[\w-]+\.md$|^docs\/wpt-expected\.json$|^examples\//.test(name));
    assert.deepEqual(others.sort(), ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json']);
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

describe('the tarballs that scripts/pack.mjs makes', () => {
  const installation = new Installation();
  const destination = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-packed-'));
  const folderOf = (/** @type {string} */ name) => path.join(installation.project, 'node_modules', name);
  const manifestOf = (/** @type {string} */ name) => JSON.parse(fs.readFileSync(path.join(folderOf(name), 'package.json'), 'utf8'));
  /** @type {any} */
  let platform;
  before(async () => {
    platform = await hostPlatform();
    execFileSync(process.execPath, [path.join(ROOT, 'scripts', 'pack.mjs'), destination], {
      cwd: ROOT, env: { ...process.env, GITHUB_REPOSITORY: 'someone/flowdb', GITHUB_SERVER_URL: 'https://git.example' }, stdio: 'pipe',
    });
    installation.install(...fs.readdirSync(destination).map((tarball) => path.join(destination, tarball)));
  });
  after(() => {
    installation.remove();
    fs.rmSync(destination, { recursive: true, force: true });
  });

  test('are two where one library was built', () => {
    const { name, version } = platform.manifest;
    assert.deepEqual(fs.readdirSync(destination).sort(), [`flowdb-${version}.tgz`, `${name.slice(1).replace('/', '-')}-${version}.tgz`].sort());
  });

  test('work, and name the packages of all platforms', () => {
    assert.deepEqual(Object.keys(manifestOf('flowdb').optionalDependencies).sort(),
      fs.readdirSync(path.join(ROOT, 'npm')).map((triple) => `@flowdb/binding-${triple}`).sort());
    assert.equal(installation.run('packed.js', `console.log(typeof require('flowdb').open);`).trim(), 'function');
  });

  test('name the repository that the workflow runs for', () => {
    for (const name of ['flowdb', platform.manifest.name]) {
      const { repository, homepage } = manifestOf(name);
      assert.deepEqual(repository, { type: 'git', url: 'git+https://git.example/someone/flowdb.git' });
      assert.equal(homepage, 'https://git.example/someone/flowdb#readme');
    }
  });

  test('hold the licences, and those of the crates that are in the library', () => {
    const { library, manifest } = platform;
    const files = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'THIRD-PARTY-NOTICES.txt', library, 'package.json'];
    assert.deepEqual(fs.readdirSync(folderOf(manifest.name)).sort(), files.sort());
    const notices = fs.readFileSync(path.join(folderOf(manifest.name), 'THIRD-PARTY-NOTICES.txt'), 'utf8');
    const locked = [...fs.readFileSync(path.join(ROOT, 'Cargo.lock'), 'utf8').matchAll(/name = "(.*)"\nversion = "(.*)"/g)].map(([, name, version]) => `${name} ${version}`);
    const named = [...notices.matchAll(/-{80}\n\n(\S+ \S+)\nLicence: \S.*\n\n\S/g)].map(([, crate]) => crate);
    assert.deepEqual(named, [...new Set(named)].sort());
    assert.deepEqual(named.filter((crate) => !locked.includes(crate)), []);
    for (const name of ['lz4_flex', 'napi', 'parking_lot', 'xxhash-rust']) assert.ok(named.some((crate) => crate.startsWith(`${name} `)), name);
    for (const name of ['flowdb-engine', 'napi-derive', 'syn', 'proptest']) assert.ok(!named.some((crate) => crate.startsWith(`${name} `)), name);
  });

  test('hold what their pages refer to', () => {
    const root = folderOf('flowdb');
    const pages = fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
    assert.ok(pages.length > 10, pages.join());
    const missing = pages.flatMap((name) => [...fs.readFileSync(path.join(root, name), 'utf8').matchAll(/\]\((?!\w+:)([^)#]+)/g)]
      .filter(([, link]) => !fs.existsSync(path.join(root, path.dirname(name), link))).map(([, link]) => `${name}: ${link}`));
    assert.deepEqual(missing, []);
  });
});

'use strict';

// The package works from a folder whose name a careless path would trip over, with its data in another one, and inside bundles.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const esbuild = require('esbuild');
const { installed } = require('./installation.js');

const PROGRAM = `
  (async () => {
    const db = await open(process.argv[2]);
    await db.kv.put('key', { n: 1 }, { sync: true });
    const request = new IDBFactory({ path: process.argv[2] }).open('name', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('store').put('document', 1);
    await new Promise((resolve, reject) => { request.onsuccess = resolve; request.onerror = () => reject(request.error); });
    request.result.close();
    console.log(JSON.stringify([await db.kv.get('key'), request.result.objectStoreNames[0]]));
    await db.close();
  })();`;
const OUTPUT = '[{"n":1},"store"]\n';
const ESM = `import { open, IDBFactory } from 'flowdb';${PROGRAM}`;
const CJS = `const { open, IDBFactory } = require('flowdb');${PROGRAM}`;

/** @type {import('./installation.js').Installation} */
let installation;
before(async () => { installation = await installed(); });
after(() => installation?.remove());

for (const name of ['with spaces and (brackets)', 'Größe été', '数据 库', "it's 100% #1 & more"]) {
  test(`installed and opened in "${name}"`, (t) => {
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-places-'));
    t.after(() => fs.rmSync(base, { recursive: true, force: true }));
    const folder = path.join(base, name);
    fs.mkdirSync(folder);
    fs.cpSync(path.join(installation.project, 'node_modules'), path.join(folder, 'node_modules'), { recursive: true });
    for (const [file, text] of [['program.cjs', CJS], ['program.mjs', ESM]]) {
      fs.writeFileSync(path.join(folder, file), text);
      const data = path.join(folder, `données ${file}`);
      assert.equal(execFileSync(process.execPath, [path.join(folder, file), data], { encoding: 'utf8' }), OUTPUT);
      assert.ok(fs.readdirSync(data).length > 0);
    }
  });
}

/**
 * @param {string} outfile  its ending says in which format
 * @param {import('esbuild').BuildOptions} options
 */
function bundle(outfile, options) {
  const file = path.join(installation.project, outfile);
  esbuild.buildSync({
    stdin: { contents: ESM, resolveDir: installation.project },
    bundle: true, platform: 'node', format: outfile.endsWith('.mjs') ? 'esm' : 'cjs', outfile: file, logLevel: 'silent', ...options,
  });
  return file;
}

for (const outfile of ['external.cjs', 'external.mjs']) {
  test(`esbuild, with flowdb external: ${outfile}`, () => {
    const file = bundle(outfile, { external: ['flowdb', '@flowdb/*'] });
    const output = execFileSync(process.execPath, [file, installation.data(outfile)], { encoding: 'utf8' });
    assert.equal(output, OUTPUT);
    assert.match(fs.readFileSync(file, 'utf8'), /(require\(|from )"flowdb"/);
  });
}

test('esbuild, with flowdb inside: the library is found if its package is installed beside the bundle', () => {
  const file = bundle('inside.cjs', {});
  assert.doesNotMatch(fs.readFileSync(file, 'utf8'), /require\("flowdb"\)/);
  assert.equal(execFileSync(process.execPath, [file, installation.data('inside')], { encoding: 'utf8' }), OUTPUT);
});

test('esbuild, with flowdb inside an ES module: it says what to do instead of failing later', () => {
  const file = bundle('inside.mjs', {});
  assert.throws(() => execFileSync(process.execPath, [file, installation.data('inside-module')], { encoding: 'utf8', stdio: 'pipe' }),
    (/** @type {any} */ error) => /Dynamic require|has to be external/.test(error.stderr));
});

test('a bundle that left its libraries behind says so', (t) => {
  const elsewhere = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-bundle-'));
  t.after(() => fs.rmSync(elsewhere, { recursive: true, force: true }));
  const file = path.join(elsewhere, 'alone.cjs');
  fs.copyFileSync(bundle('alone.cjs', {}), file);
  assert.throws(() => execFileSync(process.execPath, [file, elsewhere], { encoding: 'utf8', stdio: 'pipe' }), (/** @type {any} */ error) => (
    /FLOWDB_NO_BINARY/.test(error.stderr) && /has to be external/.test(error.stderr)));
});

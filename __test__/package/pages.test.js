'use strict';

// The programs and links of the pages on durability, operations, Electron and bundlers.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { ROOT, installed } = require('./installation.js');

const PAGES = ['durability.md', 'electron.md', 'bundlers.md', 'operations.md'];
const page = (/** @type {string} */ name) => fs.readFileSync(path.join(ROOT, 'docs', name), 'utf8');
const blocks = (/** @type {string} */ name, /** @type {string} */ language) => (
  [...page(name).matchAll(/^```(\w*)\n(.*?)^```$/gms)].filter(([, tag]) => tag === language).map(([, , text]) => text));

/** @type {import('./installation.js').Installation} */
let installation;
before(async () => { installation = await installed(); });
after(() => installation?.remove());

for (const [index, program] of blocks('durability.md', 'js').entries()) {
  test(`durability.md: program ${index + 1}`, { skip: process.platform === 'win32' && program.includes('SIGTERM') && 'Windows has no signals' }, () => {
    const check = `import { open as again } from 'flowdb';
      const database = await again('data');
      console.log((await database.scan({ values: false }).all()).join());
      await database.close();`;
    fs.rmSync(path.join(installation.project, 'data'), { recursive: true, force: true });
    assert.equal(installation.run('program.mjs', program), '');
    assert.equal(installation.run('check.mjs', check).trim(), ['order:1,seen', 'key'][index]);
  });
}

test('there are such programs', () => assert.equal(blocks('durability.md', 'js').length, 2));

for (const [index, program] of blocks('operations.md', 'js').entries()) {
  test(`operations.md: program ${index + 1}`, () => {
    fs.rmSync(path.join(installation.project, 'data'), { recursive: true, force: true });
    const promised = [...program.matchAll(/\/\/ -> (.*)$/gm)].map((match) => match[1]);
    assert.deepEqual(installation.run('program.mjs', program).trim().split('\n'), promised);
  });
}

test('operations.md: the first program waits for a directory that is open', async (t) => {
  fs.rmSync(path.join(installation.project, 'data'), { recursive: true, force: true });
  const hold = installation.write('hold.mjs', `
    import { open } from 'flowdb';
    const db = await open('data');
    console.log('open');
    process.stdin.resume().on('end', () => db.close());`);
  const holder = spawn(process.execPath, [hold], { cwd: installation.project, stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => holder.kill());
  await once(holder.stdout, 'data');
  const program = installation.write('program.mjs', blocks('operations.md', 'js')[0].replace('await new Promise(', 'console.log("waits"); await new Promise('));
  const waiter = spawn(process.execPath, [program], { cwd: installation.project, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  waiter.stdout.on('data', (text) => { output += text; if (/waits/.test(text)) holder.stdin.end(); });
  const [status] = await once(waiter, 'close');
  assert.deepEqual([status, output.trim().split('\n').at(0), output.trim().split('\n').at(-1)], [0, 'waits', '0']);
});

test('operations.md: the error codes are those of index.d.ts, and of the type', () => {
  const declarations = fs.readFileSync(path.join(ROOT, 'index.d.ts'), 'utf8');
  const rows = (/** @type {string} */ text) => [...text.matchAll(/^(?: \* )?(\| `FLOWDB_\w+` \| .*)$/gm)].map(([, row]) => row);
  const declared = rows(declarations);
  assert.deepEqual(rows(page('operations.md').slice(page('operations.md').indexOf('## Error codes'), page('operations.md').indexOf('## Troubleshooting'))), declared);
  const type = [...declarations.matchAll(/^ {2}\| '(FLOWDB_\w+)'/gm)].map(([, code]) => code);
  assert.deepEqual(declared.map((row) => /`(\w+)`/.exec(row)?.[1]), type);
});

test('durability.md: every error code says whether a write was made', () => {
  const declarations = fs.readFileSync(path.join(ROOT, 'index.d.ts'), 'utf8');
  const type = [...declarations.matchAll(/^ {2}\| '(FLOWDB_\w+)'/gm)].map(([, code]) => code);
  const rows = [...page('durability.md').matchAll(/^\| (`FLOWDB_[^|]*) \|/gm)].flatMap(([, codes]) => [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => code));
  assert.deepEqual(rows.sort(), type.sort());
});

test('bundlers.md: what makes flowdb external covers all of its entries, and nothing else', () => {
  const expressions = [...page('bundlers.md').matchAll(/\[?\/(\^flowdb\S*?\$)\//g)].map(([, source]) => new RegExp(source));
  assert.equal(expressions.length, 3);
  for (const expression of expressions) {
    const names = ['flowdb', 'flowdb/auto', 'flowdb/lib/FDBFactory', 'flowdbase', 'flowdb-types', 'my/flowdb'];
    assert.deepEqual(names.filter((name) => expression.test(name)), names.slice(0, 3), String(expression));
  }
});

for (const name of PAGES) {
  test(`${name}: settings are valid, links lead somewhere`, () => {
    for (const text of blocks(name, 'json')) JSON.parse(text);
    const links = [...page(name).matchAll(/\]\((?!https:)([^)#]+)/g)].map((match) => match[1]);
    assert.deepEqual(links.filter((link) => !fs.existsSync(path.join(ROOT, 'docs', link))), []);
  });
}

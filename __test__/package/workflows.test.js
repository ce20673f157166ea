'use strict';

// The workflows are what their schema allows, name what is there, cover every platform, and publish by a tag only. Nothing is asked of the network.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { test } = require('node:test');
const yaml = require('yaml');
const { npmScript } = require('../../scripts/npm_script.cjs');
const { ROOT } = require('./installation.js');

const FOLDER = path.join(ROOT, '.github', 'workflows');
const names = fs.readdirSync(FOLDER);
const text = (/** @type {string} */ name) => fs.readFileSync(path.join(FOLDER, name), 'utf8');
const workflow = (/** @type {string} */ name) => yaml.parse(text(name), { merge: true });
const platforms = fs.readdirSync(path.join(ROOT, 'npm')).sort();

/** @param {string} file */
function validate(file) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'node_modules/@action-validator/cli/cli.mjs'), file], {
    cwd: ROOT, encoding: 'utf8',
  });
  return { status, output: `${stdout}${stderr}` };
}

for (const name of names) {
  test(`${name} is what the schema of workflows allows`, () => {
    const { status, output } = validate(path.join(FOLDER, name));
    assert.equal(status, 0, output);
  });

  test(`${name} runs scripts and tests that are there`, () => {
    const files = [...text(name).matchAll(/\b(scripts\/[\w.]+|__test__\/[\w/]+(?:\.test\.js)?)/g)].map((match) => match[1]);
    assert.deepEqual(files.filter((file) => !fs.existsSync(path.join(ROOT, file))), []);
  });

  test(`${name} says what it may do, and how long`, () => {
    const { permissions, jobs } = workflow(name);
    assert.deepEqual(permissions, { contents: 'read' });
    for (const [job, { uses, 'timeout-minutes': minutes }] of Object.entries(jobs)) assert.ok(uses || minutes > 0, job);
  });
}

test('the validator can fail', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-workflow-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'wrong.yml');
  fs.writeFileSync(file, text('ci.yml').replace('runs-on: ubuntu-24.04', 'run-on: ubuntu-24.04'));
  assert.notEqual(validate(file).status, 0);
});

test('every platform of npm/ is built for its target, and tested on Node 20, 22, 24 and 26 or in a container', async () => {
  const { jobs } = workflow('ci.yml');
  const built = jobs.build.strategy.matrix.include;
  assert.deepEqual(built.map((/** @type {any} */ one) => one.platform).sort(), platforms);
  const { platforms: known } = await import(pathToFileURL(path.join(ROOT, 'scripts', 'platform.mjs')).href);
  for (const { triple, target } of known()) {
    assert.equal(built.find((/** @type {any} */ one) => one.platform === triple).target, target, triple);
  }
  assert.deepEqual(jobs.test.strategy.matrix.node, [20, 22, 24, 26]);
  const tested = [...jobs.test.strategy.matrix.platform, ...jobs.container.strategy.matrix.include.map((/** @type {any} */ one) => one.platform)];
  assert.deepEqual([...new Set(tested)].sort(), platforms);
  const runners = jobs.test.strategy.matrix.include.map((/** @type {any} */ one) => one.platform);
  assert.deepEqual(runners.sort(), [...jobs.test.strategy.matrix.platform].sort());
});

test('no job keeps the token that it checked out with', () => {
  const steps = names.flatMap((name) => Object.values(workflow(name).jobs).flatMap((/** @type {any} */ job) => job.steps ?? []));
  const checkouts = steps.filter((/** @type {any} */ { uses = '' }) => uses.startsWith('actions/checkout@'));
  assert.ok(checkouts.length > 5);
  for (const step of checkouts) assert.deepEqual(step.with, { 'persist-credentials': false });
});

test('what is compiled apart and what dependabot looks after is there', () => {
  const manifests = [...text('ci.yml').matchAll(/--manifest-path (\S+)/g)].map(([, file]) => file);
  const apart = ['fuzz/Cargo.toml', 'benchmark/Cargo.toml'];
  assert.deepEqual(manifests, apart.flatMap((file) => [file, file]), 'formatted, and linted');
  for (const file of apart) assert.ok(fs.existsSync(path.join(ROOT, file.replace('.toml', '.lock'))), file);
  const { updates } = yaml.parse(fs.readFileSync(path.join(ROOT, '.github', 'dependabot.yml'), 'utf8'));
  const files = /** @type {Record<string, string>} */ ({ 'github-actions': '.github/workflows', npm: 'package-lock.json', cargo: 'Cargo.lock' });
  for (const { 'package-ecosystem': kind, directory, directories = [directory] } of updates) {
    for (const one of directories) assert.ok(fs.existsSync(path.join(ROOT, one, files[kind])), `${kind} ${one}`);
  }
});

test('what runs each night runs tests that are there, from a seed that it prints', () => {
  const { on, jobs } = workflow('nightly.yml');
  assert.match(on.schedule[0].cron, /^\d+ \d+ \* \* \*$/);
  for (const { package: name, test: file, seeds } of jobs.random.strategy.matrix.include) {
    const source = path.join(ROOT, 'crates', name, 'tests', `${file}.rs`);
    assert.match(fs.readFileSync(source, 'utf8'), /^(?! *\/\/).*(for_(each_)?seeds?\(|"FLOWDB_SEEDS")/m, source);
    assert.ok(seeds > 0);
  }
  for (const { steps } of [jobs.random, jobs.processes]) {
    const seeding = steps.findIndex((/** @type {any} */ { run = '' }) => /FLOWDB_SEED=.*tee -a "\$GITHUB_ENV"/.test(run));
    assert.ok(seeding >= 0 && seeding === steps.length - 2, 'before what uses it');
  }
});

test('each test that docs/testing.md says can run longer does so each night', () => {
  const { jobs } = workflow('nightly.yml');
  const page = fs.readFileSync(path.join(ROOT, 'docs', 'testing.md'), 'utf8');
  const crates = [...page.matchAll(/`FLOWDB_SEEDS=\d+ cargo test --release -p (\S+) --test (\w+)/g)].map(([, name, file]) => `${name} ${file}`);
  const nightly = jobs.random.strategy.matrix.include.map((/** @type {any} */ { package: name, test: file }) => `${name} ${file}`);
  assert.deepEqual(nightly.sort(), [...new Set(crates)].sort());
  const files = [...page.matchAll(/`FLOWDB_SEEDS=\d+ node --test (\S+)`/g)].map(([, file]) => file);
  const commands = jobs.processes.strategy.matrix.command.filter((/** @type {string} */ command) => command.startsWith('FLOWDB_SEEDS='));
  const run = commands.flatMap((/** @type {string} */ command) => command.match(/__test__\/\S+/g) ?? []);
  assert.deepEqual(run.sort(), files.sort());
});

test('only a tag publishes, after CI', () => {
  const publishing = names.filter((name) => /npm publish/.test(text(name)));
  assert.deepEqual(publishing, ['release.yml']);
  const { on, jobs } = workflow('release.yml');
  assert.deepEqual(on, { push: { tags: ['v[0-9]+.[0-9]+.[0-9]+*'] } });
  assert.equal(jobs.publish.needs, 'ci');
  assert.equal(jobs.ci.uses, './.github/workflows/ci.yml');
  assert.match(jobs.publish.if, /startsWith\(github\.ref, 'refs\/tags\/v'\)/);
});

/**
 * Runs the publishing step for a tag beside tarballs as scripts/pack.mjs names them. The package of the platform is out already. Its npm is the real one, which publishes nothing.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} version
 * @returns {string} what npm was asked for, a line each, and what the real one said
 */
function publish(t, version) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-publish-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const name of ['flowdb', '@flowdb/binding-linux-x64-gnu']) {
    fs.mkdirSync(path.join(folder, name, 'tarballs'), { recursive: true });
    fs.writeFileSync(path.join(folder, name, 'package.json'), JSON.stringify({ name, version }));
    const packed = spawnSync(process.execPath, [npmScript(), 'pack', `./${name}`, '--pack-destination', '.', '--silent'], { cwd: folder, encoding: 'utf8' });
    assert.equal(packed.status, 0, packed.stderr);
  }
  fs.mkdirSync(path.join(folder, 'tarballs'));
  for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.tgz'))) fs.renameSync(path.join(folder, name), path.join(folder, 'tarballs', name));
  fs.writeFileSync(path.join(folder, 'npm'), `#!/bin/sh
    echo "npm $*" >> calls
    if [ "$1" = view ]; then case "$2" in @flowdb/*) exit 0 ;; *) exit 1 ;; esac; fi
    exec "${process.execPath}" "${npmScript()}" "$@" --dry-run --registry http://127.0.0.1:1`, { mode: 0o755 });
  const { run } = workflow('release.yml').jobs.publish.steps.find((/** @type {any} */ step) => step.name === 'publish');
  const { status, stderr } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', run], {
    cwd: folder, encoding: 'utf8', env: { PATH: [folder, path.dirname(process.execPath), process.env.PATH].join(path.delimiter), HOME: folder, GITHUB_REF_NAME: `v${version}` },
  });
  assert.equal(status, 0, stderr);
  return fs.readFileSync(path.join(folder, 'calls'), 'utf8') + stderr;
}

for (const [version, tag] of [['1.2.3', 'latest'], ['1.2.3-beta.1', 'next']]) {
  test(`npm takes what the workflow publishes for v${version}, and leaves out what is out`, { skip: process.platform === 'win32' && 'the workflow runs on Linux' }, (t) => {
    const said = publish(t, version);
    assert.deepEqual(said.match(/^npm (view|publish) .*/gm)?.filter((line) => !line.startsWith('npm notice')), [
      `npm view @flowdb/binding-linux-x64-gnu@${version} version`, `npm view flowdb@${version} version`,
      `npm publish ./tarballs/flowdb-${version}.tgz --access public --provenance --tag ${tag}`,
    ]);
    assert.match(said, new RegExp(`with tag ${tag} and public access`));
  });
}

test('what is published is packed with the library of every platform, or not at all', () => {
  const { status, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'scripts', 'pack.mjs'), '--all', path.join(os.tmpdir(), 'flowdb-never')], {
    cwd: ROOT, encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.match(stderr, /no native library for .*-/);
  for (const page of ['README.md', 'CHANGELOG.md']) {
    const isOfARelease = !/not on npm yet|not yet released/.test(fs.readFileSync(path.join(ROOT, page), 'utf8'));
    assert.equal(stderr.includes(`${page} says`), !isOfARelease, stderr);
  }
});

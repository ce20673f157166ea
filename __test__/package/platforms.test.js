'use strict';

// The folders of npm/ are written by hand; they have to agree with each other and with package.json.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { ROOT } = require('./installation.js');
const root = require('../../package.json');

const LIBC_OF_ABI = { gnu: ['glibc'], musl: ['musl'] };

for (const triple of fs.readdirSync(path.join(ROOT, 'npm'))) {
  test(`npm/${triple}`, () => {
    const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'npm', triple, 'package.json'), 'utf8'));
    const [platform, arch, abi] = triple.split('-');
    assert.equal(manifest.name, `@flowdb/binding-${triple}`);
    assert.equal(manifest.main, `flowdb.${triple}.node`);
    assert.deepEqual(manifest.files, [manifest.main, 'LICENSE-APACHE', 'LICENSE-MIT', 'THIRD-PARTY-NOTICES.txt']);
    assert.deepEqual([manifest.os, manifest.cpu], [[platform], [arch]]);
    assert.deepEqual(manifest.libc, LIBC_OF_ABI[abi]);
    for (const field of ['version', 'license', 'engines']) assert.deepEqual(manifest[field], root[field], field);
  });
}

test('the Rust workspace has the version of the package', () => {
  const cargo = fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8');
  assert.equal(/^\[workspace\.package\]\nversion = "(.*)"$/m.exec(cargo)?.[1], root.version);
});

// Makes the tarballs that are published: flowdb itself, and the package of every platform whose library is in npm/.
//
//     node scripts/pack.mjs [folder]          the folder defaults to the repository's root
//     node scripts/pack.mjs --all [folder]    refuses unless the library of every platform is there, as it has to be to publish
//
// The platform packages are optional dependencies of the published flowdb, pinned to its version. They are added
// here and not in the repository's package.json: a clone builds its own library, and `npm ci` must not ask a
// registry for packages of a version that is not out yet, nor run what a stranger might have published there.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { ROOT, platforms } from './platform.mjs';
import { main, npm } from './run.mjs';

/**
 * @param {string} destination
 * @param {boolean} all  every platform
 */
async function pack(destination, all) {
  const isReady = (/** @type {import('./platform.mjs').Platform} */ { folder, library }) => existsSync(path.join(folder, library));
  const missing = platforms().filter((platform) => !isReady(platform)).map(({ triple }) => triple);
  if (all && missing.length > 0) throw new Failure(`there is no native library for ${missing.join(', ')}`);
  const ready = platforms().filter(isReady);
  if (ready.length === 0) throw new Failure('no native library to pack: run `npm run build` first');
  mkdirSync(destination, { recursive: true });
  const stage = mkdtempSync(path.join(tmpdir(), 'flowdb-pack-'));
  try {
    await packRoot(path.join(stage, 'flowdb'), destination);
    for (const platform of ready) await packPlatform(platform, path.join(stage, platform.triple), destination);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/**
 * @param {string} stage
 * @param {string} destination
 */
async function packRoot(stage, destination) {
  for (const file of await listPackedFiles()) cpSync(path.join(ROOT, file), path.join(stage, file));
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  delete manifest.scripts;
  delete manifest.devDependencies;
  manifest.optionalDependencies = Object.fromEntries(platforms().map(({ manifest: { name, version } }) => [name, version]));
  writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await packFolder(stage, destination);
}

/**
 * @param {import('./platform.mjs').Platform} platform
 * @param {string} stage
 * @param {string} destination
 */
async function packPlatform({ folder }, stage, destination) {
  cpSync(folder, stage, { recursive: true });
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(path.join(ROOT, licence), path.join(stage, licence));
  await packFolder(stage, destination);
}

/** @returns {Promise<string[]>} what `files` in package.json comes to */
async function listPackedFiles() {
  let json = '';
  await npm(['pack', '--dry-run', '--json', '--ignore-scripts'], { quiet: true, onText: (text) => { json += text; } });
  return JSON.parse(json)[0].files.map((/** @type {{ path: string }} */ file) => file.path);
}

/**
 * @param {string} folder
 * @param {string} destination
 */
async function packFolder(folder, destination) {
  await npm(['pack', '--silent', '--pack-destination', destination], { cwd: folder });
}

await main(async () => {
  if (process.argv[2] === '--refuse-publish') {
    throw new Failure('publish the tarballs that `node scripts/pack.mjs` makes: only they name the platform packages');
  }
  const all = process.argv[2] === '--all';
  await pack(path.resolve(process.argv[all ? 3 : 2] ?? ROOT), all);
});

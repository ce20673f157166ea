// Makes the tarballs that are published: flowdb itself, and the package of every platform whose library is in npm/.
//
//     node scripts/pack.mjs [folder]          the folder defaults to the repository's root
//     node scripts/pack.mjs --all [folder]    refuses unless the library of every platform is there, and README.md and CHANGELOG.md speak of a release
//
// The platform packages are optional dependencies of the published flowdb, pinned to its version. They are added
// here and not in the repository's package.json: a clone builds its own library, and `npm ci` must not ask a
// registry for packages of a version that is not out yet, nor run what a stranger might have published there.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { NOTICES } from './notices.mjs';
import { ROOT, platforms } from './platform.mjs';
import { main, npm } from './run.mjs';

/** Where the sources are: known to the workflow that publishes. */
const REPOSITORY = repositoryFields(process.env);

/** @param {NodeJS.ProcessEnv} environment */
function repositoryFields({ GITHUB_REPOSITORY: name, GITHUB_SERVER_URL: server = 'https://github.com' }) {
  if (!name) return {};
  const url = `${server}/${name}`;
  return { repository: { type: 'git', url: `git+${url}.git` }, homepage: `${url}#readme`, bugs: `${url}/issues` };
}

/**
 * @param {string} destination
 * @param {boolean} all  every platform
 */
async function pack(destination, all) {
  const lacksLibrary = lacking(({ library }) => library);
  const lacksNotices = lacking(() => NOTICES).filter((triple) => !lacksLibrary.includes(triple));
  const problems = [
    ...lacksLibrary.length > 0 ? [`there is no native library for ${lacksLibrary.join(', ')}`] : [],
    ...lacksNotices.length > 0 ? [`the libraries for ${lacksNotices.join(', ')} lack their ${NOTICES}: build them anew`] : [],
    ...untrueOnce(),
  ];
  if (all && problems.length > 0) throw new Failure(problems.join('; '));
  const ready = platforms().filter(({ triple }) => !lacksLibrary.includes(triple) && !lacksNotices.includes(triple));
  if (all && Object.keys(REPOSITORY).length === 0) {
    throw new Failure('GITHUB_REPOSITORY is not set: npm states where a package was built only if its manifest names the repository');
  }
  if (ready.length === 0) {
    const [{ triple } = { triple: '' }] = platforms().filter((platform) => lacksNotices.includes(platform.triple));
    throw new Failure(triple ? `the library for ${triple} lacks its ${NOTICES}: build it anew` : 'no native library to pack: run `npm run build` first');
  }
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
 * @param {(platform: import('./platform.mjs').Platform) => string} fileOf
 * @returns {string[]} the platforms whose folder has no such file
 */
function lacking(fileOf) {
  return platforms().filter((platform) => !existsSync(path.join(platform.folder, fileOf(platform)))).map(({ triple }) => triple);
}

/** What is true in the repository until a version is out, and not in its package. */
const UNRELEASED = /not on npm yet|not yet released/i;

/** @returns {string[]} a problem for each page that is packed with such a line */
function untrueOnce() {
  return ['README.md', 'CHANGELOG.md'].flatMap((file) => {
    const [found] = UNRELEASED.exec(readFileSync(path.join(ROOT, file), 'utf8')) ?? [];
    return found === undefined ? [] : [`${file} says "${found}": say how a release is installed, and when it was made`];
  });
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
  Object.assign(manifest, REPOSITORY);
  manifest.optionalDependencies = Object.fromEntries(platforms().map(({ manifest: { name, version } }) => [name, version]));
  writeManifest(stage, manifest);
  await packFolder(stage, destination);
}

/**
 * @param {import('./platform.mjs').Platform} platform
 * @param {string} stage
 * @param {string} destination
 */
async function packPlatform({ folder, manifest }, stage, destination) {
  cpSync(folder, stage, { recursive: true });
  writeManifest(stage, { ...manifest, ...REPOSITORY });
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(path.join(ROOT, licence), path.join(stage, licence));
  await packFolder(stage, destination);
}

/**
 * @param {string} stage
 * @param {object} manifest
 */
function writeManifest(stage, manifest) {
  writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
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

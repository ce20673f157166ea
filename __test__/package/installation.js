'use strict';

// Packs flowdb and the package of this platform and installs both into an empty folder, as a user would: nothing
// of the repository is beside them, no Rust is in the PATH, no network is asked.

const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { npmScript } = require('../../scripts/npm_script.cjs');

const ROOT = path.join(__dirname, '..', '..');
const ECOSYSTEM = path.join(ROOT, 'node_modules', '.ecosystem');
const TIMEOUT_MS = 120_000;
const OUTPUT_BYTES_MAX = 2 ** 26;

class Installation {
  /** Removed by `remove`. */
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-package-'));
  /** The empty folder that the packages are installed into. */
  project = this.#makeFolder('project');
  /** Folders for data, one for each name. */
  data = (name) => path.join(this.folder, 'data', name);
  #bin = this.#makeFolder('bin');
  #home = this.#makeFolder('home');
  #temporary = this.#makeFolder('temporary');

  constructor() {
    // The one program on the PATH. Windows needs no link: Node stands in a folder of its own there.
    if (process.platform !== 'win32') fs.symlinkSync(process.execPath, path.join(this.#bin, 'node'));
    fs.writeFileSync(path.join(this.project, 'package.json'), JSON.stringify({ name: 'user', private: true }));
  }

  /** @param {string} source  a folder with a package.json; @returns the tarball's path */
  pack(source) {
    const { stdout } = this.npm(['pack', source, '--json', '--ignore-scripts', '--pack-destination', this.folder]);
    return path.join(this.folder, JSON.parse(stdout)[0].filename);
  }

  /** @param {string[]} tarballs */
  install(...tarballs) {
    this.npm(['install', '--offline', '--no-audit', '--no-fund', ...tarballs]);
  }

  /** Puts a package that the repository has as a development dependency beside the installed ones. */
  borrow(name) {
    fs.cpSync(path.join(ROOT, 'node_modules', name), path.join(this.project, 'node_modules', name), { recursive: true });
  }

  /** Puts the test runners and clients of ecosystem/ where Node finds them from the project. */
  linkEcosystem() {
    fs.symlinkSync(path.join(ECOSYSTEM, 'node_modules'), path.join(this.folder, 'node_modules'), 'junction');
  }

  npm(args) {
    const script = npmScript();
    if (!script) throw new Error('npm was not found: run the tests with `npm test`');
    return this.#spawn([script, ...args]);
  }

  /** @param {string} name  a file of the project; @param {string} text */
  write(name, text) {
    const file = path.join(this.project, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    return file;
  }

  /**
   * Runs a program text in the project; its name says by its ending whether it is CommonJS or an ES module.
   *
   * @returns {string} its standard output
   */
  run(name, text, ...args) {
    return this.#spawn([this.write(name, text), ...args]).stdout;
  }

  /**
   * Runs Node in a folder of the project, whatever the outcome.
   *
   * @param {string} folder
   * @param {string[]} args
   */
  attempt(folder, args) {
    const { status, signal, stdout, stderr } = this.#start(args, path.join(this.project, folder));
    return { status: signal ?? status, output: stdout + stderr };
  }

  remove() {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  #makeFolder(name) {
    const folder = path.join(this.folder, name);
    fs.mkdirSync(folder);
    return folder;
  }

  #start(args, cwd) {
    return spawnSync(process.execPath, args, {
      cwd, env: this.#environment(), encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX,
    });
  }

  #spawn(args) {
    const result = this.#start(args, this.project);
    if (result.status !== 0) {
      throw new Error(`node ${args.join(' ')}: ended with ${result.signal ?? result.status}\n${result.stdout}${result.stderr}`);
    }
    return result;
  }

  // Nothing of the test's own environment: neither its PATH nor npm's or the test runner's variables.
  #environment() {
    const windows = process.platform === 'win32' ? { SystemRoot: process.env.SystemRoot, APPDATA: this.#home } : {};
    const bin = process.platform === 'win32' ? path.dirname(process.execPath) : this.#bin;
    return { PATH: bin, HOME: this.#home, USERPROFILE: this.#home, TMPDIR: this.#temporary, TEMP: this.#temporary, NO_COLOR: '1', ...windows };
  }
}

/** The entry of npm/ that belongs to this machine. */
async function hostPlatform() {
  const module = await import(pathToFileURL(path.join(ROOT, 'scripts', 'platform.mjs')).href);
  return module.hostPlatform();
}

/** @returns {Promise<Installation>} with flowdb and its native library installed */
async function installed() {
  const installation = new Installation();
  try {
    const { folder } = await hostPlatform();
    installation.install(installation.pack(ROOT), installation.pack(folder));
  } catch (error) {
    installation.remove();
    throw error;
  }
  return installation;
}

/**
 * Why tests that need the packages of ecosystem/ cannot run, or false if they can. Where CI runs it is an error: without a
 * network there would be nothing else to say that they were left out.
 *
 * @returns {string | false}
 */
function ecosystemMissing() {
  const lock = fs.readFileSync(path.join(__dirname, 'ecosystem', 'package-lock.json'));
  const stamp = path.join(ECOSYSTEM, 'node_modules', '.installed-lock-hash');
  const hash = createHash('sha256').update(lock).digest('hex');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) return false;
  const reason = 'test runners and clients are not installed: `node scripts/ecosystem.mjs` does it, once, from the network';
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** @returns {Promise<Installation>} with the packages of ecosystem/ beside it */
async function installedWithEcosystem() {
  const installation = await installed();
  installation.linkEcosystem();
  return installation;
}

module.exports = { Installation, ROOT, ecosystemMissing, hostPlatform, installed, installedWithEcosystem };

'use strict';

// Packs flowdb and the package of this platform and installs both into an empty folder, as a user would: nothing
// of the repository is beside them, no Rust is in the PATH, no network is asked.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const ROOT = path.join(__dirname, '..', '..');
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

  npm(args) {
    return this.#spawn([npmScript(), ...args]);
  }

  /**
   * Runs a program text in the project; its name says by its ending whether it is CommonJS or an ES module.
   *
   * @returns {string} its standard output
   */
  run(name, text, ...args) {
    const file = path.join(this.project, name);
    fs.writeFileSync(file, text);
    return this.#spawn([file, ...args]).stdout;
  }

  remove() {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  #makeFolder(name) {
    const folder = path.join(this.folder, name);
    fs.mkdirSync(folder);
    return folder;
  }

  #spawn(args) {
    const result = spawnSync(process.execPath, args, {
      cwd: this.project, env: this.#environment(), encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX,
    });
    if (result.status !== 0) {
      throw new Error(`node ${args.join(' ')}: ended with ${result.signal ?? result.status}\n${result.stdout}${result.stderr}`);
    }
    return result;
  }

  // Nothing of the test's own environment: neither its PATH nor npm's or the test runner's variables.
  #environment() {
    const windows = process.platform === 'win32' ? { SystemRoot: process.env.SystemRoot, APPDATA: this.#home } : {};
    const bin = process.platform === 'win32' ? path.dirname(process.execPath) : this.#bin;
    return { PATH: bin, HOME: this.#home, USERPROFILE: this.#home, TMPDIR: os.tmpdir(), TEMP: os.tmpdir(), ...windows };
  }
}

/** @returns {string} the npm that runs the tests, or the one that came with Node */
function npmScript() {
  const beside = path.join(path.dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const candidates = [process.env.npm_execpath, beside, ...(process.env.PATH ?? '').split(path.delimiter)
    .map((folder) => path.join(folder, 'npm'))];
  const found = candidates.find((file) => file && fs.existsSync(file) && fs.realpathSync(file).endsWith('npm-cli.js'));
  if (!found) throw new Error('npm was not found: run the tests with `npm test`');
  return fs.realpathSync(found);
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

module.exports = { Installation, ROOT, hostPlatform, installed };

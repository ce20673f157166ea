'use strict';

/**
 * Loads the native library: the one built in this directory, else the one of the platform's package.
 */

const fs = require('node:fs');
const { isMainThread } = require('node:worker_threads');
const { FlowDBError } = require('./common/errors.js');
const { macrotask } = require('./common/macrotask.js');

/** Names of the C library in the names of the packages. */
const LIBC_GLIBC = 'gnu';
const LIBC_MUSL = 'musl';
const LIBC_WINDOWS = 'msvc';

/** The platforms that there are packages for: npm/ has a folder for each. */
const TRIPLES = [
  'darwin-arm64', 'darwin-x64', 'linux-arm64-gnu', 'linux-arm64-musl', 'linux-x64-gnu', 'linux-x64-musl', 'win32-arm64-msvc', 'win32-x64-msvc',
];

/** Of a program's beginning, which names the loader that it is started with. */
const PROGRAM_BYTES = 4096;

/** @returns {string} the C library of the program that runs, by the name of its loader; empty if that is not found */
function libcOfProgram() {
  try {
    const head = Buffer.alloc(PROGRAM_BYTES);
    const program = fs.openSync(process.execPath, 'r');
    try {
      fs.readSync(program, head);
    } finally {
      fs.closeSync(program);
    }
    const text = head.toString('latin1');
    if (!text.startsWith('\x7fELF')) return '';
    if (text.includes('/ld-musl-')) return LIBC_MUSL;
    return /\/ld-linux[^/]*\.so|\/ld64\.so/.test(text) ? LIBC_GLIBC : '';
  } catch {
    return '';
  }
}

/** @returns {string} the C library of this process as the packages name it; empty where there is only one */
function libc() {
  if (process.platform === 'win32') return LIBC_WINDOWS;
  if (process.platform !== 'linux') return '';
  return libcOfProgram() || libcOfReport();
}

/** The same by the diagnostic report. Making one takes some milliseconds and megabytes. */
function libcOfReport() {
  // The report lists network interfaces unless told not to, which can take seconds.
  const report = /** @type {any} */ (process.report);
  // Some test runners hand out a process object without it.
  if (typeof report?.getReport !== 'function') return LIBC_GLIBC;
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  const { header } = report.getReport();
  report.excludeNetwork = before;
  return header.glibcVersionRuntime ? LIBC_GLIBC : LIBC_MUSL;
}

/** Why a library that is there cannot be used: the package of the platform is of another version. */
class VersionMismatch extends Error {}

/** @param {() => { version: string }} manifest  @returns {string | undefined} undefined where there is none, as in some archives of apps */
function versionOf(manifest) {
  try {
    return manifest().version;
  } catch {
    return undefined;
  }
}

/**
 * A package manager may leave the package of an earlier installation, whose library would fail later and worse.
 *
 * @param {string} packageName
 */
function checkVersion(packageName) {
  // By its name in full, so that a bundler takes it along instead of reading that of the bundle's folder.
  const ours = versionOf(() => require('./package.json'));
  const theirs = versionOf(() => require(`${packageName}/package.json`));
  if (ours === theirs || ours === undefined || theirs === undefined) return;
  throw new VersionMismatch(`flowdb is version ${ours}, and ${packageName} version ${theirs}: install ${packageName}@${ours}`);
}

/**
 * @param {string} triple
 * @param {string} library
 * @param {string} packageName
 * @param {any} cause why a library that is there does not load, if there is one
 * @returns {string[]}
 */
function explanation(triple, library, packageName, cause) {
  const { platform, arch } = process;
  const here = `${platform} ${arch}${libc() && ` (${libc()})`}`;
  if (cause instanceof VersionMismatch) return [`the native library of flowdb for ${here} is of another version.`];
  if (cause) {
    return [
      `the native library of flowdb for ${here}, ${packageName}, does not load.`,
      ...(/GLIBC_/.test(cause.message) ? ['It needs glibc 2.28 or newer, as Debian 10 and RHEL 8 have.'] : []),
      'In a bundle, flowdb has to be external.',
    ];
  }
  if (!TRIPLES.includes(triple)) {
    return [
      `flowdb has no native library for ${here}: there is no package ${packageName}. There are packages for ${TRIPLES.join(', ')}.`,
      `Elsewhere it has to be built from its sources, with Rust: \`npm run build\` makes ${library}.`,
    ];
  }
  return [
    `the native library of flowdb for ${here} is not installed: neither ${library} beside it nor the package ${packageName} was found.`,
    'If your lock file was made on another platform, remove it and node_modules and install again:',
    'npm sometimes leaves out optional dependencies (https://github.com/npm/cli/issues/4828).',
    'In a bundle, flowdb has to be external.',
  ];
}

/**
 * @param {string} triple
 * @param {string} library
 * @param {string} packageName
 * @param {any[]} causes what loading each of the candidates failed with
 */
function missing(triple, library, packageName, causes) {
  const { platform, arch } = process;
  // A library that is there and does not load says more than one that is not there.
  const broken = causes.find((cause) => cause?.code !== 'MODULE_NOT_FOUND');
  const words = [
    ...explanation(triple, library, packageName, broken),
    ...causes.filter((cause) => !broken || cause === broken).map((cause) => `\n- ${String(cause?.message ?? cause).split('\n')[0]}`),
  ];
  const error = new FlowDBError('FLOWDB_NO_BINARY', words.join(' '), { package: packageName, cause: broken ?? causes.at(-1) });
  return Object.assign(error, { platform, arch, libc: libc() });
}

function load() {
  const triple = [process.platform, process.arch, libc()].filter(Boolean).join('-');
  const library = `./flowdb.${triple}.node`;
  const packageName = `@flowdb/binding-${triple}`;
  const causes = [];
  for (const candidate of [library, packageName]) {
    try {
      if (candidate === packageName) checkVersion(packageName);
      return require(candidate);
    } catch (error) {
      causes.push(error);
    }
  }
  throw missing(triple, library, packageName, causes);
}

const native = load();

// `process.exit()` waits for the native work that is queued: from here on there is to be no more maintenance. Worker
// threads end without the process ending. This file may be loaded several times (test runners do that), with the same
// library or with another copy of it: one listener for each library is enough.
const EXIT_LISTENER = Symbol.for(`flowdb.exit.${native.libraryId()}`);
if (isMainThread && !(/** @type {any} */ (process)[EXIT_LISTENER])) {
  Object.defineProperty(process, EXIT_LISTENER, { value: true });
  process.on('exit', () => {
    native.stopMaintenance();
    // Some tools emit the event and go on: then the event loop turns again.
    macrotask(() => native.resumeMaintenance());
  });
}

module.exports = native;

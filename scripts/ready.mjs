// Makes a clone ready to run: installs and builds what is missing, and is quick when nothing is.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { Failure } from './failure.mjs';
import { ROOT } from './platform.mjs';
import { isEntry, main, npm } from './run.mjs';

const NODE_MAJOR_MIN = 20;
// Inside node_modules, so that deleting that folder also forgets that it was complete.
const STAMP = path.join(ROOT, 'node_modules', '.installed-lock-hash');

export async function ready() {
  requireNode();
  await install();
  await build();
}

function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NODE_MAJOR_MIN) {
    throw new Failure(`flowdb needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version} (${process.execPath})`);
  }
}

/** `npm ci`, unless the very lock file that is here now has been installed completely. */
async function install() {
  const lock = readFileSync(path.join(ROOT, 'package-lock.json'));
  const hash = createHash('sha256').update(lock).digest('hex');
  if (readStamp() === hash) return;
  console.log('installing the development dependencies');
  // The tools are development dependencies, whatever NODE_ENV says. None of them needs an install script.
  await npm(['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund']);
  writeFileSync(STAMP, hash);
}

function readStamp() {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return null;
  }
}

if (isEntry(import.meta.url)) await main(ready);

// Installs what the package is tested with: the test runners and the clients of IndexedDB of __test__/package/ecosystem,
// into a folder of its own, so that they are no development dependencies of everybody who builds.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './platform.mjs';
import { isEntry, main, npm } from './run.mjs';

const SOURCE = path.join(ROOT, '__test__', 'package', 'ecosystem');
// Inside node_modules: nothing that looks for sources or tests goes there.
const FOLDER = path.join(ROOT, 'node_modules', '.ecosystem');
const STAMP = path.join(FOLDER, 'node_modules', '.installed-lock-hash');

/** `npm ci`, unless the very lock file that is here now has been installed completely. */
export async function ecosystem() {
  const hash = createHash('sha256').update(readFileSync(path.join(SOURCE, 'package-lock.json'))).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash) return;
  console.log('installing the test runners and clients that the package is tested with');
  mkdirSync(FOLDER, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(path.join(SOURCE, name), path.join(FOLDER, name));
  // The folder is named: under `npm test` npm would take the repository's.
  await npm(['ci', '--prefix', FOLDER, '--prefer-offline', '--loglevel=error'], { cwd: FOLDER });
  writeFileSync(STAMP, hash);
}

if (isEntry(import.meta.url)) await main(ecosystem);

// One workload in Chromium, with a fresh profile on disk: node chromium.mjs <browser> <workload> <objects>. Prints a line of JSON like child.mjs;
// memory and processor time, which a browser spreads over processes, are not in it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { showPage } from '../../scripts/chromium.mjs';

const MODULES = ['data', 'workloads', 'measure', 'page'];
const PAGE = '<!doctype html><script type="module" src="page.mjs"></script>';

const [browser, name, objects] = process.argv.slice(2);
const files = new Map(MODULES.map((module) => [`/${module}.mjs`, readFileSync(new URL(`${module}.mjs`, import.meta.url), 'utf8')]));
files.set('/', PAGE).set('/task.json', JSON.stringify({ name, objects: Number(objects) }));

const result = await showPage(browser, files, (text, _, profile) => {
  if (!existsSync(join(profile, 'Default', 'IndexedDB'))) return { error: 'the database is not on disk' };
  return JSON.parse(text);
});
if (result.error !== undefined) throw new Error(result.error);
process.stdout.write(`${JSON.stringify(result)}\n`);

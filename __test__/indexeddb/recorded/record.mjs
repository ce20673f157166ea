// Runs the programs in Chromium and keeps what it did, for recorded.test.js to compare flowdb with:
//
//     npm run record                       as many as are recorded now, by the first of chromium, chromium-browser, google-chrome
//     npm run record -- 300 /path/to/chrome
//     npm run record -- show 17            the recorded log of one program
//
// Where Chromium does other than the standard says, the programs avoid it: nothing is asked of a version change after its commit(), and nothing
// looked up after that of another transaction; what is wrong in a put() is the value or the key, not both; wrong keys, and options of getAll() and its
// like, go to active transactions only; no store is deleted that got a unique index in the same transaction, whose violation Chromium then overlooks;
// no view is a key within a value, which Chromium changes to a buffer where the store has a key generator, and no resizable buffer a key, which it
// refuses: the standard knows neither. And -0 is no key, where flowdb deviates.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium, showPage } from '../../../scripts/chromium.mjs';

const require = createRequire(import.meta.url);
const { generate } = require('./generator.js');
const { hashOf, readRecording, writeRecording } = require('./recording.js');

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const MODULES = ['canonical', 'log', 'operations', 'dump', 'interpreter', 'page'];
const COUNT = 250;

/** The modules that a page needs, as one classic script. */
function script() {
  const definitions = MODULES.map((name) => {
    const source = readFileSync(path.join(FOLDER, `${name}.js`), 'utf8');
    return `modules['./${name}'] = (module, require) => {${source}\n};`;
  });
  return `const modules = {}, loaded = {};
const require = (name) => (loaded[name] ??= ((module) => { modules[name](module, require); return module.exports; })({ exports: {} }));
${definitions.join('\n')}
require('./page').run();`;
}

/**
 * @param {number} count
 * @param {string} browser
 */
function record(count, browser) {
  const programs = Array.from({ length: count }, (_, i) => generate(i + 1));
  const files = new Map([['/script.js', script()], ['/programs.json', JSON.stringify(programs)], ['/', '<script src="script.js"></script>']]);
  /** @type {string[]} */
  const logs = [];
  return showPage(browser, files, (log, name) => {
    logs.push(log);
    if (logs.length % 25 === 0) console.log(`${logs.length} of ${count}`);
    if (log === 'late' || !log.includes('\ncontents\n')) console.error(`program ${logs.length} did not end: ${log}`);
    return logs.length === count ? { browser: name, logs } : undefined;
  });
}

const [first, second] = process.argv.slice(2);
if (first === 'show') {
  console.log(readRecording().programs[Number(second) - 1].log);
} else {
  const { browser, logs } = await record(Number(first ?? COUNT), second ?? findChromium() ?? 'chromium');
  writeRecording({ browser, programs: logs.map((log, i) => ({ hash: hashOf(generate(i + 1)), log })) });
  console.log(`${logs.length} programs recorded with ${browser}`);
}

// Runs the programs in Chromium and keeps what it did, for recorded.test.js to compare flowdb with:
//
//     npm run record                       as many as are recorded now, by the first of chromium, chromium-browser, google-chrome
//     npm run record -- 300 /path/to/chrome
//     npm run record -- show 17            the recorded log of one program
//
// Where Chromium does other than the standard says, the programs avoid it: nothing is asked of a version change after its commit(), and nothing
// looked up after that of another transaction; what is wrong in a put() is the value or the key, not both; wrong keys, and options of getAll() and its
// like, go to active transactions only; no store is deleted that got a unique index in the same transaction; no view is a key within a value, which
// Chromium changes to a buffer where the store has a key generator, and no resizable buffer a key, which it refuses: the standard knows neither. And
// -0 is no key, where flowdb deviates.
//
// The browser runs headless in a profile of its own and loads a page from a local server, to which it posts the logs.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

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

/** @param {import('node:http').IncomingMessage} request */
async function textOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/**
 * @param {{ phases: any[][], rescue: any }[]} programs
 * @param {(browser: string, log: string) => void} onLog
 */
async function serve(programs, onLog) {
  const files = new Map([['/script.js', script()], ['/programs.json', JSON.stringify(programs)], ['/', '<script src="script.js"></script>']]);
  const server = createServer(async (request, response) => {
    const body = files.get(request.url ?? '');
    if (request.method === 'POST') onLog(/Chrome\/\S+/.exec(request.headers['user-agent'] ?? '')?.[0] ?? 'unknown', await textOf(request));
    response.writeHead(body || request.method === 'POST' ? 200 : 404, { 'content-type': request.url === '/' ? 'text/html; charset=utf-8' : 'text/javascript; charset=utf-8' });
    response.end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(undefined)); });
  return server;
}

/**
 * @param {number} count
 * @param {string} browser
 */
async function record(count, browser) {
  const programs = Array.from({ length: count }, (_, i) => generate(i + 1));
  /** @type {string[]} */
  const logs = [];
  let name = '';
  /** @type {(value: unknown) => void} */
  let done;
  const all = new Promise((resolve) => { done = resolve; });
  const server = await serve(programs, (browserName, log) => {
    name = browserName;
    logs.push(log);
    if (logs.length % 25 === 0) console.log(`${logs.length} of ${count}`);
    if (log === 'late' || !log.includes('\ncontents\n')) console.error(`program ${logs.length} did not end: ${log}`);
    if (logs.length === count) done(undefined);
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const profile = mkdtempSync(path.join(tmpdir(), 'flowdb-chromium-'));
  const child = spawn(browser, ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`], { stdio: 'ignore' });
  const ended = new Promise((resolve) => { child.on('exit', resolve); });
  const failed = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => reject(new Error(`${browser} ended with ${status} when it had posted ${logs.length} logs`)));
  });
  try {
    await Promise.race([all, failed]);
    return { browser: name, logs };
  } finally {
    failed.catch(() => {});
    child.kill();
    await ended;
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

const [first, second] = process.argv.slice(2);
if (first === 'show') {
  console.log(readRecording().programs[Number(second) - 1].log);
} else {
  const { browser, logs } = await record(Number(first ?? COUNT), second ?? 'chromium');
  writeRecording({ browser, programs: logs.map((log, i) => ({ hash: hashOf(generate(i + 1)), log })) });
  console.log(`${logs.length} programs recorded with ${browser}`);
}

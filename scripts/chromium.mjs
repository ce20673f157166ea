// A page in Chromium without a library to drive it: the browser runs headless in a fresh profile on disk, loads a page from a local server and
// posts to it what there is to say.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'];

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first one on the path, or undefined. */
export function findChromium() {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(isExecutable);
}

/** @param {import('node:http').IncomingMessage} request */
async function textOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/**
 * @param {Map<string, string>} files by path; the page is at /
 * @param {(text: string, browser: string) => void} onPost
 */
async function serve(files, onPost) {
  const server = createServer(async (request, response) => {
    const body = files.get(request.url ?? '');
    if (request.method === 'POST') onPost(await textOf(request), /Chrome\/\S+/.exec(request.headers['user-agent'] ?? '')?.[0] ?? 'unknown');
    response.writeHead(body || request.method === 'POST' ? 200 : 404, { 'content-type': `text/${request.url === '/' ? 'html' : 'javascript'}; charset=utf-8` });
    response.end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(undefined)); });
  return server;
}

/**
 * Shows the page at / until a post of it has been answered with something, and answers that.
 * @template T
 * @param {string} browser
 * @param {Map<string, string>} files
 * @param {(text: string, browser: string, profile: string) => T | undefined} onPost with the name and version of the browser, and its folder
 * @returns {Promise<T>}
 */
export async function showPage(browser, files, onPost) {
  /** @type {(value: T) => void} */
  let done;
  const answered = new Promise((resolve) => { done = resolve; });
  const profile = mkdtempSync(path.join(tmpdir(), 'flowdb-chromium-'));
  const server = await serve(files, (text, name) => {
    const answer = onPost(text, name, profile);
    if (answer !== undefined) done(answer);
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`], { stdio: 'ignore' });
  const ended = new Promise((resolve) => { child.on('exit', resolve); });
  const failed = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => reject(new Error(`${browser} ended with ${status} before the page was done`)));
  });
  try {
    return await Promise.race([answered, failed]);
  } finally {
    failed.catch(() => {});
    child.kill();
    await ended;
    server.close();
    // Its helpers outlive it for a moment, and still write there.
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

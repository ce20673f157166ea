'use strict';

// The recorded logs: gzipped text, so that `zcat chromium.log.gz` shows them. Each begins with a line `== seed hash`, the hash being
// that of the program; the first line names the browser.

const { createHash } = require('node:crypto');
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { gunzipSync, gzipSync } = require('node:zlib');

const FILE = path.join(__dirname, 'chromium.log.gz');

/** @typedef {{ browser: string, programs: { hash: string, log: string }[] }} Recording */

/** @returns {Recording} */
function readRecording() {
  const [browser, ...parts] = gunzipSync(readFileSync(FILE)).toString().split(/^== \d+ /m);
  const programs = parts.map((part) => ({ hash: part.slice(0, part.indexOf('\n')), log: part.slice(part.indexOf('\n') + 1) }));
  return { browser: browser.trim(), programs };
}

/** @param {Recording} recording */
function writeRecording({ browser, programs }) {
  const parts = programs.map(({ hash, log }, i) => `== ${i + 1} ${hash}\n${log}`);
  writeFileSync(FILE, gzipSync(`${browser}\n${parts.join('')}`, { level: 9 }));
}

/** @param {unknown} program */
function hashOf(program) {
  return createHash('sha256').update(JSON.stringify(program)).digest('hex').slice(0, 16);
}

module.exports = { readRecording, writeRecording, hashOf };

'use strict';

/* global window, indexedDB, IDBKeyRange */

// The browser's side of record.mjs.

const { Interpreter } = require('./interpreter');

const PROGRAM_MS_MAX = 30_000;

/** @type {string[]} */
let reports = [];

function takeReports() {
  const taken = reports;
  reports = [];
  return taken;
}

async function run() {
  window.addEventListener('error', (event) => {
    reports.push(event.error.message);
    event.preventDefault();
  });
  const programs = await (await fetch('programs.json')).json();
  for (const [i, program] of programs.entries()) {
    const log = new Interpreter({ indexedDB, IDBKeyRange, prefix: `${i + 1} `, takeReports }).run(program).catch(String);
    const late = new Promise((resolve) => { setTimeout(resolve, PROGRAM_MS_MAX, 'late'); });
    await fetch(`log/${i}`, { method: 'POST', body: await Promise.race([log, late]) });
  }
}

module.exports = { run };

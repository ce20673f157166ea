'use strict';

// Runs recorded programs with flowdb, in a process of its own, because programs throw in listeners:
//
//     node run.js <first seed> <how many> [folder of the database]
//
// What it writes is a JSON array of logs. Without a folder the database is in memory.

const { IDBFactory, IDBKeyRange } = require('../../../index.js');
const { generate } = require('./generator');
const { Interpreter } = require('./interpreter');

/** @type {string[]} */
let reports = [];
process.on('uncaughtException', (error) => reports.push(error.message));

function takeReports() {
  const taken = reports;
  reports = [];
  return taken;
}

/**
 * @param {number} seed
 * @param {string | undefined} path
 */
async function runProgram(seed, path) {
  let indexedDB = path === undefined ? new IDBFactory() : new IDBFactory({ path });
  const restart = path === undefined ? undefined : async () => {
    await indexedDB.close();
    indexedDB = new IDBFactory({ path });
    return indexedDB;
  };
  const interpreter = new Interpreter({ indexedDB, IDBKeyRange, prefix: `${seed} `, takeReports, restart });
  const text = await interpreter.run(generate(seed));
  await indexedDB.close();
  return text;
}

async function main() {
  const [first, count, path] = process.argv.slice(2);
  const logs = [];
  for (let seed = Number(first); seed < Number(first) + Number(count); seed++) logs.push(await runProgram(seed, path));
  process.stdout.write(JSON.stringify(logs));
}

main();

'use strict';

// Writes without end, under maintenance and with other calls pending, says what was acknowledged, and dies in the way it was told to.
//
//     node writer.cjs directory prefix how delayMs

const fs = require('node:fs');
const { open } = require('../../index.js');

const [directory, prefix, how, delayMs] = process.argv.slice(2);
const PUTS = 50;
// So small that flushes and compactions never end.
const WRITE_BUFFER_BYTES = 64 * 1024;

/** @type {Record<string, () => void>} */
const DEATHS = {
  exit: () => process.exit(7),
  throw: () => { throw new Error('on purpose'); },
  reject: () => { Promise.reject(new Error('on purpose')); },
  SIGTERM: () => process.kill(process.pid, 'SIGTERM'),
  SIGKILL: () => process.kill(process.pid, 'SIGKILL'),
};

async function write() {
  const db = await open({ path: directory, writeBufferBytes: WRITE_BUFFER_BYTES });
  setTimeout(DEATHS[how], Number(delayMs));
  const ignore = () => {};
  for (let acknowledged = 0; ; acknowledged += PUTS) {
    await Promise.all(Array.from({ length: PUTS }, (_, index) => db.put(`${prefix}/${acknowledged + index}`, 'x'.repeat(300))));
    // A pipe or a file takes it before the process can die.
    fs.writeSync(1, `${acknowledged + PUTS}\n`);
    db.put(`${prefix}/large`, 'x'.repeat(200_000)).then(ignore, ignore);
    db.put(`${prefix}/synced`, 'x', { sync: true }).then(ignore, ignore);
    db.scan({ prefix, limit: 20 }).all().then(ignore, ignore);
    db.get(`${prefix}/1`).then(ignore, ignore);
    if (acknowledged % 1000 === 0) db.flush().then(ignore, ignore);
  }
}

write();

// Writes readings and transactions without end and says, line by line, what it has been told is stored. It is killed.
import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { IDBFactory, open } from 'flowdb';
import { DATABASE, LINES_PER_ORDER, SERIES, openOrders } from './crash.mjs';
import { finished } from './requests.mjs';

const READINGS_IN_FLIGHT = 50;
const STDOUT = 1;

// Synchronous and unbuffered: a line that counts as said must have left this process.
const say = (/** @type {object} */ acknowledged) => writeSync(STDOUT, `${JSON.stringify(acknowledged)}\n`);

/** @param {Awaited<ReturnType<typeof open>>} db */
async function writeReadings(db) {
  for (let next = 0; ; next += READINGS_IN_FLIGHT) {
    const numbers = Array.from({ length: READINGS_IN_FLIGHT }, (_, index) => next + index);
    await Promise.all(numbers.map((number) => db.series.put(SERIES, number, { ts: number })));
    say({ readings: next + READINGS_IN_FLIGHT });
    // Both kinds of writing are to be under way when the end comes: neither may keep the event loop to itself.
    await turn();
  }
}

/** @param {import('flowdb').IDBDatabase} connection */
async function writeOrders(connection) {
  for (let number = 0; ; number += 1) {
    const transaction = connection.transaction(['orders', 'lines'], 'readwrite');
    transaction.objectStore('orders').add({ number, lines: LINES_PER_ORDER });
    for (let line = 0; line < LINES_PER_ORDER; line += 1) transaction.objectStore('lines').add({ order: number, line });
    await finished(transaction);
    say({ orders: number + 1 });
  }
}

const directory = process.argv[2];
const db = await open(directory);
const connection = await openOrders(new IDBFactory({ path: directory }), DATABASE);
await Promise.all([writeReadings(db), writeOrders(connection)]);

// The third process: started to write, killed in the middle of it. What it had been told was stored must be there.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openDatabase } from './requests.mjs';

export const DATABASE = 'orders';
export const SERIES = 'crash/readings';
export const LINES_PER_ORDER = 5;

// Killed only when both kinds of writing are well under way, then at a moment that is not foreseen.
const ACKNOWLEDGED_ORDERS_MIN = 30;
const EXTRA_MS_MAX = 200;
const PATIENCE_MS = 60_000;

/** @typedef {{ readings: number, orders: number }} Acknowledged */

/**
 * @param {import('flowdb').IDBFactory} factory
 * @param {string} name
 */
export function openOrders(factory, name) {
  return openDatabase(factory, name, 1, (connection) => {
    connection.createObjectStore('orders', { keyPath: 'number' });
    connection.createObjectStore('lines', { keyPath: ['order', 'line'] }).createIndex('by_order', 'order');
  });
}

/**
 * Starts the writer and kills it.
 *
 * @param {string} directory
 * @returns {Promise<{ acknowledged: Acknowledged, extraMs: number, ending: string | number | null }>} `ending` is the
 *   signal it died of
 */
export async function killWriter(directory) {
  const writer = fileURLToPath(new URL('crash-writer.mjs', import.meta.url));
  const child = spawn(process.execPath, [writer, directory], { env: process.env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', (status, signal) => resolve(signal ?? status)));
  const patience = setTimeout(() => child.kill('SIGTERM'), PATIENCE_MS);
  const acknowledged = { readings: 0, orders: 0 };
  const extraMs = Math.floor(Math.random() * EXTRA_MS_MAX);
  let aiming = false;
  for await (const line of createInterface({ input: child.stdout })) {
    Object.assign(acknowledged, JSON.parse(line));
    if (aiming || acknowledged.orders < ACKNOWLEDGED_ORDERS_MIN || acknowledged.readings === 0) continue;
    aiming = true;
    setTimeout(() => child.kill('SIGKILL'), extraMs);
  }
  const ending = await ended;
  clearTimeout(patience);
  return { acknowledged, extraMs, ending };
}

// One workload, the same in Node and in a browser.

import { WORKLOADS } from './workloads.mjs';

/**
 * @typedef {object} Seen
 * @property {number} cpuMicroseconds  of one operation
 * @property {number} peakMegabytes
 * @property {number} stallMilliseconds  the longest one
 *
 * @typedef {{ perSecond: number } & Partial<Seen>} Sample
 *
 * @typedef {import('./workloads.mjs').Context} Context
 * @typedef {import('./workloads.mjs').Environment} Environment
 */

/**
 * Answers the speed, and what `watch` saw: it is called when the timed part begins, and what it answers when that is over.
 *
 * @param {string} name
 * @param {Environment & { database?: IDBDatabase | null }} context  gets the database
 * @param {() => (operations: number) => Partial<Seen>} watch
 * @returns {Promise<Sample>}
 */
export async function measure(name, context, watch) {
  const workload = WORKLOADS[name];
  context.database = await workload.setUp(context);
  const end = watch();
  const start = performance.now();
  const operations = await workload.run(/** @type {Context} */ (context));
  const seconds = (performance.now() - start) / 1000;
  const seen = end(operations);
  await workload.verify?.(/** @type {Context} */ (context));
  context.database?.close();
  return { perSecond: operations / seconds, ...seen };
}

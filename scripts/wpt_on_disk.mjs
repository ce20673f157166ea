// Set-up for a runner of the W3C suite: the globals of `flowdb/auto`, with a factory on disk in the place of the one in memory.
import '../auto/index.mjs';

/**
 * @param {typeof import('../index.js')} flowdb
 * @param {string} directory
 */
export default function onDisk(flowdb, directory) {
  globalThis.indexedDB = new flowdb.IDBFactory({ path: directory });
  return {};
}

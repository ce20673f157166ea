// Documents: films, birdstrikes and earthquakes in IndexedDB object stores on disk.
import { Progress } from './progress.mjs';
import { finished, openDatabase } from './requests.mjs';
import { birdstrikes, earthquakes, movies } from './sources.mjs';

/** @typedef {import('./stage.mjs').Report} Report */
/** @typedef {import('flowdb').IDBDatabase} Connection */

export const DATABASE = 'vega';
export const VERSION = 1;
const DOCUMENTS_PER_TRANSACTION = 500;

/**
 * The stores with their indexes. `unique` is asked for where the data has it.
 *
 * @type {Record<string, { options: object, indexes: Record<string, [keyPath: string | string[], options?: object]> }>}
 */
export const SCHEMA = {
  birdstrikes: {
    options: { keyPath: 'number', autoIncrement: true },
    indexes: {
      by_species: ['wildlife.species'],
      by_state_and_date: [['state', 'date']],
      by_total_cost: ['cost.total'],
    },
  },
  earthquakes: {
    options: { keyPath: 'id' },
    indexes: {
      by_code: ['properties.code', { unique: true }],
      by_magnitude: ['properties.mag'],
      by_network_and_magnitude: [['properties.net', 'properties.mag']],
      by_time: ['properties.time', { unique: true }],
      by_type: ['properties.types', { multiEntry: true }],
    },
  },
  movies: {
    options: { autoIncrement: true },
    indexes: {
      by_genre: ['genre'],
      by_imdb_rating: ['rating.imdb'],
      by_title_and_release: [['title', 'released'], { unique: true }],
      by_worldwide_gross: ['gross.worldwide'],
    },
  },
};

/**
 * @param {import('flowdb').IDBFactory} factory
 * @returns {Promise<Connection>}
 */
export function openDocuments(factory) {
  return openDatabase(factory, DATABASE, VERSION, (connection) => {
    for (const [name, { options, indexes }] of Object.entries(SCHEMA)) {
      const store = connection.createObjectStore(name, options);
      for (const [index, [keyPath, indexOptions]] of Object.entries(indexes)) store.createIndex(index, keyPath, indexOptions);
    }
  });
}

/**
 * @param {Connection} connection
 * @param {Report} report
 */
export async function loadDocuments(connection, report) {
  await loadStore(connection, 'movies', movies(), report);
  await loadStore(connection, 'birdstrikes', birdstrikes(), report);
  await loadStore(connection, 'earthquakes', earthquakes(), report);
}

/**
 * @param {Connection} connection
 * @param {string} name
 * @param {object[]} documents
 * @param {Report} report
 */
async function loadStore(connection, name, documents, report) {
  const progress = new Progress(name, documents.length);
  await report.timed(`add ${name}`, async () => {
    for (let start = 0; start < documents.length; start += DOCUMENTS_PER_TRANSACTION) {
      const chunk = documents.slice(start, start + DOCUMENTS_PER_TRANSACTION);
      const transaction = connection.transaction(name, 'readwrite');
      const store = transaction.objectStore(name);
      for (const document of chunk) store.add(document);
      await finished(transaction);
      progress.add(chunk.length);
    }
  }, () => documents.length);
}

// Index queries and cursors on the documents, each answered a second time from the source files.
import { IDBKeyRange } from 'flowdb';
import { SCHEMA } from './documents.mjs';
import { birdstrikeRow, earthquakeFeature, movieRow } from './rows.mjs';
import { finished, resultOf, walk } from './requests.mjs';
import { truthOfBirdstrikes, truthOfEarthquakes, truthOfMovies } from './truth.mjs';

/** @typedef {import('./stage.mjs').Report} Report */
/** @typedef {import('flowdb').IDBDatabase} Connection */

const TOP_COUNT = 10;

/**
 * @param {Connection} connection
 * @param {Report} report
 */
export async function checkDocuments(connection, report) {
  checkSchema(connection, report);
  await checkMovies(connection, report);
  await checkBirdstrikes(connection, report);
  await checkEarthquakes(connection, report);
}

/**
 * @param {Connection} connection
 * @param {Report} report
 */
function checkSchema(connection, report) {
  report.equal('names of the stores', [...connection.objectStoreNames], Object.keys(SCHEMA));
  const transaction = connection.transaction(Object.keys(SCHEMA));
  for (const [name, { options, indexes }] of Object.entries(SCHEMA)) {
    const store = transaction.objectStore(name);
    const { keyPath, autoIncrement } = store;
    report.equal(`key of ${name}`, { keyPath, autoIncrement }, { keyPath: null, autoIncrement: false, ...options });
    const found = [...store.indexNames].map((index) => describe(store.index(index)));
    report.equal(`indexes of ${name}`, found, Object.entries(indexes).map(([index, [path, more]]) => (
      { name: index, keyPath: path, unique: false, multiEntry: false, ...more })));
  }
}

/** @param {import('flowdb').IDBIndex} index */
const describe = ({ name, keyPath, unique, multiEntry }) => ({ name, keyPath, unique, multiEntry });

/**
 * @param {Connection} connection
 * @param {Report} report
 */
async function checkMovies(connection, report) {
  const rows = truthOfMovies();
  await checkAll(connection, report, 'movies', rows, movieRow);
  const index = indexOf(connection, 'movies');

  const genres = await report.timed('films per genre', () => countPerKey(index('by_genre')), sumOfCounts);
  report.equal('films per genre', genres, tally(rows.map((row) => row['Major Genre'])));

  const best = await report.timed('films rated 8.8 and better', () => resultOf(
    index('by_imdb_rating').getAll(IDBKeyRange.lowerBound(8.8)),
  ), length);
  report.equal('films rated 8.8 and better', best.map(movieRow), rows
    .filter((row) => row['IMDB Rating'] >= 8.8)
    .sort((left, right) => left['IMDB Rating'] - right['IMDB Rating']));

  const top = await report.timed('films that earned most', () => firstValues(index('by_worldwide_gross'), TOP_COUNT), length);
  report.equal('films that earned most', top.map((film) => film.gross.worldwide), rows
    .map((row) => row['Worldwide Gross']).sort((left, right) => right - left).slice(0, TOP_COUNT));

  const remakes = await resultOf(index('by_title_and_release').getAll(IDBKeyRange.bound(['Ben-Hur'], ['Ben-Hur', []])));
  report.equal('both films of one title', remakes.map(movieRow), rows
    .filter((row) => row.Title === 'Ben-Hur')
    .sort((left, right) => Date.parse(left['Release Date']) - Date.parse(right['Release Date'])));
  await checkUnique(connection, report, rows.length);
}

/**
 * A film that is there already is refused, and its whole transaction leaves no trace.
 *
 * @param {Connection} connection
 * @param {Report} report
 * @param {number} countBefore
 */
async function checkUnique(connection, report, countBefore) {
  const transaction = connection.transaction('movies', 'readwrite');
  const store = transaction.objectStore('movies');
  const outcome = finished(transaction).then(() => 'committed', (error) => error.name);
  const first = await resultOf(store.get(1));
  store.add({ ...first, title: 'A film of our own' });
  const refused = await resultOf(store.add(first)).then(() => 'stored', (error) => error.name);
  report.equal('a second copy of a film', refused, 'ConstraintError');
  report.equal('its transaction', await outcome, 'ConstraintError');
  report.equal('films after it', await resultOf(connection.transaction('movies').objectStore('movies').count()), countBefore);
}

/**
 * @param {Connection} connection
 * @param {Report} report
 */
async function checkBirdstrikes(connection, report) {
  const rows = truthOfBirdstrikes();
  await checkAll(connection, report, 'birdstrikes', rows, birdstrikeRow);
  const index = indexOf(connection, 'birdstrikes');

  const species = await report.timed('birdstrikes per species', () => countPerKey(index('by_species')), sumOfCounts);
  report.equal('birdstrikes per species', species, tally(rows.map((row) => row['Wildlife Species'])));

  const range = IDBKeyRange.bound(['Texas', new Date('2000-01-01')], ['Texas', new Date('2001-01-01')], false, true);
  const texas = await report.timed('birdstrikes in Texas in 2000', () => resultOf(index('by_state_and_date').getAll(range)), length);
  report.equal('birdstrikes in Texas in 2000', texas.map(birdstrikeRow), rows
    .filter((row) => row['Origin State'] === 'Texas' && row['Flight Date'].startsWith('2000-'))
    .sort((left, right) => compare(left['Flight Date'], right['Flight Date'])));

  let sum = 0;
  const costly = index('by_total_cost').openCursor(IDBKeyRange.lowerBound(100_000, true));
  await report.timed('sum of the costly birdstrikes', async () => {
    let count = 0;
    await walk(costly, (cursor) => {
      sum += cursor.value.cost.total;
      count += 1;
    });
    return count;
  }, Number);
  report.equal('sum of the costly birdstrikes', sum, rows
    .map((row) => Number(row['Cost Total $'])).filter((cost) => cost > 100_000).reduce((left, right) => left + right, 0));
}

/**
 * @param {Connection} connection
 * @param {Report} report
 */
async function checkEarthquakes(connection, report) {
  const rows = truthOfEarthquakes();
  await checkAll(connection, report, 'earthquakes', [...rows].sort((left, right) => compare(left.id, right.id)), earthquakeFeature);
  const index = indexOf(connection, 'earthquakes');

  const types = await report.timed('earthquakes per type', () => countPerKey(index('by_type')), sumOfCounts);
  report.equal('earthquakes per type', types, tally(rows.flatMap((row) => row.properties.types.split(',').filter(Boolean))));

  const strong = await report.timed('earthquakes of magnitude 5 and more', () => resultOf(
    index('by_magnitude').getAllKeys(IDBKeyRange.lowerBound(5)),
  ), length);
  report.equal('earthquakes of magnitude 5 and more', strong, rows
    .filter((row) => row.properties.mag >= 5)
    .sort((left, right) => left.properties.mag - right.properties.mag || compare(left.id, right.id))
    .map((row) => row.id));

  const network = IDBKeyRange.bound(['us', 4.5], ['us', Infinity]);
  report.equal('one network, magnitude 4.5 and more', await resultOf(index('by_network_and_magnitude').count(network)),
    rows.filter((row) => row.properties.net === 'us' && row.properties.mag >= 4.5).length);

  const latest = await report.timed('latest earthquakes', () => firstValues(index('by_time'), TOP_COUNT), length);
  report.equal('latest earthquakes', latest.map(earthquakeFeature), [...rows]
    .sort((left, right) => right.properties.time - left.properties.time).slice(0, TOP_COUNT));

  const { id, properties } = rows[0];
  report.equal('one earthquake by its code', await resultOf(index('by_code').getKey(properties.code)), id);
}

/**
 * Reads a store in full, turns the documents back into rows of the source, and compares.
 *
 * @param {Connection} connection
 * @param {Report} report
 * @param {string} name
 * @param {object[]} rows
 * @param {(document: any) => object} rowOf
 */
async function checkAll(connection, report, name, rows, rowOf) {
  const store = connection.transaction(name).objectStore(name);
  const documents = await report.timed(`read all ${name}`, () => resultOf(store.getAll()), length);
  report.equal(`all ${name}`, documents.map(rowOf), rows.map((row) => ({ ...row })));
}

/**
 * @param {Connection} connection
 * @param {string} store
 * @returns {(index: string) => import('flowdb').IDBIndex} each call begins a transaction of its own
 */
const indexOf = (connection, store) => (index) => connection.transaction(store).objectStore(store).index(index);

/**
 * The distinct keys of an index by a `nextunique` cursor, and how many records each has.
 *
 * @param {import('flowdb').IDBIndex} index
 * @returns {Promise<[key: string, count: number][]>}
 */
async function countPerKey(index) {
  /** @type {[string, Promise<number>][]} */
  const counts = [];
  await walk(index.openKeyCursor(null, 'nextunique'), (cursor) => {
    counts.push([String(cursor.key), resultOf(index.count(cursor.key))]);
  });
  return Promise.all(counts.map(async ([key, count]) => /** @type {[string, number]} */ ([key, await count])));
}

/**
 * @param {import('flowdb').IDBIndex} index
 * @param {number} limit
 * @returns {Promise<any[]>} the values with the highest keys, highest first
 */
async function firstValues(index, limit) {
  /** @type {any[]} */
  const values = [];
  await walk(index.openCursor(null, 'prev'), (cursor) => values.push(cursor.value) < limit);
  return values;
}

/**
 * @param {(string | null | undefined)[]} keys
 * @returns {[key: string, count: number][]} in the order of the keys
 */
function tally(keys) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const key of keys) if (key != null) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].sort(([left], [right]) => compare(left, right));
}

/**
 * @param {string} left
 * @param {string} right
 */
const compare = (left, right) => (left < right ? -1 : Number(left > right));

/** @param {unknown[]} list */
const length = (list) => list.length;

/** @param {[string, number][]} counts */
const sumOfCounts = (counts) => counts.reduce((sum, [, count]) => sum + count, 0);

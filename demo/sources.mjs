// The data sets as the demo stores them, read from the npm package vega-datasets.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const DATA = fileURLToPath(new URL('../node_modules/vega-datasets/data/', import.meta.url));
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MICROSECONDS_PER_MS = 1000;

/** @typedef {{ key: string, ts: number, value: number }} Point  `ts` in microseconds since 1970, UTC */

/** @param {string} name */
export function sourceText(name) {
  const file = path.join(DATA, name);
  if (!existsSync(file)) throw new Error(`${file} is missing: start the demo with \`npm run demo\`, which installs it`);
  return readFileSync(file, 'utf8');
}

/** @returns {Point[]} every value of the three time-series files, each with its own timestamp */
export function allPoints() {
  return [...weatherPoints(), ...indexPoints(), ...stockPoints()];
}

// The file gives local hours without a zone; they are taken as UTC, so that no hour is doubled or missing.
function* weatherPoints() {
  for (const { date, ...columns } of csvRows('seattle-weather-hourly-normals.csv')) {
    const [year, month, day, hour] = date.split(/[-T:]/).map(Number);
    yield* pointsOfColumns('weather', columns, Date.UTC(year, month - 1, day, hour));
  }
}

function* indexPoints() {
  for (const { date, ...columns } of csvRows('sp500-2000.csv')) {
    const [year, month, day] = date.split('-').map(Number);
    yield* pointsOfColumns('sp500', columns, Date.UTC(year, month - 1, day));
  }
}

function* stockPoints() {
  for (const { symbol, date, price } of csvRows('stocks.csv')) {
    yield { key: `stocks/${symbol}`, ts: dateOfWords(date).getTime() * MICROSECONDS_PER_MS, value: Number(price) };
  }
}

/**
 * @param {string} family
 * @param {Record<string, string>} columns
 * @param {number} timeMs
 */
function* pointsOfColumns(family, columns, timeMs) {
  for (const [column, text] of Object.entries(columns)) {
    yield { key: `${family}/${column}`, ts: timeMs * MICROSECONDS_PER_MS, value: Number(text) };
  }
}

/** Films with dates as dates and related numbers side by side. */
export function movies() {
  /** @type {Record<string, any>[]} */
  const rows = JSON.parse(sourceText('movies.json'));
  return rows.map((row) => ({
    title: row.Title,
    released: dateOfWords(row['Release Date']),
    director: row.Director,
    distributor: row.Distributor,
    genre: row['Major Genre'],
    creativeType: row['Creative Type'],
    source: row.Source,
    certificate: row['MPAA Rating'],
    minutes: row['Running Time min'],
    budget: row['Production Budget'],
    gross: { us: row['US Gross'], worldwide: row['Worldwide Gross'], dvd: row['US DVD Sales'] },
    rating: { imdb: row['IMDB Rating'], votes: row['IMDB Votes'], tomatoes: row['Rotten Tomatoes Rating'] },
  }));
}

/** Collisions of aircraft with animals, their columns typed. */
export function birdstrikes() {
  return csvRows('birdstrikes.csv').map((row) => ({
    airport: row['Airport Name'],
    aircraft: row['Aircraft Make Model'],
    operator: row['Aircraft Airline Operator'],
    damage: row['Effect Amount of damage'],
    date: new Date(row['Flight Date']),
    timeOfDay: row['Time of day'],
    state: row['Origin State'],
    phase: row['Phase of flight'],
    wildlife: { size: row['Wildlife Size'], species: row['Wildlife Species'] },
    cost: { other: Number(row['Cost Other']), repair: Number(row['Cost Repair']), total: Number(row['Cost Total $']) },
    speedKnots: row['Speed IAS in knots'] === '' ? null : Number(row['Speed IAS in knots']),
  }));
}

/** GeoJSON features as they are, except that the comma-joined list of types becomes an array. */
export function earthquakes() {
  /** @type {{ features: { id: string, properties: Record<string, any>, geometry: object }[] }} */
  const { features } = JSON.parse(sourceText('earthquakes.json'));
  return features.map((feature) => {
    const types = feature.properties.types.split(',').filter((/** @type {string} */ type) => type !== '');
    return { ...feature, properties: { ...feature.properties, types } };
  });
}

/**
 * None of these files quotes a field.
 *
 * @param {string} name
 * @returns {Record<string, string>[]}
 */
function csvRows(name) {
  const [header, ...lines] = sourceText(name).trimEnd().split(/\r?\n/);
  const columns = header.split(',');
  return lines.map((line) => {
    const fields = line.split(',');
    if (fields.length !== columns.length) throw new Error(`${name}: ${columns.length} fields expected in: ${line}`);
    return Object.fromEntries(columns.map((column, index) => [column, fields[index]]));
  });
}

/**
 * @param {string} text  for example `Mar 1 2000`
 * @returns {Date} midnight UTC
 */
export function dateOfWords(text) {
  const [month, day, year] = text.split(' ');
  const monthIndex = MONTHS.indexOf(month);
  if (monthIndex < 0) throw new Error(`not a date: ${text}`);
  return new Date(Date.UTC(Number(year), monthIndex, Number(day)));
}

/**
 * @param {Date} date
 * @returns {string} for example `Mar 01 2000`
 */
export function wordsOfDate(date) {
  const day = String(date.getUTCDate()).padStart(2, '0');
  return `${MONTHS[date.getUTCMonth()]} ${day} ${date.getUTCFullYear()}`;
}

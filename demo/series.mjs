// Time series: every value of the weather, index and stock files as a record, then the questions one asks of them.
import { Progress } from './progress.mjs';
import { allPoints } from './sources.mjs';
import { truthOfSeries } from './truth.mjs';

/** @typedef {Awaited<ReturnType<typeof import('flowdb').open>>} Database */
/** @typedef {import('./stage.mjs').Report} Report */
/** @typedef {import('./truth.mjs').Reading} Reading */

const PUTS_IN_FLIGHT = 500;
const TEMPERATURE = 'weather/temperature';
const MONTHS_PER_YEAR = 12;
const LAST_COUNT = 10;

/** @param {string} day */
const microseconds = (day) => Date.parse(`${day}T00:00:00Z`) * 1000;

/**
 * @param {Database} db
 * @param {Report} report
 */
export async function loadSeries(db, report) {
  const points = allPoints();
  const progress = new Progress('time series', points.length);
  await report.timed('put readings', async () => {
    for (let start = 0; start < points.length; start += PUTS_IN_FLIGHT) {
      const chunk = points.slice(start, start + PUTS_IN_FLIGHT);
      await Promise.all(chunk.map(({ key, ts, value }) => db.series.put(key, value, { ts })));
      progress.add(chunk.length);
    }
  }, () => points.length);
}

/**
 * @param {Database} db
 * @param {Report} report
 */
export async function checkSeries(db, report) {
  const truth = truthOfSeries();
  await checkEverySeries(db, report, truth);
  await checkMonth(db, report, truth);
  await checkWeek(db, report, truth);
  await checkLast(db, report, truth);
  await checkMeans(db, report, truth);
}

/**
 * @param {Database} db
 * @param {Report} report
 * @param {Map<string, Reading[]>} truth
 */
async function checkEverySeries(db, report, truth) {
  const found = await report.timed('scan every series in full', async () => {
    const series = new Map();
    for (const key of truth.keys()) series.set(key, await db.series.scan({ key }).all());
    return series;
  }, sumOfLengths);
  for (const [key, readings] of truth) report.equal(`series ${key}`, found.get(key).map(reading), readings);
}

/**
 * @param {Database} db
 * @param {Report} report
 * @param {Map<string, Reading[]>} truth
 */
async function checkMonth(db, report, truth) {
  const from = microseconds('2010-07-01');
  const to = microseconds('2010-08-01');
  const july = await report.timed('scan one month of one series', () => db.series.scan({ key: TEMPERATURE, from, to }).all(), length);
  report.equal('July of one series', july.map(reading), within(truth.get(TEMPERATURE), from, to));
  const newest = await db.series.scan({ key: TEMPERATURE, from, to, reverse: true, limit: LAST_COUNT }).all();
  report.equal('the last readings of July, newest first', newest.map(reading),
    within(truth.get(TEMPERATURE), from, to).slice(-LAST_COUNT).reverse());
}

/**
 * @param {Database} db
 * @param {Report} report
 * @param {Map<string, Reading[]>} truth
 */
async function checkWeek(db, report, truth) {
  // A week in which all three files have something to say.
  const from = microseconds('2010-03-01');
  const to = microseconds('2010-03-08');
  const week = await report.timed('scan one week of all series', async () => {
    const found = [];
    for await (const { key, ts, value } of db.series.scan({ prefix: '', from, to })) found.push({ key, ts, value });
    return found;
  }, length);
  const expected = [...truth.keys()].sort()
    .flatMap((key) => within(truth.get(key), from, to).map(({ ts, value }) => ({ key, ts, value })));
  report.equal('one week of all series', week, expected);
}

/**
 * @param {Database} db
 * @param {Report} report
 * @param {Map<string, Reading[]>} truth
 */
async function checkLast(db, report, truth) {
  const keys = [...truth.keys()];
  const last = await report.timed('last value of each series', () => Promise.all(keys.map((key) => db.series.latest(key))), length);
  report.equal('last values', last.map((found) => found && { key: found.key, ...reading(found) }),
    keys.map((key) => ({ key, ...truth.get(key)?.at(-1) })));
  const middle = within(truth.get(TEMPERATURE), microseconds('2010-05-05'), microseconds('2010-05-06'))[0];
  report.equal('one reading by its timestamp', await db.series.get(TEMPERATURE, { ts: middle.ts }), middle.value);
}

/**
 * @param {Database} db
 * @param {Report} report
 * @param {Map<string, Reading[]>} truth
 */
async function checkMeans(db, report, truth) {
  const bounds = Array.from({ length: MONTHS_PER_YEAR + 1 }, (_, month) => Date.UTC(2010, month) * 1000);
  const months = bounds.slice(1).map((to, month) => ({ from: bounds[month], to }));
  const scans = await report.timed('scan twelve months for the chart', () => Promise.all(
    months.map(({ from, to }) => db.series.scan({ key: TEMPERATURE, from, to }).all()),
  ), (found) => found.flat().length);
  report.facts.means = scans.map((found) => mean(found.map(reading)));
  report.equal('mean temperatures', report.facts.means,
    months.map(({ from, to }) => mean(within(truth.get(TEMPERATURE), from, to))));
}

/**
 * @param {Reading[] | undefined} readings
 * @param {number} from  included
 * @param {number} to    excluded
 */
const within = (readings, from, to) => (readings ?? []).filter(({ ts }) => ts >= from && ts < to);

/** @param {import('flowdb').Point<number>} found  @returns {Reading} */
const reading = ({ ts, value }) => ({ ts: Number(ts), value });

/** @param {Reading[]} readings */
const mean = (readings) => readings.reduce((sum, { value }) => sum + value, 0) / readings.length;

/** @param {unknown[]} list */
const length = (list) => list.length;

/** @param {Map<string, unknown[]>} lists */
const sumOfLengths = (lists) => [...lists.values()].reduce((sum, list) => sum + list.length, 0);

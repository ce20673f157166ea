// The same files read a second time, by another parser and by other date code: what the checks compare with.
// Nothing here comes from sources.mjs but the text of the files.
import { csvParse } from 'd3-dsv';
import { sourceText } from './sources.mjs';

/** @typedef {{ ts: number, value: number }} Reading */

/** @returns {Map<string, Reading[]>} for each series its readings in order of time */
export function truthOfSeries() {
  /** @type {Map<string, Reading[]>} */
  const series = new Map();
  const add = (/** @type {string} */ key, /** @type {string} */ instant, /** @type {string} */ value) => {
    const readings = series.get(key) ?? [];
    series.set(key, readings);
    readings.push({ ts: Date.parse(instant) * 1000, value: Number.parseFloat(value) });
  };
  for (const { date, pressure, temperature, wind } of csvParse(sourceText('seattle-weather-hourly-normals.csv'))) {
    add('weather/pressure', `${date}Z`, pressure);
    add('weather/temperature', `${date}Z`, temperature);
    add('weather/wind', `${date}Z`, wind);
  }
  for (const row of csvParse(sourceText('sp500-2000.csv'))) {
    for (const column of ['open', 'high', 'low', 'close', 'adjclose', 'volume']) {
      add(`sp500/${column}`, `${row.date}T00:00Z`, row[column]);
    }
  }
  for (const { symbol, date, price } of csvParse(sourceText('stocks.csv'))) add(`stocks/${symbol}`, `${date} UTC`, price);
  for (const readings of series.values()) readings.sort((left, right) => left.ts - right.ts);
  return series;
}

/** @returns {Record<string, any>[]} */
export const truthOfMovies = () => JSON.parse(sourceText('movies.json'));

export const truthOfBirdstrikes = () => [...csvParse(sourceText('birdstrikes.csv'))];

/** @returns {{ id: string, properties: Record<string, any> }[]} */
export const truthOfEarthquakes = () => JSON.parse(sourceText('earthquakes.json')).features;

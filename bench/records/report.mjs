// Medians and ratios of what was measured, as a Markdown table.

import { median } from '../median.mjs';

/**
 * @typedef {object} Measurement
 * @property {string} row
 * @property {string} engine
 * @property {number} value
 * @property {number} delayMs  longest delay of the event loop
 * @property {boolean} right   the answers were what they have to be
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} unit
 * @property {string} safe
 * @property {number} wanted
 * @property {boolean} [less]  less is better
 * @property {string[]} [rivals]  whom flowdb is compared with, `RIVALS` by default
 */

const RIVALS = ['lmdb', 'classic-level', 'better-sqlite3'];

/** @param {number} value */
export function short(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)}k`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)}k`;
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/**
 * @param {Row[]} rows
 * @param {Measurement[]} measurements
 * @param {string[]} engines  flowdb first
 */
export function table(rows, measurements, engines) {
  const shown = rows.filter((row) => measurements.some((one) => one.row === row.name));
  return [
    `| row | unit | writes survive | ${engines.join(' | ')} | to the best | wanted |`,
    `|---|---|---|${'---|'.repeat(engines.length + 2)}`,
    ...shown.map((row) => tableRow(row, measurements.filter((one) => one.row === row.name), engines)),
  ].join('\n');
}

/**
 * @param {Row} row
 * @param {Measurement[]} measurements
 * @param {string[]} engines
 */
function tableRow(row, measurements, engines) {
  const of = (/** @type {string} */ engine) => measurements.filter((one) => one.engine === engine);
  const cells = engines.map((engine) => cell(of(engine)));
  const ratio = ratioToBest(row, engines.map((engine) => ({ engine, all: of(engine) })));
  const wanted = row.wanted ? `${row.wanted}x` : '';
  return `| ${row.name} | ${row.unit} | ${row.safe === 'reads' ? '' : row.safe} | ${cells.join(' | ')} | ${ratio} | ${wanted} |`;
}

/** @param {Measurement[]} measurements of one engine */
function cell(measurements) {
  if (measurements.length === 0) return '-';
  if (measurements.some(({ right }) => !right)) return 'wrong';
  const delay = median(measurements.map(({ delayMs }) => delayMs));
  return short(median(measurements.map(({ value }) => value))) + (delay >= 20 ? ` (${delay.toFixed(0)} ms)` : '');
}

/**
 * @param {Row} row
 * @param {{ engine: string, all: Measurement[] }[]} engines
 */
function ratioToBest({ less, rivals = RIVALS }, engines) {
  const medians = engines.filter(({ all }) => all.length > 0 && all.every(({ right }) => right))
    .map(({ engine, all }) => ({ engine, value: median(all.map(({ value }) => value)) }));
  const own = medians.find(({ engine }) => engine === 'flowdb');
  const others = medians.filter(({ engine }) => rivals.includes(engine)).map(({ value }) => value);
  if (!own || others.length === 0) return '-';
  const ratio = less ? Math.min(...others) / own.value : own.value / Math.max(...others);
  return `${ratio.toFixed(2)}x`;
}

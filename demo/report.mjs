// Text for the end of the demo: the table, the chart, sizes.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const CHART_COLUMNS = 40;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const STAT_BLOCK_BYTES = 512;

/**
 * Columns of numbers are aligned to the right, the first one to the left.
 *
 * @param {string[]} header
 * @param {string[][]} rows
 */
export function table(header, rows) {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (/** @type {string[]} */ cells) => cells
    .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
    .join('  ')
    .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** @param {import('./stage.mjs').Row[]} rows */
export function timesTable(rows) {
  return table(['what', 'records', 'ms', 'records/s'], rows.map(({ what, count, ms }) => [
    what, String(count), ms.toFixed(1), Math.round((count * 1000) / ms).toString(),
  ]));
}

/** @param {number[]} means  one for each month */
export function temperatureChart(means) {
  const highest = Math.max(...means);
  return means.map((mean, month) => {
    const bar = '#'.repeat(Math.max(0, Math.round((mean / highest) * CHART_COLUMNS)));
    return `${MONTHS[month]} ${mean.toFixed(1).padStart(5)} °C  ${bar}`;
  }).join('\n');
}

/**
 * @param {string} directory
 * @returns {{ files: number, bytes: number, allocated: number }} `allocated` counts what the disk gave away, where
 *   the system says so: a log segment is allocated before it is filled
 */
export function diskUse(directory) {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const stats = entries.map((entry) => statSync(path.join(entry.parentPath ?? entry.path, entry.name)));
  return {
    files: stats.length,
    bytes: stats.reduce((sum, { size }) => sum + size, 0),
    allocated: stats.reduce((sum, { blocks, size }) => sum + (blocks === undefined ? size : blocks * STAT_BLOCK_BYTES), 0),
  };
}

/** @param {number} bytes */
export const size = (bytes) => (bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`);

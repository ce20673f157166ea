'use strict';

/** Numbers about series, worked out by the native side while it scans. */

const { invalid } = require('../common/errors.js');
const { decodeKey } = require('./keys.js');
const { readInt64 } = require('../common/numbers.js');
const { expected, throwIfAborted } = require('../common/options.js');
const { isOverdue, nextTurn } = require('./turn.js');

/** In the order in which src/aggregate.rs packs them. */
const FUNCTIONS = ['count', 'sum', 'avg', 'min', 'max', 'first', 'last'];

/** Points that a worker goes through before others get their turn. */
const POINTS = 20_000;
/** Rows that are made before the event loop is looked after. */
const ROWS = 256;
const KEY_OFFSET = 12 + 8 * FUNCTIONS.length;

/**
 * @param {any} agg
 * @returns {string[]}
 */
function checkFunctions(agg) {
  const wanted = typeof agg === 'string' ? [agg] : agg;
  const names = FUNCTIONS.map((name) => `'${name}'`).join(', ');
  if (!Array.isArray(wanted)) throw expected('agg', agg, `one of ${names}, or an array of them`);
  if (wanted.length === 0) throw invalid('agg', `is empty: give at least one of ${names}`);
  // Not `findIndex`: it is to see a hole of a sparse array.
  for (const [index, name] of wanted.entries()) {
    if (!FUNCTIONS.includes(name)) throw expected(Array.isArray(agg) ? `agg[${index}]` : 'agg', name, `one of ${names}`);
  }
  return [...wanted];
}

/**
 * @param {import('./session.js').Session} session
 * @param {Buffer} request a scan's
 * @param {{ agg: string[], step?: number, field: string, isJson: boolean, keyEncoding: string }} what
 * @param {import('./scan.js').Source} source
 * @returns {Promise<any[]>}
 */
function aggregate(session, request, { agg, step, field, isJson, keyEncoding }, { past, signal }) {
  return session.run(async () => {
    const native = session.view(past).aggregate(request, step, field, isJson);
    const shape = { agg, hasSteps: step !== undefined, keyEncoding };
    const rows = [];
    try {
      for (;;) {
        const page = await native.nextLater(POINTS);
        throwIfAborted(signal);
        for (const row of unpackRows(page, shape)) {
          rows.push(row);
          if (rows.length % ROWS === 0 && isOverdue()) await nextTurn();
        }
        if (page[0] === 1) return rows;
      }
    } finally {
      native.close();
    }
  }, past);
}

/**
 * @param {Buffer} page
 * @param {{ agg: string[], hasSteps: boolean, keyEncoding: string }} shape
 */
function* unpackRows(page, { agg, hasSteps, keyEncoding }) {
  for (let offset = 1; offset < page.length;) {
    const length = page.readUInt32LE(offset);
    const key = decodeKey(page.subarray(offset + KEY_OFFSET, offset + KEY_OFFSET + length), keyEncoding);
    /** @type {any} */
    const row = hasSteps ? { key, ts: readInt64(page, offset + 4) } : { key };
    for (const name of agg) row[name] = page.readDoubleLE(offset + 12 + 8 * FUNCTIONS.indexOf(name));
    yield row;
    offset += KEY_OFFSET + length;
  }
}

module.exports = { aggregate, checkFunctions };

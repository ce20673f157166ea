'use strict';

/** Writes that land whole or not at all, over both kinds of records. */

const { FlowDBError, invalid, within } = require('../common/errors.js');
const { checkKey } = require('./keys.js');
const kv = require('./kv.js');
const { checkOptions, checkTimestamp, expected } = require('../common/options.js');
const series = require('./series.js');
const { OPERATION, WriteBuffer } = require('./write_buffer.js');

const PUT_NAMES = ['type', 'key', 'value', 'ts', 'ttl', 'expiresAt', 'valueEncoding'];
const DELETE_NAMES = ['type', 'key', 'ts'];

const UNDECIDED = 'is undefined, so that it is not clear whether the series or kv is meant: leave it out for kv';

/** A buffer is kept for the next batch unless it is larger. */
const KEPT_BYTES_MAX = 1024 * 1024;

/**
 * The buffer of the last batch; undefined while one is packed into it, as code of the caller, which runs meanwhile, may write a batch too.
 *
 * @type {WriteBuffer | undefined}
 */
let spare;

/**
 * @param {any} operations
 * @param {string} valueEncoding used where an operation names no other
 * @returns {WriteBuffer} give it back by `recycle`
 */
function packBatch(operations, valueEncoding) {
  if (!Array.isArray(operations)) throw expected('operations', operations, 'an array');
  const packed = spare ?? new WriteBuffer();
  spare = undefined;
  packed.clear();
  // Holes of a sparse array are operations that are missing. Looked at anew each time: code of the caller may change it.
  for (let index = 0; index < operations.length; index += 1) {
    try {
      packed.add(readOperation(operations[index], valueEncoding));
    } catch (error) {
      throw error instanceof FlowDBError ? within(error, `operations[${index}]`) : error;
    }
  }
  return packed;
}

/** @param {WriteBuffer} packed nobody needs it any more */
function recycle(packed) {
  if (packed.memory.length <= KEPT_BYTES_MAX) spare = packed;
}

/**
 * @param {any} operation
 * @param {string} valueEncoding
 * @returns {import('./write_buffer.js').Write}
 */
function readOperation(operation, valueEncoding) {
  if (operation === null || typeof operation !== 'object') throw expected('', operation, 'an object');
  const { type, key, value, ts } = operation;
  if (ts === undefined && 'ts' in operation) throw invalid('ts', UNDECIDED);
  if (type === 'put') {
    const put = ts === undefined ? kv.putWrite : series.putWrite;
    return put(key, value, checkOptions(operation, PUT_NAMES, ''), valueEncoding);
  }
  if (type !== 'delete') throw expected('type', type, "'put' or 'delete'");
  checkOptions(operation, DELETE_NAMES, '');
  if (ts === undefined) return { operation: OPERATION.kvDelete, key: checkKey(key) };
  return { operation: OPERATION.seriesDelete, key: checkKey(key), ts: checkTimestamp('ts', ts) };
}

module.exports = { packBatch, recycle };

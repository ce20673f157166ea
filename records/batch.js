'use strict';

/** Writes that land whole or not at all, over both kinds of records. */

const { FlowDBError, invalid } = require('./errors.js');
const { encodeKey } = require('./keys.js');
const kv = require('./kv.js');
const { checkOptions, checkTimestamp, expected } = require('./options.js');
const series = require('./series.js');
const { OPERATION } = require('./write_group.js');

const PUT_NAMES = ['type', 'key', 'value', 'ts', 'ttl', 'expiresAt', 'valueEncoding'];
const DELETE_NAMES = ['type', 'key', 'ts'];

/**
 * @param {any} operations
 * @param {string} valueEncoding used where an operation names no other
 * @returns {import('./write_group.js').Write[]}
 */
function readBatch(operations, valueEncoding) {
  if (!Array.isArray(operations)) throw expected('operations', operations, 'an array');
  // Not `map`, which passes over holes: those of a sparse array are operations that are missing.
  return Array.from(operations, (operation, index) => {
    try {
      return owned(readOperation(operation, valueEncoding));
    } catch (error) {
      throw located(error, index);
    }
  });
}

/**
 * @param {any} operation
 * @param {string} valueEncoding
 * @returns {import('./write_group.js').Write}
 */
function readOperation(operation, valueEncoding) {
  if (operation === null || typeof operation !== 'object') throw expected('operation', operation, 'an object');
  const { type, key, value, ts } = operation;
  if (type === 'put') {
    const put = ts === undefined ? kv.putWrite : series.putWrite;
    return put(key, value, checkOptions(operation, PUT_NAMES), valueEncoding);
  }
  if (type !== 'delete') throw expected('type', type, "'put' or 'delete'");
  checkOptions(operation, DELETE_NAMES);
  if (ts === undefined) return { operation: OPERATION.kvDelete, key: encodeKey(key) };
  return { operation: OPERATION.seriesDelete, key: encodeKey(key), ts: checkTimestamp('ts', ts) };
}

/**
 * The caller's bytes, and the encoder's, are copied: code of the caller may run while the next value is encoded.
 *
 * @param {import('./write_group.js').Write} write
 * @returns {import('./write_group.js').Write}
 */
function owned(write) {
  const { key, value } = write;
  return { ...write, key: Buffer.from(key), value: value && { form: value.form, bytes: Buffer.from(value.bytes) } };
}

/**
 * @param {unknown} error
 * @param {number} index
 */
function located(error, index) {
  if (!(error instanceof FlowDBError)) return error;
  const where = `operations[${index}]`;
  if (error.code === 'FLOWDB_INVALID_ARGUMENT') return invalid(where, error.message);
  return new FlowDBError(error.code, `${where}: ${error.message}`, { cause: error });
}

module.exports = { readBatch };

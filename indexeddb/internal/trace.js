'use strict';

// What goes on, for subscribers of node:diagnostics_channel; docs/indexeddb.md says what they get. With no subscriber an operation
// costs a look at a boolean.

const { channel } = require('node:diagnostics_channel');
const { performance } = require('node:perf_hooks');
const { describe } = require('./operation_description.js');

/** @typedef {import('./request_queue.js').Operation} Operation */
/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {ReturnType<typeof requestPlaced>} RequestTrace */
/** @typedef {{ created: number }} TransactionTrace */

// Captured at import, as in task_queue.js.
const now = performance.now.bind(performance);

const requests = channel('flowdb:indexeddb:request');
const transactions = channel('flowdb:indexeddb:transaction');
const connections = channel('flowdb:indexeddb:connection');

/**
 * The names as they are now: until it is done, its object store may have another, or none.
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function requestPlaced(transaction, { bytes }) {
  const { name, store, index, key, range, direction } = describe(transaction, bytes);
  const description = { objectStore: store?.name ?? null, index: index?.name ?? null, operation: name, key, range, direction };
  return { placed: now(), executed: 0, description };
}

/** @param {RequestTrace} trace */
function requestExecuted(trace) {
  trace.executed = now();
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {unknown} result
 * @param {DOMException | null} error
 */
function requestDone(transaction, operation, result, error) {
  const end = now();
  const { placed, executed, description } = /** @type {RequestTrace} */ (operation.trace);
  requests.publish({
    database: transaction.connection.name,
    transaction: transaction.id,
    ...description,
    count: error === null ? countOf(description.operation, result) : null,
    error,
    waitMs: (executed === 0 ? end : executed) - placed,
    durationMs: executed === 0 ? 0 : end - executed,
  });
}

/**
 * How many records, or what count() answered; null where it is not known.
 * @param {string} name
 * @param {unknown} result
 */
function countOf(name, result) {
  if (name === 'count') return /** @type {number} */ (result);
  if (Array.isArray(result) && name === 'getAll') return result.length;
  if (name === 'get' || name === 'getKey') return result === undefined ? 0 : 1;
  if (name === 'iterate') return result === null ? 0 : 1;
  return name === 'put' || name === 'add' ? 1 : null;
}

/** @returns {TransactionTrace} */
function transactionCreated() {
  return { created: now() };
}

/**
 * @param {Transaction} transaction
 * @param {'complete' | 'abort'} outcome
 * @param {DOMException | null} error
 */
function transactionFinished({ connection: { name, schema }, id, mode, durability, scope, trace }, outcome, error) {
  const { created } = /** @type {TransactionTrace} */ (trace);
  const objectStores = [...(scope ?? schema.stores).keys()].sort();
  transactions.publish({ database: name, transaction: id, mode, durability, objectStores, outcome, error, durationMs: now() - created });
}

/**
 * @param {'open' | 'upgrade' | 'versionchange' | 'blocked' | 'close' | 'delete' | 'fail'} event
 * @param {string} database
 * @param {number | null} oldVersion
 * @param {number | null} newVersion
 * @param {DOMException | null} error
 */
function connection(event, database, oldVersion, newVersion, error) {
  connections.publish({ event, database, oldVersion, newVersion, error });
}

module.exports = {
  requests,
  transactions,
  connections,
  requestPlaced,
  requestExecuted,
  requestDone,
  transactionCreated,
  transactionFinished,
  connection,
};

'use strict';

// The checks that begin the steps of most methods.

const { exception } = require('./exceptions.js');

/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('./schema.js').Index} Index */

/** @param {Transaction} transaction */
function assertActive(transaction) {
  if (transaction.state !== 'active') throw exception('TransactionInactiveError', 'The transaction is not active');
}

/** @param {Transaction} transaction */
function assertWritable(transaction) {
  if (transaction.mode === 'readonly') throw exception('ReadOnlyError', 'The transaction is read-only');
}

/** @param {Transaction} transaction */
function assertUpgrade(transaction) {
  if (transaction.upgrade === null) {
    throw exception('InvalidStateError', 'The transaction is not a version change transaction');
  }
}

/** @param {ObjectStore} store */
function assertStoreExists(store) {
  if (store.deleted) throw exception('InvalidStateError', 'The object store has been deleted');
}

/** @param {Index} index */
function assertIndexExists(index) {
  if (index.deleted) throw exception('InvalidStateError', 'The index has been deleted');
}

module.exports = { assertActive, assertWritable, assertUpgrade, assertStoreExists, assertIndexExists };

'use strict';

// The checks that begin the steps of most methods.

const { exception } = require('../../common/exceptions.js');

/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('./schema.js').Index} Index */

/** @param {Transaction} transaction */
function assertActive(transaction) {
  if (transaction.state === 'active') return;
  const { connection, mode, state } = transaction;
  throw exception('TransactionInactiveError', `The ${mode} transaction of database '${connection.name}' is not active, but ${state}`);
}

/** @param {Transaction} transaction */
function assertWritable(transaction) {
  if (transaction.mode !== 'readonly') return;
  throw exception('ReadOnlyError', `The transaction of database '${transaction.connection.name}' is read-only`);
}

/** @param {Transaction} transaction */
function assertUpgrade(transaction) {
  if (transaction.upgrade === null) {
    throw exception(
      'InvalidStateError', `The ${transaction.mode} transaction of database '${transaction.connection.name}' is not a version change transaction`,
    );
  }
}

/** @param {ObjectStore} store */
function assertStoreExists(store) {
  if (store.deleted) throw exception('InvalidStateError', `The object store '${store.name}' has been deleted`);
}

/** @param {Index} index */
function assertIndexExists(index) {
  if (index.deleted) throw exception('InvalidStateError', `The index '${index.name}' has been deleted`);
}

module.exports = { assertActive, assertWritable, assertUpgrade, assertStoreExists, assertIndexExists };

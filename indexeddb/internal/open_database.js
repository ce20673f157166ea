'use strict';

// Opening, upgrading and deleting a database, as far as scripts see it. The connection queue is native: it spans threads.
// https://w3c.github.io/IndexedDB/#open-a-database-connection, https://w3c.github.io/IndexedDB/#delete-a-database

const { IDBDatabase } = require('../database.js');
const { createTransactionObject } = require('../transaction.js');
const { Connection, closeConnection } = require('./connection.js');
const { errorEvent, successEvent, versionChangeEvent } = require('./event.js');
const { exception } = require('../../common/exceptions.js');
const { fire } = require('./fire.js');
const { Request, afterOperation, upgradeStarted } = require('./request_queue.js');
const { Schema, decodeSchema } = require('./schema.js');
const { noteBytes, queueTask } = require('./task_queue.js');
const trace = require('./trace.js');
const { Transaction, abortTransaction } = require('./transaction_lifecycle.js');
const { INTERNAL } = require('./webidl.js');

/** @typedef {import('./world.js').World} World */
/** @typedef {import('./native.js').NativeEvent} NativeEvent */
/**
 * @template {string} T
 * @typedef {Extract<NativeEvent, { type: T }>} EventOf
 */

/** https://w3c.github.io/IndexedDB/#open-request */
class OpenRequest extends Request {
  databaseName;

  /** @param {string} name of the database */
  constructor(name) {
    super(null, null);
    this.databaseName = name;
  }
}

/**
 * @param {Connection | undefined} connection
 * @param {EventOf<'versionchange'>} event
 * @param {() => void} delivered
 */
function versionChange(connection, { oldVersion, newVersion }, delivered) {
  queueTask(() => {
    if (connection === undefined || connection.closePending) {
      delivered();
      return;
    }
    const newVersionOrNull = newVersion === 0 ? null : newVersion;
    if (trace.connections.hasSubscribers) trace.connection('versionchange', connection.name, oldVersion, newVersionOrNull, null);
    fire(connection, 'versionchange', () => versionChangeEvent('versionchange', oldVersion, newVersionOrNull), delivered);
  });
}

/**
 * @param {OpenRequest} request
 * @param {EventOf<'blocked'>} event
 */
function blocked(request, { oldVersion, newVersion }) {
  const newVersionOrNull = newVersion === 0 ? null : newVersion;
  if (trace.connections.hasSubscribers) trace.connection('blocked', request.databaseName, oldVersion, newVersionOrNull, null);
  queueTask(() => fire(request, 'blocked', () => versionChangeEvent('blocked', oldVersion, newVersionOrNull)));
}

/**
 * @param {World} world
 * @param {OpenRequest} request
 * @param {EventOf<'opened'>} event
 */
function opened(world, request, event) {
  const connection = createConnection(world, request, event.connection, event.version, new Schema());
  queueTask(() => {
    // Many opens are answered at once. Nobody asks for the schema before the script has the connection.
    connection.schema = decodeSchema(event.schema);
    noteBytes(event.schema.length);
    if (connection.closePending) fail(request, exception('AbortError', 'The connection was closed'));
    else succeed(request, connection);
  });
  return connection;
}

/**
 * @param {World} world
 * @param {OpenRequest} request
 * @param {number} id
 * @param {number} version
 * @param {Schema} schema
 */
function createConnection(world, request, id, version, schema) {
  const connection = new Connection(world, id, request.databaseName, version, schema);
  connection.context = request.context;
  connection.object = new IDBDatabase(INTERNAL, connection);
  return connection;
}

/**
 * https://w3c.github.io/IndexedDB/#upgrade-a-database
 * @param {World} world
 * @param {OpenRequest} request
 * @param {EventOf<'upgrade'>} event
 */
function upgrade(world, request, event) {
  const { oldVersion, newVersion } = event;
  const connection = createConnection(world, request, event.connection, newVersion, decodeSchema(event.schema));
  const transaction = new Transaction(connection, 'versionchange', 'default', null, {
    request,
    oldVersion,
    restoreSchema: connection.schema.snapshot(),
    finished: (committed) => queueTask(() => upgradeFinished(request, connection, committed)),
  });
  transaction.object = createTransactionObject(transaction);
  transaction.state = 'inactive'; // step 7
  connection.upgradeTransaction = transaction;
  upgradeStarted(transaction);
  queueTask(() => fireUpgradeNeeded(request, transaction, oldVersion, newVersion)); // step 10
  return transaction;
}

/**
 * @param {OpenRequest} request
 * @param {Transaction} transaction
 * @param {number} oldVersion
 * @param {number} newVersion
 */
function fireUpgradeNeeded(request, transaction, oldVersion, newVersion) {
  if (transaction.finished) return; // forced to close
  if (transaction.connection.closePending) {
    abortTransaction(transaction, exception('AbortError', 'The factory was closed'));
    return;
  }
  request.succeed(transaction.connection.object);
  request.transaction = transaction;
  transaction.state = 'active';
  if (trace.connections.hasSubscribers) trace.connection('upgrade', request.databaseName, oldVersion, newVersion, null);
  fire(request, 'upgradeneeded', () => versionChangeEvent('upgradeneeded', oldVersion, newVersion), (_, didThrow) => {
    if (transaction.state === 'active') {
      transaction.state = 'inactive';
      if (didThrow) abortTransaction(transaction, exception('AbortError', 'The upgradeneeded listener threw an exception'));
    }
    afterOperation(transaction);
  });
}

/**
 * The end of "open a database connection" with an upgrade.
 * @param {OpenRequest} request
 * @param {Connection} connection
 * @param {boolean} committed
 */
function upgradeFinished(request, connection, committed) {
  connection.world.upgradeFinished(request.databaseName);
  if (!committed) {
    connection.world.forgetConnection(connection);
    fail(request, exception('AbortError', 'The version change transaction was aborted'));
  } else if (connection.closePending) {
    fail(request, exception('AbortError', 'The connection was closed during the version change'));
  } else {
    succeed(request, connection);
  }
}

/**
 * @param {OpenRequest} request
 * @param {Connection} connection
 */
function succeed(request, connection) {
  request.succeed(connection.object);
  if (trace.connections.hasSubscribers) trace.connection('open', connection.name, connection.version, connection.version, null);
  fire(request, 'success', successEvent);
}

/**
 * @param {OpenRequest} request
 * @param {EventOf<'deleted'>} event
 */
function deleted(request, { oldVersion }) {
  queueTask(() => {
    request.succeed(undefined);
    if (trace.connections.hasSubscribers) trace.connection('delete', request.databaseName, oldVersion, null, null);
    fire(request, 'success', () => versionChangeEvent('success', oldVersion, null));
  });
}

/**
 * @param {OpenRequest} request
 * @param {DOMException} error
 */
function failed(request, error) {
  queueTask(() => fail(request, error));
}

/**
 * @param {OpenRequest} request
 * @param {DOMException} error
 */
function fail(request, error) {
  request.fail(error);
  if (trace.connections.hasSubscribers) trace.connection('fail', request.databaseName, null, null, error);
  fire(request, 'error', errorEvent);
}

module.exports = { OpenRequest, versionChange, blocked, opened, upgrade, deleted, failed, closeConnection };

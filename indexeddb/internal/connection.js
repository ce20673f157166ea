'use strict';

const { EventTargetState } = require('./event_target.js');
const { closeEvent } = require('./event.js');
const { exception } = require('../../common/exceptions.js');
const { fire } = require('./fire.js');
const { append } = require('../../common/intrinsics.js');
const { queueTask } = require('./task_queue.js');
const trace = require('./trace.js');
const { abortTransaction } = require('./transaction_lifecycle.js');

/** @typedef {import('./world.js').World} World */
/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {{ stores: Map<string, import('./schema.js').ObjectStore>, ids: Uint32Array }} Scope of a transaction */

/** https://w3c.github.io/IndexedDB/#connection */
class Connection extends EventTargetState {
  world;
  id;
  name;
  version;
  schema;
  closePending = false;
  forced = false;
  /** @type {Transaction | null} the live upgrade transaction */
  upgradeTransaction = null;
  /** How many transactions have not had their last event. */
  transactionCount = 0;
  /** Those of transactions over one object store, by its name. @type {Map<string, Scope>} */
  scopes = new Map();
  /** @type {(() => void)[]} */
  #whenIdle = [];

  /**
   * @param {World} world
   * @param {number} id of the native side
   * @param {string} name
   * @param {number} version
   * @param {import('./schema.js').Schema} schema
   */
  constructor(world, id, name, version, schema) {
    super();
    this.world = world;
    this.id = id;
    this.name = name;
    this.version = version;
    this.schema = schema;
  }

  /** @param {import('./event_target.js').Listener} listener */
  append(listener) {
    super.append(listener);
    this.world.listenersChanged(this);
  }

  /** @param {import('./event_target.js').Listener} listener */
  remove(listener) {
    super.remove(listener);
    this.world.listenersChanged(this);
  }

  /** The last event of a transaction has been fired. */
  transactionFinished() {
    this.transactionCount -= 1;
    if (this.transactionCount > 0 || this.#whenIdle.length === 0) return;
    for (const callback of this.#whenIdle.splice(0)) callback();
  }

  /** @param {() => void} callback called once no transaction is left */
  whenIdle(callback) {
    if (this.transactionCount === 0) callback();
    else append(this.#whenIdle, callback);
  }
}

/**
 * https://w3c.github.io/IndexedDB/#close-a-database-connection
 * @param {Connection} connection
 */
function closeConnection(connection) {
  if (connection.closePending) return;
  connection.closePending = true; // step 1
  traceClose(connection);
  connection.world.closeConnection(connection); // step 3
}

/** @param {Connection} connection */
function traceClose({ name, version }) {
  if (trace.connections.hasSubscribers) trace.connection('close', name, version, null, null);
}

/**
 * The same with the forced flag.
 * @param {Connection} connection
 */
function forceCloseConnection(connection) {
  if (connection.forced || (connection.closePending && connection.transactionCount === 0)) return;
  connection.forced = true;
  traceClose(connection);
  connection.closePending = true; // step 1
  for (const transaction of connection.world.transactionsOf(connection)) {
    if (transaction.commitSent) continue; // it can no longer be stopped
    abortTransaction(transaction, exception('AbortError', 'The connection was closed')); // step 2
  }
  connection.world.closeConnection(connection); // step 3
  connection.whenIdle(() => queueTask(() => fire(connection, 'close', closeEvent))); // step 4
}

module.exports = { Connection, closeConnection, forceCloseConnection };

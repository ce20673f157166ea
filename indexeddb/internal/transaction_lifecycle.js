'use strict';

// Life of a transaction: https://w3c.github.io/IndexedDB/#transaction-lifecycle

const { EventTargetState } = require('./event_target.js');
const { abortEvent, completeEvent, errorEvent } = require('./event.js');
const { exception, unknownError } = require('../../common/exceptions.js');
const { newContext } = require('./context.js');
const { fire } = require('./fire.js');
const { Queue } = require('../../common/queue.js');
const { afterMicrotasks, queueTask } = require('./task_queue.js');
const trace = require('./trace.js');

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./request_queue.js').Operation} Operation */
/** @typedef {import('./request_queue.js').Request} Request */
/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('../object_store.js').IDBObjectStore} IDBObjectStore */

/**
 * What a version change transaction knows beyond others.
 * @typedef {{
 *   request: Request,
 *   oldVersion: number,
 *   restoreSchema: () => void,
 *   finished: (committed: boolean) => void,
 * }} Upgrade
 */

/** https://w3c.github.io/IndexedDB/#transaction-construct */
class Transaction extends EventTargetState {
  connection;
  mode;
  durability;
  scope;
  upgrade;
  /** of the native side; 0 before it has been asked, and if it has committed the transaction when it was */
  id = 0;
  /** What the native side is told of the scope. @type {Uint32Array | null} */
  storeIds = null;
  /** Its neighbours among those that the native side knows. @type {Transaction | null} */
  previous = null;
  /** @type {Transaction | null} */
  next = null;
  /** The native side has neither committed nor aborted it. */
  live = false;
  /** @type {'active' | 'inactive' | 'committing' | 'finished'} */
  state = 'active';
  /** @type {DOMException | null} */
  error = null;
  /** The request list, and the schema changes between them. @type {Queue<Operation>} */
  operations = new Queue();
  /** Answers to the operations at the front, which have been executed. @type {Uint8Array | null} */
  answers = null;
  /** How many bytes of them have been read. */
  answersTaken = 0;
  /** How often it has been asked to write. */
  writes = 0;
  /** Locks have been granted: operations may be executed. */
  started = false;
  /** An operation is being executed, or a task will take the next one. */
  running = false;
  commitSent = false;
  /** The store that a handle was asked for first: in most transactions the only one. @type {ObjectStore | null} */
  firstStore = null;
  /** @type {IDBObjectStore | null} */
  firstHandle = null;
  /** Object store handles of the others. @type {Map<ObjectStore, IDBObjectStore> | null} */
  handles = null;
  /** @type {import('./trace.js').TransactionTrace | null} null: nobody has subscribed */
  trace = trace.transactions.hasSubscribers ? trace.transactionCreated() : null;

  /**
   * @param {Connection} connection
   * @param {IDBTransactionMode} mode
   * @param {IDBTransactionDurability} durability
   * @param {Map<string, ObjectStore> | null} scope null: all of the connection's, as they come and go
   * @param {Upgrade | null} upgrade
   */
  constructor(connection, mode, durability, scope, upgrade) {
    super();
    this.connection = connection;
    this.mode = mode;
    this.durability = durability;
    this.scope = scope;
    this.upgrade = upgrade;
    this.context = upgrade === null ? newContext('IDBTransaction') : upgrade.request.context;
    connection.transactionCount += 1;
  }

  getParent() {
    return this.connection;
  }

  get finished() {
    return this.state === 'finished';
  }
}

/**
 * "Cleanup Indexed Database transactions": a transaction made by a script is active until that script, and the microtasks
 * after it, have ended. Where nextTick was a fake already at import, it ends with the next task: no task but that of its own
 * events finds it active later.
 * @param {Transaction} transaction
 */
function deactivateAfterMicrotasks(transaction) {
  if (!afterMicrotasks(deactivate, transaction)) queueTask(deactivate, transaction);
}

/** @param {Transaction} transaction */
function deactivate(transaction) {
  if (transaction.state !== 'active') return;
  transaction.state = 'inactive';
  settleTransaction(transaction);
}

/**
 * Commits when nothing is left to do: the auto-commit, or what commit() waits for.
 * @param {Transaction} transaction
 */
function settleTransaction(transaction) {
  if (!transaction.started || transaction.running || transaction.operations.length > 0) return;
  if (transaction.state === 'inactive') transaction.state = 'committing';
  if (transaction.state === 'committing' && !transaction.commitSent) writeCommit(transaction);
}

/**
 * https://w3c.github.io/IndexedDB/#commit-a-transaction
 * @param {Transaction} transaction
 */
function commitTransaction(transaction) {
  transaction.state = 'committing'; // step 1
  settleTransaction(transaction);
}

/** @param {Transaction} transaction */
function writeCommit(transaction) {
  transaction.commitSent = true;
  const strict = transaction.upgrade !== null || transaction.durability === 'strict';
  try {
    transaction.connection.world.commit(transaction, strict);
  } catch (error) {
    commitFailed(transaction, unknownError(error));
  }
}

/**
 * The native side has committed.
 * @param {Transaction} transaction
 */
function committed(transaction) {
  queueTask(fireComplete, transaction);
}

/** @param {Transaction} transaction */
function fireComplete(transaction) {
  const { connection, upgrade } = transaction;
  if (upgrade !== null) connection.upgradeTransaction = null; // step 5.1
  transaction.state = 'finished'; // step 5.2
  connection.world.transactionFinished(transaction);
  if (transaction.trace !== null) trace.transactionFinished(transaction, 'complete', null);
  fire(transaction, 'complete', completeEvent, completeFired);
}

/** @param {Transaction} transaction */
function completeFired({ connection, upgrade }) {
  if (upgrade !== null) upgrade.request.transaction = null; // step 5.4
  connection.transactionFinished();
  upgrade?.finished(true);
}

/**
 * The native side could not commit; it has discarded the changes.
 * @param {Transaction} transaction
 * @param {DOMException} error
 */
function commitFailed(transaction, error) {
  abortTransaction(transaction, error);
}

/**
 * https://w3c.github.io/IndexedDB/#abort-a-transaction
 * @param {Transaction} transaction
 * @param {DOMException | null} error
 */
function abortTransaction(transaction, error) {
  if (transaction.finished) return;
  const { connection, upgrade } = transaction;
  connection.world.abort(transaction); // step 1
  if (upgrade !== null) abortUpgrade(transaction, upgrade); // step 2
  transaction.state = 'finished'; // step 3
  transaction.answers = null;
  if (error !== null) transaction.error = error; // step 4
  if (transaction.trace !== null) trace.transactionFinished(transaction, 'abort', error);
  let told = error;
  for (const operation of transaction.operations.takeAll()) {
    const { request } = operation;
    if (operation.trace !== null) trace.requestDone(transaction, operation, undefined, (told ??= aborted()));
    if (request !== null) queueTask(() => failAborted(request)); // step 5
  }
  queueTask(() => fireAbort(transaction)); // step 6
}

/** @param {Request} request of a transaction that has been aborted */
function failAborted(request) {
  request.fail(aborted); // made for those who look: one takes longer than all else that is done for a request
  fire(request, 'error', errorEvent);
}

function aborted() {
  return exception('AbortError', 'The transaction was aborted');
}

/** @param {Transaction} transaction */
function fireAbort(transaction) {
  const { connection, upgrade } = transaction;
  if (upgrade !== null) connection.upgradeTransaction = null; // step 6.1
  fire(transaction, 'abort', abortEvent, () => {
    if (upgrade !== null) resetOpenRequest(upgrade.request); // step 6.3
    connection.transactionFinished();
    upgrade?.finished(false);
  });
}

/** @param {Request} request pending again, until the open fails */
function resetOpenRequest(request) {
  request.reset();
  request.transaction = null;
}

/**
 * https://w3c.github.io/IndexedDB/#abort-an-upgrade-transaction
 * @param {Transaction} transaction
 * @param {Upgrade} upgrade
 */
function abortUpgrade({ connection }, upgrade) {
  connection.closePending = true; // the native side has closed it
  connection.version = upgrade.oldVersion; // step 3
  upgrade.restoreSchema(); // steps 4 to 6
}

module.exports = {
  Transaction,
  deactivateAfterMicrotasks,
  settleTransaction,
  commitTransaction,
  committed,
  commitFailed,
  abortTransaction,
};

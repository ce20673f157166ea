'use strict';

// Requests of a transaction, one after the other. An operation is executed in the task that fires its event: nobody
// can tell, and an error that aborts the transaction never has to undo what came after it.

const { EventTargetState } = require('./event_target.js');
const { errorEvent, successEvent } = require('./event.js');
const { exception, unknownError } = require('./exceptions.js');
const { newContext } = require('./context.js');
const { fire } = require('./fire.js');
const { inWords } = require('./operation_description.js');
const { resume } = require('./operations.js');
const { Response } = require('./response.js');
const { noteBytes, queueTask } = require('./task_queue.js');
const trace = require('./trace.js');
const { abortTransaction, settleTransaction } = require('./transaction_lifecycle.js');

/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */

/** https://w3c.github.io/IndexedDB/#request-construct */
class Request extends EventTargetState {
  source;
  transaction;
  done = false;
  /** @type {unknown} */
  result = undefined;
  /** @type {DOMException | null} */
  error = null;

  /**
   * @param {object | null} source what scripts see as the source
   * @param {Transaction | null} transaction
   */
  constructor(source, transaction) {
    super();
    this.source = source;
    this.transaction = transaction;
    this.context = newContext('IDBRequest');
  }

  getParent() {
    return this.transaction;
  }

  /** @param {unknown} result */
  succeed(result) {
    this.done = true;
    this.result = result;
    this.error = null;
  }

  /** @param {DOMException} error */
  fail(error) {
    this.done = true;
    this.result = undefined;
    this.error = error;
  }

  /** Pending again: an iterated cursor's, or an open request whose upgrade was aborted. */
  reset() {
    this.done = false;
    this.result = undefined;
    this.error = null;
  }
}

/**
 * @template [T=unknown]
 * @typedef {(response: Response) => T} Read turns a response into a result
 */

/** Something for the native side to do within a transaction. */
class Operation {
  bytes;
  request;
  /** Called once for each page of the answer; the last one's result counts. */
  read;
  /** What is to be sent next, once a portion is done. @type {Uint8Array | null} */
  rest = null;
  /** @type {Promise<unknown> | null} what has to happen before it can be executed */
  waiting = null;
  /** @type {import('./trace.js').RequestTrace | null} null: nobody has subscribed */
  trace = null;

  /**
   * @param {Uint8Array} bytes
   * @param {Request | null} request null for a change of the schema, which has no request
   * @param {Read} read
   */
  constructor(bytes, request, read) {
    this.bytes = bytes;
    this.request = request;
    this.read = read;
  }
}

/** @type {Read} */
const readNothing = () => undefined;

/**
 * https://w3c.github.io/IndexedDB/#asynchronously-execute-a-request
 * @param {Transaction} transaction
 * @param {Request} request
 * @param {Uint8Array} bytes
 * @param {Read} [read]
 */
function executeRequest(transaction, request, bytes, read = readNothing) {
  const operation = new Operation(bytes, request, read);
  append(transaction, operation);
  return operation;
}

/**
 * Queues a change of the schema in its place among the requests.
 * @param {Transaction} transaction
 * @param {Uint8Array} bytes
 */
function executeSchemaChange(transaction, bytes) {
  append(transaction, new Operation(bytes, null, readNothing));
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function append(transaction, operation) {
  if (trace.requests.hasSubscribers) operation.trace = trace.requestPlaced();
  transaction.operations.push(operation);
  if (transaction.started) startRunning(transaction);
}

/**
 * The transaction's locks have been granted.
 * @param {Transaction} transaction
 */
function transactionStarted(transaction) {
  transaction.started = true;
  transaction.runNext = () => runNext(transaction);
  if (transaction.operations.length > 0) startRunning(transaction);
  else settleTransaction(transaction);
}

/**
 * As transactionStarted, but nothing is executed before the upgradeneeded event has been fired: afterOperation() then
 * goes on.
 * @param {Transaction} transaction
 */
function upgradeStarted(transaction) {
  transaction.started = true;
  transaction.running = true;
  transaction.runNext = () => runNext(transaction);
}

/** @param {Transaction} transaction */
function startRunning(transaction) {
  if (transaction.running) return;
  transaction.running = true;
  queueTask(transaction.runNext);
}

/** @param {Transaction} transaction */
function runNext(transaction) {
  const operation = transaction.finished ? undefined : transaction.operations.peek();
  if (operation === undefined) return;
  if (operation.waiting === null) execute(transaction, operation);
  else waitFor(transaction, operation, operation.waiting);
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {Promise<unknown>} waiting
 */
function waitFor(transaction, operation, waiting) {
  operation.waiting = null;
  // A task, for events are never fired from a promise reaction.
  waiting.then(
    () => queueTask(transaction.runNext),
    (error) => queueTask(() => failed(transaction, operation, unknownError(error))),
  );
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function execute(transaction, operation) {
  if (operation.trace !== null) trace.requestExecuted(operation.trace);
  const { world } = transaction.connection;
  let response;
  try {
    response = world.execute(transaction, operation.rest ?? operation.bytes);
  } catch (error) {
    failed(transaction, operation, unknownError(error));
    return;
  }
  if (response !== null) {
    answered(transaction, operation, response);
    return;
  }
  executeAsync(transaction, operation);
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function executeAsync(transaction, operation) {
  transaction.connection.world.executeAsync(transaction, operation.rest ?? operation.bytes).then(
    (bytes) => queueTask(() => answered(transaction, operation, bytes)),
    (error) => queueTask(() => failed(transaction, operation, unknownError(error))),
  );
}

/**
 * The next portion: what only the native side works on is a worker's, pages are fetched as their contents are made.
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {Response} response
 * @param {Uint8Array} place
 */
function goOn(transaction, operation, response, place) {
  if (response.isPage) operation.read(response);
  operation.rest = resume(operation.bytes, place);
  if (response.isPage) queueTask(transaction.runNext);
  else executeAsync(transaction, operation);
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {Uint8Array} bytes
 */
function answered(transaction, operation, bytes) {
  if (transaction.finished) return;
  noteBytes(operation.bytes.length + bytes.length);
  const response = new Response(bytes);
  let result;
  try {
    const error = response.error();
    if (error !== null) {
      failed(transaction, operation, described(transaction, operation, error));
      return;
    }
    const place = response.resume();
    if (place !== null) {
      goOn(transaction, operation, response, place);
      return;
    }
    result = operation.read(response);
  } catch (error) {
    failed(transaction, operation, unknownError(error));
    return;
  }
  transaction.operations.shift();
  if (operation.trace !== null) trace.requestDone(transaction, operation, result, null);
  const { request } = operation;
  if (request === null) {
    afterOperation(transaction);
    return;
  }
  request.succeed(result);
  fireSuccess(request, transaction);
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {DOMException} error
 */
function failed(transaction, operation, error) {
  if (transaction.finished) return;
  const { request } = operation;
  if (request === null || transaction.state === 'committing') {
    abortTransaction(transaction, error); // step 5.3
    return;
  }
  transaction.operations.shift();
  if (operation.trace !== null) trace.requestDone(transaction, operation, undefined, error);
  request.fail(error);
  fireError(request, transaction, error);
}

/**
 * An error of the native side, which knows of bytes and numbers, with what the operation wanted.
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {DOMException} error
 */
function described(transaction, { bytes }, { name, message }) {
  return exception(name, `${message}: ${inWords(transaction, bytes)}`);
}

/**
 * https://w3c.github.io/IndexedDB/#fire-a-success-event
 * @param {Request} request
 * @param {Transaction} transaction
 */
function fireSuccess(request, transaction) {
  if (transaction.state === 'inactive') transaction.state = 'active';
  fire(request, successEvent, ({ didThrow }) => {
    if (transaction.state === 'active') {
      transaction.state = 'inactive';
      if (didThrow) abortTransaction(transaction, listenerThrew());
    }
    afterOperation(transaction);
  });
}

/**
 * https://w3c.github.io/IndexedDB/#fire-an-error-event
 * @param {Request} request
 * @param {Transaction} transaction
 * @param {DOMException} error
 */
function fireError(request, transaction, error) {
  if (transaction.state === 'inactive') transaction.state = 'active';
  fire(request, errorEvent, ({ didThrow, canceled }) => {
    if (transaction.state === 'active') {
      transaction.state = 'inactive';
      if (didThrow) abortTransaction(transaction, listenerThrew());
      else if (!canceled) abortTransaction(transaction, error);
    }
    afterOperation(transaction);
  });
}

function listenerThrew() {
  return exception('AbortError', 'A listener threw an exception');
}

/** @param {Transaction} transaction */
function afterOperation(transaction) {
  if (transaction.finished) return;
  if (transaction.operations.length > 0) {
    queueTask(transaction.runNext);
    return;
  }
  transaction.running = false;
  settleTransaction(transaction);
}

module.exports = {
  Request,
  Operation,
  executeRequest,
  executeSchemaChange,
  transactionStarted,
  upgradeStarted,
  afterOperation,
};

'use strict';

// Requests of a transaction, one after the other. Operations are executed in the task that fires the first of their events, several in one
// crossing: nobody can tell, since what a listener asks for comes behind them anyway, and an abort undoes all of the transaction.

const { EventTargetState } = require('./event_target.js');
const { errorEvent, successEvent } = require('./event.js');
const { exception, exceptionWithCause, unknownError } = require('../../common/exceptions.js');
const { newContext } = require('./context.js');
const { fire, isHeard } = require('./fire.js');
const { inWords } = require('./operation_description.js');
const { Packed, resume } = require('./operations.js');
const { Response, lengthAt } = require('./response.js');
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
  /** A function makes it when a script looks at it. @type {DOMException | (() => DOMException) | null} */
  reason = null;

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
    this.reason = null;
  }

  /** @param {DOMException | (() => DOMException)} reason */
  fail(reason) {
    this.done = true;
    this.result = undefined;
    this.reason = reason;
  }

  /** @returns {DOMException | null} */
  get error() {
    if (typeof this.reason === 'function') this.reason = this.reason();
    return this.reason;
  }

  /** Pending again: an iterated cursor's, or an open request whose upgrade was aborted. */
  reset() {
    this.done = false;
    this.result = undefined;
    this.reason = null;
  }
}

/**
 * @template [T=unknown]
 * @typedef {(response: Response, request: Request | null) => T} Read turns a response into a result
 */

/** What is not sent: the answer is known. */
const NOTHING = new Packed(Buffer.alloc(0), 0, 0);

/** Something for the native side to do within a transaction, packed: very many may wait at once, so it is no second object beside the bytes. */
class Operation extends Packed {
  request;
  /** Called once for each page of the answer; the last one's result counts. */
  read;
  /** What is to be sent next, once a portion is done. @type {Packed | null} */
  rest = null;
  /** What it is answered with when its turn comes: it is not sent. @type {Response | null} */
  known = null;
  /** @type {Promise<unknown> | null} what has to happen before it can be executed */
  waiting = null;
  /** @type {import('./trace.js').RequestTrace | null} null: nobody has subscribed */
  trace = null;

  /**
   * @param {Packed} packed
   * @param {Request | null} request null for a change of the schema, which has no request
   * @param {Read} read
   */
  constructor({ chunk, start, end }, request, read) {
    super(chunk, start, end);
    this.request = request;
    this.read = read;
  }
}

/** In front of each answer. */
const LENGTH_BYTES = 4;
/** Where short answers come, behind a head. */
const scratch = Buffer.allocUnsafeSlow(32 << 10);
const HEAD_BYTES = 8;

/** @type {Read} */
const readNothing = () => undefined;

/**
 * https://w3c.github.io/IndexedDB/#asynchronously-execute-a-request
 * @param {Transaction} transaction
 * @param {Request} request
 * @param {Packed} packed
 * @param {Read} [read]
 */
function executeRequest(transaction, request, packed, read = readNothing) {
  const operation = new Operation(packed, request, read);
  append(transaction, operation);
  return operation;
}

/**
 * The same for a request whose answer is known: no write lies between the one that brought it and this.
 * @param {Transaction} transaction
 * @param {Request} request
 * @param {Response} known
 * @param {Read} read
 */
function answerRequest(transaction, request, known, read) {
  const operation = new Operation(NOTHING, request, read);
  operation.known = known;
  append(transaction, operation);
}

/**
 * Queues a change of the schema in its place among the requests.
 * @param {Transaction} transaction
 * @param {Packed} packed
 */
function executeSchemaChange(transaction, packed) {
  append(transaction, new Operation(packed, null, readNothing));
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function append(transaction, operation) {
  if (trace.requests.hasSubscribers) operation.trace = trace.requestPlaced(transaction, operation);
  if (operation.known === null && operation.writes) transaction.writes += 1;
  transaction.operations.push(operation);
  if (transaction.started) startRunning(transaction);
}

/**
 * The transaction's locks have been granted.
 * @param {Transaction} transaction
 */
function transactionStarted(transaction) {
  transaction.started = true;
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
}

/** @param {Transaction} transaction */
function startRunning(transaction) {
  if (transaction.running) return;
  transaction.running = true;
  queueTask(runNext, transaction);
}

/** @param {Transaction} transaction */
function runNext(transaction) {
  const operation = transaction.finished ? undefined : transaction.operations.peek();
  if (operation === undefined) return;
  if (transaction.answers !== null) takeAnswer(transaction, operation, transaction.answers);
  else if (operation.known !== null) succeeded(transaction, operation, operation.known);
  else if (operation.waiting === null) execute(transaction, operation);
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
    () => queueTask(runNext, transaction),
    (error) => queueTask(() => failed(transaction, operation, unknownError(error))),
  );
}

/** Operations that cross together at most: their answers are in memory until their events have been fired. */
const BATCH_MAX = 128;

/**
 * The last of the operations at the front that can be executed together: those whose durations are told are executed one by one.
 * @param {import('../../common/queue.js').Queue<Operation>} operations
 */
function lastOfBatch(operations) {
  let last = operations.at(0);
  const count = Math.min(operations.length, BATCH_MAX);
  for (let index = 1; index < count; index += 1) {
    const next = operations.at(index);
    if (next.known !== null || next.waiting !== null || next.trace !== null || !last.isFollowedBy(next)) break;
    last = next;
  }
  return last;
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function execute(transaction, operation) {
  if (operation.trace !== null) trace.requestExecuted(operation.trace);
  const { world } = transaction.connection;
  const packed = operation.rest ?? operation;
  const last = operation.rest ?? lastOfBatch(transaction.operations);
  let answers;
  try {
    answers = world.execute(transaction, packed.chunk, packed.framedStart, last.end, scratch, isSurelyLast(transaction, operation));
  } catch (error) {
    failed(transaction, operation, unknownError(error));
    return;
  }
  if (answers === 0) executeLater(transaction, operation);
  else if (typeof answers !== 'number') takeAnswer(transaction, operation, answers);
  else takeShortAnswers(transaction, operation, HEAD_BYTES + answers);
}

/**
 * True if it is the only operation that is left and nobody hears how it ends: no script runs before the commit.
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function isSurelyLast(transaction, { request, trace: traced }) {
  return transaction.operations.length === 1 && transaction.state !== 'active' && traced === null &&
    request !== null && !isHeard(request, 'success') && !isHeard(request, 'error');
}

/**
 * Those in the scratch memory, which is used again before they have all been taken.
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {number} end
 */
function takeShortAnswers(transaction, operation, end) {
  const start = HEAD_BYTES + LENGTH_BYTES;
  if (end === start + lengthAt(scratch, HEAD_BYTES)) answered(transaction, operation, scratch, start, end);
  else takeAnswer(transaction, operation, Buffer.from(scratch.subarray(HEAD_BYTES, end)));
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 */
function executeLater(transaction, operation) {
  transaction.connection.world.executeAsync(transaction, (operation.rest ?? operation).bytes).then(
    (bytes) => queueTask(() => answered(transaction, operation, bytes, 0, bytes.length)),
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
  const { isPage } = response;
  if (isPage) operation.read(response, operation.request);
  operation.rest = resume(operation.bytes, place);
  if (isPage) queueTask(runNext, transaction);
  else executeLater(transaction, operation);
}

/**
 * The first of several answers.
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {Uint8Array} answers
 */
function takeAnswer(transaction, operation, answers) {
  const start = transaction.answersTaken + LENGTH_BYTES;
  const end = start + lengthAt(answers, start - LENGTH_BYTES);
  const isLast = end === answers.length;
  transaction.answers = isLast ? null : answers;
  transaction.answersTaken = isLast ? 0 : end;
  answered(transaction, operation, answers, start, end);
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function answered(transaction, operation, bytes, start, end) {
  if (transaction.finished) return;
  noteBytes(operation.end - operation.start + end - start);
  const response = new Response(bytes, start, end);
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
  } catch (error) {
    failed(transaction, operation, unknownError(error));
    return;
  }
  succeeded(transaction, operation, response);
}

/**
 * @param {Transaction} transaction
 * @param {Operation} operation
 * @param {Response} response
 */
function succeeded(transaction, operation, response) {
  let result;
  try {
    result = operation.read(response, operation.request);
  } catch (error) {
    failed(transaction, operation, unknownError(error));
    return;
  }
  transaction.operations.shift();
  if (operation.trace !== null) trace.requestDone(transaction, operation, result, null);
  const { request } = operation;
  if (request === null) {
    // No script hears of a change of the schema: if there is another answer it is taken now.
    if (transaction.answers === null) afterOperation(transaction);
    else runNext(transaction);
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
function described(transaction, { bytes }, { name, message, cause }) {
  const words = `${message}: ${inWords(transaction, bytes)}`;
  return cause === undefined ? exception(name, words) : exceptionWithCause(name, words, cause);
}

/**
 * https://w3c.github.io/IndexedDB/#fire-a-success-event
 * @param {Request} request
 * @param {Transaction} transaction
 */
function fireSuccess(request, transaction) {
  if (transaction.state === 'inactive') transaction.state = 'active';
  fire(request, 'success', successEvent, successFired);
}

/**
 * @param {Request} request
 * @param {boolean} didThrow
 */
function successFired(request, didThrow) {
  const transaction = /** @type {Transaction} */ (request.transaction);
  if (transaction.state === 'active') {
    transaction.state = 'inactive';
    if (didThrow) abortTransaction(transaction, listenerThrew());
  }
  afterOperation(transaction);
}

/**
 * https://w3c.github.io/IndexedDB/#fire-an-error-event
 * @param {Request} request
 * @param {Transaction} transaction
 * @param {DOMException} error
 */
function fireError(request, transaction, error) {
  if (transaction.state === 'inactive') transaction.state = 'active';
  fire(request, 'error', errorEvent, (_, didThrow, canceled) => {
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
    queueTask(runNext, transaction);
    return;
  }
  transaction.running = false;
  settleTransaction(transaction);
}

module.exports = {
  Request,
  Operation,
  executeRequest,
  answerRequest,
  executeSchemaChange,
  transactionStarted,
  upgradeStarted,
  afterOperation,
};

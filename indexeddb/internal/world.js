'use strict';

// What a factory stands on: one native client, and the JavaScript side of what is going on there.

const { engineException, exception, unknownError } = require('../../common/exceptions.js');
const { LinkedList } = require('../../common/linked_list.js');
const { native } = require('./native.js');
const openDatabase = require('./open_database.js');
const { transactionStarted } = require('./request_queue.js');
const { lengthAt } = require('./response.js');
const { append } = require('../../common/intrinsics.js');
const { queueTask } = require('./task_queue.js');
const trace = require('./trace.js');
const { commitFailed, committed } = require('./transaction_lifecycle.js');

/** @typedef {import('./native.js').DocumentClient} DocumentClient */
/** @typedef {import('./native.js').Execute} Execute */
/** @typedef {import('./native.js').Transact} Transact */
/** @typedef {import('./native.js').NativeEvent} NativeEvent */
/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {import('./transaction_lifecycle.js').Transaction} Transaction */
/** @typedef {import('./open_database.js').OpenRequest} OpenRequest */

/** What the native side answers to a commit, besides that it is done and there is nothing else. */
const COMMIT_PENDING = 0;
const COMMITTED_WITH_EVENTS = 2;

/** What the native side is told of a transaction that it is to begin. */
const READ_WRITE = 1;
const COMMIT = 2;
/** What it writes in front of the answers: how far the transaction has come, and its number. */
const COMMITTED = 0;
/** What it answers instead of a length where there is no room for the answers. */
const LONG = -1;

/**
 * Worlds that wait for the native side. Nothing else holds a world in memory but its factory and what was made from it: the
 * native side has a weak reference only, or an unreachable world in memory could not be freed.
 * @type {Set<World>}
 */
const waitingWorlds = new Set();

/**
 * Worlds on disk with connections that have listeners: other factories and threads of the process cause events that these must hear of, whoever
 * refers to them.
 * @type {Set<World>}
 */
const listeningWorlds = new Set();

/** @type {FinalizationRegistry<{ world: WeakRef<World>, id: number }>} */
const unreachable = new FinalizationRegistry(({ world, id }) => world.deref()?.closeUnreachable(id));

/**
 * Asynchronous, so that a missing library is a failure like others.
 *
 * @param {string} path
 * @param {() => void} wake
 */
async function openClient(path, wake) {
  return native().DocumentClient.open(path, wake);
}

class World {
  #path;
  /** @type {DocumentClient | null} */
  #client = null;
  /** Its functions for requests; made with it. @type {{ execute: Execute, transact: Transact } | null} */
  #functions = null;
  /** Those that wait for the directory to be opened; null when nobody is opening it.
   * @type {{ ready: () => void, failed: (error: DOMException) => void }[] | null} */
  #opening = null;
  /** @type {Promise<void> | null} */
  #closed = null;
  /** Called when the last request to open or to delete is answered. @type {(() => void) | null} */
  #whenAnswered = null;
  #drainQueued = false;
  #held = false;
  /** How many answers of the native side are outstanding. */
  #waiting = 0;
  /** @type {Map<number, OpenRequest>} */
  #requests = new Map();
  /**
   * Weak: a connection is closed when nobody refers to it any more. That of a running transaction is held by that.
   * @type {Map<number, WeakRef<Connection>>}
   */
  #connections = new Map();
  /** Those with listeners, which want to hear of events. @type {Set<Connection>} */
  #listening = new Set();
  /** Those that are not finished. @type {LinkedList<Transaction>} */
  #transactions = new LinkedList();
  /**
   * The only one of them, which the native side will hear of with its first request, or before it hears of anything that comes behind it.
   * @type {Transaction | null}
   */
  #unbegun = null;
  /** Those of them that an event is expected for: that they have started, or how the commit went. @type {Map<number, Transaction>} */
  #expecting = new Map();
  /**
   * Databases with an open request in its version change, and what the native side has said about them since: the next in
   * their connection queue must not be heard of before that request has had its last event.
   * @type {Map<string, NativeEvent[]>}
   */
  #upgrading = new Map();

  /** @param {string | null} path null: in memory */
  constructor(path) {
    this.#path = path;
  }

  /**
   * Calls `ready` once the native client is there, at once if possible.
   * @param {() => void} ready
   * @param {(error: DOMException) => void} failed
   */
  whenReady(ready, failed) {
    if (this.#closed !== null) {
      // From the call of close() on: it does not wait for what is asked for while it waits for transactions.
      failed(factoryClosed());
    } else if (this.#client !== null) {
      ready();
    } else if (this.#path === null) {
      this.#openMemory(ready, failed);
    } else {
      append(this.#opening ?? this.#open(this.#path), { ready, failed });
    }
  }

  /**
   * @param {() => void} ready
   * @param {(error: DOMException) => void} failed
   */
  #openMemory(ready, failed) {
    try {
      this.#use(native().DocumentClient.openMemory(wakeOf(this)));
    } catch (error) {
      failed(unknownError(error));
      return;
    }
    ready();
  }

  /** @param {string} path */
  #open(path) {
    /** @type {{ ready: () => void, failed: (error: DOMException) => void }[]} */
    const callers = [];
    this.#opening = callers;
    openClient(path, wakeOf(this)).then(
      (client) => {
        this.#opening = null;
        this.#use(client);
        for (const { ready } of callers) ready();
      },
      (error) => {
        this.#opening = null; // the next request tries again
        for (const { failed } of callers) failed(unknownError(error));
      },
    );
    return callers;
  }

  /** @param {DocumentClient} client */
  #use(client) {
    this.#client = client;
    this.#functions = { execute: client.executor(), transact: client.transactor() };
  }

  /** The client, for those who got something from it before. */
  get client() {
    if (this.#client === null) throw factoryClosed();
    return this.#client;
  }

  /**
   * @param {OpenRequest} request
   * @param {string} name
   * @param {number} version 0: not given
   */
  openDatabase(request, name, version) {
    this.#beginUnbegun();
    this.#requests.set(this.client.openDatabase(name, version), request);
    this.#expect();
  }

  /**
   * @param {OpenRequest} request
   * @param {string} name
   */
  deleteDatabase(request, name) {
    this.#beginUnbegun();
    this.#requests.set(this.client.deleteDatabase(name), request);
    this.#expect();
  }

  /**
   * Names and versions of what is committed.
   * @returns {Promise<{ name: string, version: number }[]>}
   */
  databases() {
    return new Promise((resolve, reject) => {
      this.whenReady(
        () => {
          const databases = this.client.databases();
          queueTask(() => resolve(databases));
        },
        reject,
      );
    });
  }

  /**
   * @param {Transaction} transaction
   * @param {Uint32Array} storeIds of its scope
   */
  begin(transaction, storeIds) {
    this.#beginUnbegun();
    // Threads that share a directory lock stores in the order of these calls; nobody else is in a world in memory.
    const isAlone = this.#path === null && this.#transactions.isEmpty;
    this.#add(transaction);
    transaction.storeIds = storeIds;
    if (isAlone && storeIds.length === 1 && !isTraced() && !this.#upgrading.has(transaction.connection.name)) {
      this.#unbegun = transaction;
      transaction.started = true;
    } else {
      this.#beginNow(transaction);
    }
  }

  /** @param {Transaction} transaction */
  #beginNow(transaction) {
    const { connection, mode } = transaction;
    const id = this.client.beginTransaction(connection.id, /** @type {Uint32Array} */ (transaction.storeIds), mode === 'readwrite');
    transaction.id = Math.abs(id);
    const postponed = this.#upgrading.get(connection.name);
    if (id > 0 && postponed === undefined) {
      transaction.started = true;
      return;
    }
    this.#expectOf(transaction);
    if (id > 0 && postponed !== undefined) append(postponed, { type: 'started', transaction: id });
  }

  /** The native side hears of transactions in the order in which they were created, and of what comes behind them. */
  #beginUnbegun() {
    const transaction = this.#unbegun;
    if (transaction === null) return;
    this.#unbegun = null;
    this.#beginNow(transaction);
  }

  /**
   * Executes requests. Answers how many bytes the responses are, or the bytes; 0: the first has to be executed by a worker.
   * @param {Transaction} transaction
   * @param {Uint8Array} chunk
   * @param {number} start
   * @param {number} end
   * @param {Uint8Array} scratch where the answers come, behind a head, if there is room
   * @param {boolean} commit nothing will be asked for behind the requests
   */
  execute(transaction, chunk, start, end, scratch, commit) {
    if (this.#functions === null) throw factoryClosed();
    const { execute, transact } = this.#functions;
    if (transaction !== this.#unbegun) return this.#responses(execute(transaction.id, chunk, start, end, scratch));
    this.#unbegun = null;
    const { connection, mode, storeIds } = transaction;
    const flags = (mode === 'readwrite' ? READ_WRITE : 0) | (commit ? COMMIT : 0);
    const length = transact(connection.id, /** @type {Uint32Array} */ (storeIds)[0], flags, chunk, start, end, scratch);
    transaction.live = lengthAt(scratch, 0) !== COMMITTED;
    transaction.id = lengthAt(scratch, 4);
    return this.#responses(length);
  }

  /** @param {number} length of the responses in the scratch memory, or that they are not there */
  #responses(length) {
    return length === LONG ? this.client.takeResponses() : length;
  }

  /**
   * @param {Transaction} transaction
   * @param {Uint8Array} request
   */
  executeAsync(transaction, request) {
    return this.client.executeAsync(transaction.id, request);
  }

  /**
   * @param {Transaction} transaction
   * @param {boolean} strict
   */
  commit(transaction, strict) {
    if (transaction === this.#unbegun || !transaction.live) {
      // Nothing was asked for, or it was committed together with its last request.
      this.#unbegun = null;
      transaction.live = false;
      committed(transaction);
      return;
    }
    const outcome = this.client.commit(transaction.id, strict);
    if (outcome === COMMIT_PENDING) {
      this.#expectOf(transaction);
      return;
    }
    transaction.live = false;
    committed(transaction);
    if (outcome === COMMITTED_WITH_EVENTS) this.#queueDrain();
  }

  /** @param {Transaction} transaction */
  abort(transaction) {
    this.#transactions.remove(transaction);
    if (!transaction.live) return;
    transaction.live = false;
    if (transaction === this.#unbegun) {
      this.#unbegun = null;
      return;
    }
    if (this.#expecting.delete(transaction.id)) this.#waiting -= 1; // its 'started' will not come, or be ignored
    this.client.abort(transaction.id);
    this.#queueDrain();
  }

  /** @param {Transaction} transaction */
  #add(transaction) {
    transaction.live = true;
    this.#transactions.append(transaction);
  }

  /** @param {Transaction} transaction that has committed */
  transactionFinished(transaction) {
    this.#transactions.remove(transaction);
  }

  /**
   * Those of a connection that are not finished, oldest first.
   * @param {Connection} connection
   */
  transactionsOf(connection) {
    return this.#transactions.toArray().filter((transaction) => transaction.connection === connection);
  }

  /** @param {Connection} connection */
  closeConnection(connection) {
    this.#beginUnbegun();
    this.forgetConnection(connection);
    this.#client?.closeConnection(connection.id);
    this.#queueDrain();
  }

  /** @param {Connection} connection that the native side has closed by itself */
  forgetConnection(connection) {
    this.#connections.delete(connection.id);
    unreachable.unregister(connection); // what is registered outlives minor collections, with all that it refers to
    this.#listening.delete(connection);
    this.#holdWhileListening();
  }

  /** @param {Connection} connection */
  #addConnection(connection) {
    this.#connections.set(connection.id, new WeakRef(connection));
    unreachable.register(connection, { world: new WeakRef(this), id: connection.id }, connection);
  }

  /**
   * "If an IDBDatabase object is garbage collected, the associated connection must be closed", and it must not be while it has listeners:
   * https://w3c.github.io/IndexedDB/#database-interface
   * @param {Connection} connection
   */
  listenersChanged(connection) {
    if (connection.listeners.length > 0 && !connection.closePending) this.#listening.add(connection);
    else this.#listening.delete(connection);
    this.#holdWhileListening();
  }

  #holdWhileListening() {
    if (this.#path !== null && this.#listening.size > 0) listeningWorlds.add(this);
    else listeningWorlds.delete(this);
  }

  /** @param {number} id of a connection that was garbage collected */
  closeUnreachable(id) {
    if (!this.#connections.delete(id)) return;
    this.#client?.closeConnection(id);
    this.#queueDrain();
  }

  /** @param {Transaction} transaction */
  #expectOf(transaction) {
    this.#expecting.set(transaction.id, transaction);
    this.#expect();
  }

  /** Something was asked for that an event answers. */
  #expect() {
    this.#waiting += 1;
    this.#queueDrain();
  }

  /** Events that our own call caused are fetched from a macrotask, once for all calls of a turn. */
  #queueDrain() {
    if (this.#drainQueued) return;
    this.#drainQueued = true;
    queueTask(() => this.drain());
  }

  drain() {
    this.#drainQueued = false;
    for (const event of this.#client?.drain() ?? []) this.#handle(event);
    this.#holdWhileWaiting();
  }

  /** An open handle keeps the process alive only while an answer is outstanding. */
  #holdWhileWaiting() {
    const hold = this.#waiting > 0;
    if (hold === this.#held || this.#client === null) return;
    this.#held = hold;
    this.#client.hold(hold);
    if (hold) waitingWorlds.add(this);
    else waitingWorlds.delete(this);
  }

  /** @param {NativeEvent} event */
  #handle(event) {
    switch (event.type) {
      case 'started':
      case 'committed':
      case 'commitFailed':
        this.#handleTransaction(event);
        break;
      case 'versionchange':
        this.#handleVersionChange(event);
        break;
      default:
        this.#handleRequest(event);
    }
  }

  /** @param {Extract<NativeEvent, { type: 'started' | 'committed' | 'commitFailed' }>} event */
  #handleTransaction(event) {
    const transaction = this.#expecting.get(event.transaction);
    if (transaction === undefined) return;
    this.#expecting.delete(event.transaction);
    this.#waiting -= 1;
    if (event.type === 'started') {
      transactionStarted(transaction);
      return;
    }
    transaction.live = false;
    if (event.type === 'commitFailed') commitFailed(transaction, exceptionOf(event));
    else committed(transaction);
  }

  /**
   * @param {string | undefined} name
   * @param {NativeEvent} event
   */
  #postpone(name, event) {
    const postponed = name === undefined ? undefined : this.#upgrading.get(name);
    if (postponed === undefined) return false;
    append(postponed, event);
    return true;
  }

  /** @param {string} name of a database whose open request is about to have its last event */
  upgradeFinished(name) {
    const postponed = this.#upgrading.get(name) ?? [];
    this.#upgrading.delete(name);
    for (const event of postponed) this.#handle(event);
    this.#holdWhileWaiting();
  }

  /**
   * The name of the database of a connection, which scripts may not have heard of yet.
   * @param {number} connection
   */
  #databaseOf(connection) {
    const known = this.#connections.get(connection)?.deref();
    if (known !== undefined) return known.name;
    for (const [name, postponed] of this.#upgrading) {
      if (postponed.some((event) => event.type === 'opened' && event.connection === connection)) return name;
    }
    return undefined;
  }

  /** @param {Extract<NativeEvent, { type: 'versionchange' }>} event */
  #handleVersionChange(event) {
    if (this.#postpone(this.#databaseOf(event.connection), event)) return;
    const connection = this.#connections.get(event.connection)?.deref();
    if (connection === undefined) this.closeUnreachable(event.connection);
    openDatabase.versionChange(connection, event, () => {
      this.#client?.versionChangeDelivered(event.request, event.connection);
      this.#queueDrain();
    });
  }

  /** @param {Extract<NativeEvent, { type: 'blocked' | 'upgrade' | 'opened' | 'deleted' | 'failed' }>} event */
  #handleRequest(event) {
    const request = this.#requests.get(event.request);
    if (request === undefined || this.#postpone(request.databaseName, event)) return;
    if (event.type === 'blocked') {
      openDatabase.blocked(request, event);
      return;
    }
    this.#waiting -= 1;
    this.#requests.delete(event.request);
    switch (event.type) {
      case 'upgrade': {
        this.#upgrading.set(request.databaseName, []);
        const transaction = openDatabase.upgrade(this, request, event);
        this.#addConnection(transaction.connection);
        transaction.id = event.transaction;
        this.#add(transaction);
        break;
      }
      case 'opened':
        this.#addConnection(openDatabase.opened(this, request, event));
        break;
      case 'deleted':
        openDatabase.deleted(request, event);
        break;
      case 'failed':
        openDatabase.failed(request, exceptionOf(event));
        break;
    }
    if (this.#requests.size === 0) this.#whenAnswered?.();
  }

  /**
   * Closes all connections, waits for their transactions and gives the native client up. Requests of which nothing has been done fail.
   */
  close() {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close() {
    await this.#opened();
    this.#withdrawRequests();
    // What has been done is answered before a connection is closed, which may be what others wait for.
    this.drain();
    do {
      await this.#closeConnections();
      await this.#answered();
      // The end of an upgrade that was aborted may be a task that is queued; and a loop of promises alone would let no task run.
      await new Promise((resolve) => { queueTask(resolve); });
    } while (this.#connections.size > 0 || !this.#transactions.isEmpty);
    const client = this.#client;
    this.#client = null;
    this.#functions = null;
    waitingWorlds.delete(this);
    listeningWorlds.delete(this);
    await client?.dispose();
  }

  /** Until their transactions are finished. One that was closed before may still have some. */
  async #closeConnections() {
    const connections = new Set(this.#transactions.toArray().map(({ connection }) => connection));
    for (const [id, reference] of [...this.#connections]) {
      const connection = reference.deref();
      if (connection === undefined) this.closeUnreachable(id);
      else connections.add(connection);
    }
    const idle = [...connections].map((connection) => {
      openDatabase.closeConnection(connection);
      return new Promise((resolve) => connection.whenIdle(() => resolve(undefined)));
    });
    await Promise.all(idle);
  }

  /** Requests of which nothing has been done fail. The others get the answer that is true. */
  #withdrawRequests() {
    for (const id of this.#client?.withdrawRequests() ?? []) {
      const request = this.#requests.get(id);
      if (request === undefined) continue;
      this.#requests.delete(id);
      this.#waiting -= 1;
      openDatabase.failed(request, exception('AbortError', 'The factory was closed'));
    }
  }

  /** @returns {Promise<void>} until no request to open or to delete is left */
  #answered() {
    return new Promise((resolve) => {
      if (this.#requests.size === 0) resolve();
      else this.#whenAnswered = resolve;
    });
  }

  /** @returns {Promise<void>} until a directory that is being opened is open, or has failed */
  #opened() {
    return new Promise((resolve) => {
      if (this.#opening === null) resolve();
      else append(this.#opening, { ready: resolve, failed: () => resolve() });
    });
  }
}

/** @param {{ name: string, message: string, code?: string, file?: string, offset?: number }} event of the native side */
function exceptionOf({ name, message, code, file, offset }) {
  return code === undefined ? exception(name, message) : engineException(name, code, message, { file, offset });
}

function factoryClosed() {
  return exception('InvalidStateError', 'The factory is closed');
}

/** Messages have the number of the transaction. */
function isTraced() {
  return trace.transactions.hasSubscribers || trace.requests.hasSubscribers;
}

/**
 * What the native side calls, from the event loop, when another thread has caused an event.
 * @param {World} world
 */
function wakeOf(world) {
  const weak = new WeakRef(world);
  return () => {
    queueTask(() => weak.deref()?.drain());
  };
}

module.exports = { World };

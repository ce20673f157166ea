'use strict';

// Runs a program of generator.js in a page or in Node and answers with the log of everything that could be seen: results, events
// in their order, exceptions and the contents at the end.

const { canonical } = require('./canonical');
const { Log } = require('./log');
const { Operations } = require('./operations');
const { dump } = require('./dump');

/**
 * What a program runs in.
 * @typedef {object} Environment
 * @property {any} indexedDB
 * @property {any} IDBKeyRange
 * @property {string} prefix of the names of databases
 * @property {() => string[]} takeReports the messages of exceptions reported since the last call
 * @property {() => Promise<any>} [restart] closes everything and answers with another factory on the same data
 */

const PHASE_MS_MAX = 5000;
/** Turns of the event loop after the last event, in which no other may come. */
const QUIET_TURNS = 3;

const turn = () => new Promise((resolve) => { setTimeout(resolve, 0); });

class Interpreter {
  log = new Log();
  /** Connections by name. @type {Map<string, any>} */
  connections = new Map();
  /** Transactions that have not ended, and what they may see. @type {Map<any, { id: string, stores: string[], mode: string }>} */
  running = new Map();
  #pending = 0;
  #idle = () => {};
  #operations = new Operations(this);

  /** @param {Environment} environment */
  constructor(environment) {
    this.environment = environment;
    this.name = `${environment.prefix}database`;
  }

  /** @param {{ phases: any[][], rescue: any }} program */
  async run({ phases, rescue }) {
    for (const [number, phase] of phases.entries()) {
      if (phase.some(({ step }) => step === 'transaction') && this.connections.size === 0) {
        await this.#phase(`phase ${number}, before`, [{ ...rescue, id: `${rescue.id}.${number}` }]);
      }
      await this.#phase(`phase ${number}`, phase);
    }
    this.#closeAll('end');
    await dump(this);
    this.log.endPhase('contents');
    return this.log.text();
  }

  begin() {
    this.#pending += 1;
  }

  end() {
    this.#pending -= 1;
    if (this.#pending === 0) this.#idle();
  }

  /** @param {string} expression @param {any} [value] @param {any} [key] */
  evaluate(expression, value, key) {
    const { indexedDB, IDBKeyRange } = this.environment;
    return new Function('indexedDB', 'IDBKeyRange', 'value', 'key', `return (${expression});`)(indexedDB, IDBKeyRange, value, key);
  }

  /**
   * @param {string} lane
   * @param {string} what
   * @param {() => unknown} act
   */
  attempt(lane, what, act) {
    try {
      return act();
    } catch (error) {
      this.log.write(lane, `${what} throws ${/** @type {any} */ (error)?.name}`);
      return undefined;
    }
  }

  /**
   * @param {string} title
   * @param {any[]} steps
   */
  async #phase(title, steps) {
    const idle = new Promise((resolve) => { this.#idle = /** @type {() => void} */ (resolve); });
    this.begin();
    for (const step of steps) {
      if (step.step === 'restart') await this.#restart(step);
      else this.attempt(step.id, step.step, () => this.#step(step));
    }
    this.end();
    const late = new Promise((resolve) => { this.timer = setTimeout(resolve, PHASE_MS_MAX, 'late'); });
    if (await Promise.race([idle, late]) === 'late') this.log.write('late', `${this.#pending} are missing`);
    clearTimeout(this.timer);
    for (let i = 0; i < QUIET_TURNS; i++) await turn();
    for (const message of this.environment.takeReports().sort()) this.log.write('reported', message);
    this.log.endPhase(title);
  }

  /** @param {any} step */
  #step(step) {
    switch (step.step) {
      case 'open': return this.#open(step);
      case 'deleteDatabase': return this.#deleteDatabase(step);
      case 'transaction': return this.transaction(step, this.#connection(step));
      case 'close': return this.#close(step.id, step.connection);
      case 'databases': return this.#databases(step.id);
      default: return this.log.write(step.id, `${step.expression} = ${canonical(this.evaluate(step.expression))}`);
    }
  }

  /** @param {{ connection: string }} step */
  #connection(step) {
    return this.connections.get(step.connection) ?? this.connections.values().next().value;
  }

  /** @param {any} step */
  #open(step) {
    const { id, connection } = step;
    const request = this.#follow(id, this.environment.indexedDB.open(this.name, step.version));
    request.onupgradeneeded = (/** @type {any} */ event) => {
      const { result: db, transaction } = request;
      this.log.write(id, `upgradeneeded ${event.oldVersion} ${event.newVersion}; running: ${[...this.running.values()].map((each) => each.id)}`);
      this.#adopt(step, db);
      this.watch({ ...step, lane: id }, transaction);
      this.#operations.execute(step.script, { lane: id, db, transaction });
    };
    request.onsuccess = () => {
      const db = request.result;
      this.log.write(id, `success ${db.version} ${canonical(db.objectStoreNames)}`);
      if (this.connections.get(connection) !== db) this.#adopt(step, db);
      this.end();
    };
    request.onerror = (/** @type {any} */ event) => {
      if (event.target !== request) return;
      this.log.write(id, `error ${request.error.name}, transaction ${request.transaction}`);
      this.connections.delete(connection);
      this.end();
    };
  }

  /** @param {any} step */
  #deleteDatabase({ id }) {
    const request = this.#follow(id, this.environment.indexedDB.deleteDatabase(this.name));
    request.onsuccess = (/** @type {any} */ event) => {
      this.log.write(id, `success ${event.oldVersion} ${event.newVersion} ${request.result} ${event.constructor.name}`);
      this.end();
    };
    request.onerror = () => {
      this.log.write(id, `error ${request.error.name}`);
      this.end();
    };
  }

  /**
   * @param {string} id
   * @param {any} request
   */
  #follow(id, request) {
    this.begin();
    request.onblocked = (/** @type {any} */ event) => {
      this.log.write(id, `blocked ${event.oldVersion} ${event.newVersion} ${request.readyState}`);
      this.#closeAll(id);
    };
    return request;
  }

  /**
   * @param {any} step
   * @param {any} db
   */
  #adopt({ connection, onVersionChange, watch }, db) {
    this.connections.set(connection, db);
    db.onversionchange = (/** @type {any} */ event) => {
      this.log.write(connection, `versionchange ${event.oldVersion} ${event.newVersion} ${onVersionChange}`);
      if (onVersionChange === 'close') this.#close(connection, connection);
    };
    if (watch) for (const type of ['success', 'error', 'complete', 'abort']) this.#operations.eavesdrop(db, type, 'database');
  }

  /**
   * @param {string} lane
   * @param {string} connection
   */
  #close(lane, connection) {
    const db = this.connections.get(connection);
    if (db === undefined) return;
    this.connections.delete(connection);
    db.close();
    this.attempt(lane, 'transaction after close', () => db.transaction(Array.from(db.objectStoreNames)));
  }

  /** @param {string} lane */
  #closeAll(lane) {
    for (const connection of [...this.connections.keys()]) this.#close(lane, connection);
  }

  /** @param {any} step */
  async #restart({ id }) {
    this.#closeAll(id);
    if (this.environment.restart) this.environment.indexedDB = await this.environment.restart();
  }

  /** @param {string} id */
  #databases(id) {
    this.begin();
    this.environment.indexedDB.databases().then((/** @type {any[]} */ list) => {
      const mine = list.filter(({ name }) => name === this.name);
      this.log.write(id, `databases ${mine.map(({ version }) => version)}`);
      this.end();
    });
  }

  /**
   * @param {any} step
   * @param {any} db
   */
  transaction(step, db) {
    if (db === undefined) return this.log.write(step.id, 'no connection');
    const stores = this.#scope(step.stores, db);
    const transaction = db.transaction(stores, step.mode, this.evaluate(step.options ?? 'undefined'));
    this.log.write(step.id, `${transaction.mode} ${canonical(transaction.objectStoreNames)} ${transaction.durability} ${transaction.error}`);
    this.begin();
    this.watch({ ...step, lane: step.id }, transaction, () => this.end());
    this.#operations.prepare(transaction);
    return this.#operations.execute(step.script, { lane: step.id, db, transaction });
  }

  /**
   * @param {string | number[] | undefined} stores
   * @param {any} db
   */
  #scope(stores, db) {
    if (typeof stores === 'string') return this.evaluate(stores);
    const names = Array.from(db.objectStoreNames);
    return stores === undefined ? names : stores.map((number) => names[number % names.length] ?? 'none');
  }

  /**
   * @param {any} step
   * @param {any} transaction
   * @param {() => void} [ended]
   */
  watch({ lane, watch, prevent, complete = [] }, transaction, ended = () => {}) {
    const earlier = this.#overlapping(transaction);
    this.running.set(transaction, { id: lane, stores: Array.from(transaction.objectStoreNames), mode: transaction.mode });
    const finish = (/** @type {string} */ line) => {
      this.running.delete(transaction);
      this.log.write(lane, line);
      try {
        this.#operations.execute(complete, { lane, db: transaction.db, transaction });
      } finally {
        ended();
      }
    };
    transaction.addEventListener('complete', () => {
      this.checkOrder(lane, earlier);
      finish('complete');
    });
    transaction.addEventListener('abort', () => finish(`abort ${transaction.error?.name}`));
    transaction.addEventListener('error', (/** @type {any} */ event) => {
      this.log.write(lane, `error passes, prevented: ${event.defaultPrevented}, bubbles: ${event.bubbles}`);
      if (prevent) event.preventDefault();
    });
    if (watch) this.#operations.eavesdrop(transaction, 'success', 'transaction');
    this.#operations.names.set(transaction, { lane, name: lane, earlier });
  }

  /**
   * Those of the running transactions that must have ended before this one begins.
   * @param {any} transaction
   */
  #overlapping(transaction) {
    const stores = Array.from(transaction.objectStoreNames);
    const conflicts = (/** @type {{ stores: string[], mode: string }} */ other) =>
      (other.mode !== 'readonly' || transaction.mode !== 'readonly') && other.stores.some((store) => stores.includes(store));
    return [...this.running].filter(([, other]) => conflicts(other)).map(([other]) => other);
  }

  /**
   * @param {string} lane
   * @param {any[]} earlier
   */
  checkOrder(lane, earlier) {
    for (const each of earlier) {
      const other = this.running.get(each);
      if (other) this.log.write(lane, `runs before ${other.id} has ended`);
    }
  }
}

module.exports = { Interpreter };

'use strict';

// A random program for IndexedDB: a list of phases, each a list of steps that are taken at once; the next phase begins when all
// that came of them has ended. It is plain data, which interpreter.js runs. Stores and indexes are named by a number, counted
// among those that are there when the time comes.

const { Random } = require('../../support/random_value');
const { Expressions } = require('./expressions');

const STORES = ["'s0'", "'s1'", "'s2'", "'\\u00e9 \\ud800'"];
const INDEXES = ["'i0'", "'i1'", "'i2'", "''"];
const MODES = ['readonly', 'readwrite', 'readwrite'];
const PHASES_MAX = 5;
const QUERIES = ['get', 'getKey', 'getAll', 'getAllKeys', 'getAllRecords', 'count', 'openCursor', 'openKeyCursor'];
/** Calls with arguments that are wrong, or on the edge, and take no transaction. */
const CALLS = [
  'indexedDB.cmp(1, -0)', 'indexedDB.cmp()', 'indexedDB.cmp([1, [2]], [1, [new Date(0)]])', 'indexedDB.cmp(NaN, 1)', 'indexedDB.cmp("a", "\\ud800")',
  'IDBKeyRange.bound(2, 1)', 'IDBKeyRange.bound(1, 1, true)', 'IDBKeyRange.only()', 'IDBKeyRange.only(null)', 'IDBKeyRange.lowerBound(1).includes(1)',
  'IDBKeyRange.bound([], [[]], true, true).includes([1])', 'IDBKeyRange.upperBound("a", true).includes(Infinity)', 'new IDBKeyRange()',
  'IDBKeyRange.only(5).includes({})', 'indexedDB.open()', 'indexedDB.open("x", 0)', 'indexedDB.open("x", -1)', 'indexedDB.open("x", 2 ** 53)',
  'indexedDB.open("x", "y")', 'indexedDB.open(Symbol())', 'indexedDB.deleteDatabase()', 'IDBKeyRange.lowerBound(new Date(5)).lower',
  'IDBKeyRange.prototype.lower', 'indexedDB.cmp(new Uint8Array([1]), new Uint8Array([1, 0]))', 'indexedDB.open("x", NaN)', 'indexedDB.open("x", null)',
];
const WRONG_TRANSACTIONS = [
  { stores: "'none'", mode: 'readonly' }, { stores: '[]', mode: 'readonly' }, { stores: "['s0', 'none']", mode: 'readwrite' },
  { stores: "'s0'", mode: 'versionchange' }, { stores: "'s0'", mode: 'bad' }, { stores: 'Symbol()', mode: 'readonly' },
];

class Generator {
  #random;
  #make;
  #ids = 0;
  #version = 1;
  #connections = 0;
  /** Names of connections that are probably open. @type {string[]} */
  #open = [];
  /** A transaction made in a listener: one in a phase, or their order would be nobody's business. */
  #mayNest = true;

  /** @param {number} seed */
  constructor(seed) {
    this.#random = new Random(seed);
    this.#make = new Expressions(this.#random);
  }

  program() {
    const rescue = this.#opening({ same: true });
    const phases = [[this.#opening()]];
    for (let i = 2 + this.#random.below(PHASES_MAX - 1); i > 0; i--) phases.push(this.#phase());
    return { rescue: { ...rescue, version: undefined }, phases };
  }

  /** @param {number} count */
  #oneIn(count) {
    return this.#random.below(count) === 0;
  }

  /** @param {string} letter */
  #id(letter) {
    this.#ids += 1;
    return letter + this.#ids;
  }

  /**
   * @template T
   * @param {number} max
   * @param {() => T} make
   */
  #list(max, make) {
    return Array.from({ length: 1 + this.#random.below(max) }, make);
  }

  /** @returns {any[]} */
  #phase() {
    this.#mayNest = true;
    switch (this.#random.below(12)) {
      case 0: return [this.#opening({ same: true })];
      case 1:
      case 2: return this.#upgrade();
      case 3: return this.#list(6, () => ({ step: 'call', id: this.#id('x'), expression: this.#random.pick(CALLS) }));
      case 4: return this.#restart();
      case 5: return this.#wrongOpening();
      case 6: return this.#deletion();
      default: return this.#work();
    }
  }

  /** Several transactions at once. */
  #work() {
    const steps = this.#list(4, () => this.#transaction());
    if (this.#oneIn(8)) steps.push(/** @type {any} */ ({ step: 'close', id: this.#id('x'), connection: this.#random.pick(this.#open) }));
    if (this.#oneIn(6)) steps.push(/** @type {any} */ ({ step: 'databases', id: this.#id('x') }));
    return steps;
  }

  /** A version is asked for while other connections are open. */
  #upgrade() {
    this.#version += 1;
    return [this.#opening()];
  }

  /** All connections are closed, and on disk everything is opened anew. */
  #restart() {
    this.#open = [];
    return [{ step: 'restart', id: this.#id('x') }, this.#opening({ same: true })];
  }

  #wrongOpening() {
    const opening = this.#opening({ same: true });
    this.#open.pop();
    return [{ ...opening, version: this.#random.pick([0.5, this.#version - 1, -5, this.#version + 0.5]) }];
  }

  #deletion() {
    const deletion = { step: 'deleteDatabase', id: this.#id('d') };
    this.#open = [];
    this.#version = 1 + this.#random.below(3);
    return this.#oneIn(2) ? [deletion, this.#opening(), this.#opening({ same: true })] : [deletion, this.#opening()];
  }

  #opening({ same = false } = {}) {
    this.#connections += 1;
    const connection = `c${this.#connections}`;
    this.#open.push(connection);
    if (!same) this.#open = [connection];
    return {
      step: 'open', id: this.#id('o'), connection, version: same && this.#oneIn(2) ? undefined : this.#version, onVersionChange: this.#random.pick(['close', 'close', 'ignore']),
      watch: this.#oneIn(4), script: this.#upgradeScript(), prevent: this.#oneIn(2),
    };
  }

  #upgradeScript() {
    const script = this.#list(3, () => this.#createStore());
    for (let i = this.#random.below(10); i > 0; i--) script.push(this.#schemaChange());
    script.push(/** @type {any} */ ({ op: 'describe' }));
    for (let i = this.#random.below(5); i > 0; i--) script.push(this.#write(1));
    if (this.#oneIn(3)) script.push(this.#schemaChange());
    if (this.#oneIn(8)) script.push(/** @type {any} */ ({ op: this.#random.pick(['abort', 'throw']) }));
    return script;
  }

  /** @returns {any} */
  #createStore() {
    return { op: 'createStore', name: this.#random.pick(STORES), options: this.#make.storeOptions() };
  }

  /** @returns {any} */
  #schemaChange() {
    const store = this.#random.below(4);
    switch (this.#random.below(9)) {
      case 0: return this.#createStore();
      case 1: return this.#oneIn(3) ? { op: 'deleteStore', store } : { op: 'describe' };
      case 2: return { op: 'renameStore', store, name: this.#random.pick(STORES) };
      case 3: return { op: 'renameIndex', store, index: this.#random.below(3), name: this.#random.pick(INDEXES) };
      case 4: return { op: 'deleteIndex', store, index: this.#random.below(3) };
      case 5: return this.#write(1);
      default: return { op: 'createIndex', store, name: this.#random.pick(INDEXES), keyPath: this.#make.keyPath(), options: this.#make.indexOptions() };
    }
  }

  /** @returns {any} */
  #transaction() {
    const base = { step: 'transaction', id: this.#id('t'), connection: this.#random.pick(this.#open) };
    if (this.#oneIn(15)) return { ...base, ...this.#random.pick(WRONG_TRANSACTIONS), script: [], complete: [] };
    const mode = this.#random.pick(MODES);
    const options = this.#random.pick(['undefined', 'undefined', "{ durability: 'strict' }", "{ durability: 'relaxed' }", "{ durability: 'bad' }", 'null']);
    const stores = this.#oneIn(3) ? undefined : this.#list(2, () => this.#random.below(4));
    return {
      ...base, mode, stores, options: this.#oneIn(4) ? options : 'undefined', prevent: this.#oneIn(4), watch: this.#oneIn(5),
      script: this.#script(2, 6), complete: this.#oneIn(5) ? [{ op: 'lookUp' }, ...this.#script(0, 3)] : [],
    };
  }

  /**
   * @param {number} depth how deep requests are made in listeners of requests
   * @param {number} max
   */
  #script(depth, max) {
    const script = this.#list(max, () => this.#operation(depth));
    if (this.#oneIn(10)) script.push(this.#ending());
    if (this.#oneIn(25)) script.push(this.#operation(0));
    return script;
  }

  /** @returns {any} */
  #ending() {
    return { op: this.#random.pick(['abort', 'abort', 'commit', 'throw']) };
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  #operation(depth) {
    switch (this.#random.below(16)) {
      case 0: return { op: 'microtask', script: [this.#write(0)] };
      case 1: return this.#oneIn(3) ? this.#nested() : this.#query(depth);
      case 2: return { op: 'describe' };
      case 3: return this.#request(depth, { method: this.#random.pick(['delete', 'delete', 'clear']), args: this.#oneIn(20) ? [] : [this.#make.range()] });
      case 4:
      case 5:
      case 6:
      case 7: return this.#query(depth);
      case 8:
      case 9: return this.#cursor(depth);
      default: return this.#write(depth);
    }
  }

  /** @returns {any} */
  #nested() {
    if (!this.#mayNest) return this.#write(0);
    this.#mayNest = false;
    return { op: 'nested', transaction: this.#transaction() };
  }

  /**
   * @param {number} depth
   * @param {any} parts
   */
  #request(depth, parts) {
    const nests = depth > 0 && this.#oneIn(3);
    return {
      op: 'request', id: this.#id('r'), store: this.#random.below(4), ...parts, prevent: this.#oneIn(2), stop: this.#oneIn(12),
      success: nests ? this.#script(depth - 1, 2) : [], error: depth > 0 && this.#oneIn(4) ? this.#script(0, 2) : [],
    };
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  #write(depth) {
    const method = this.#random.pick(['add', 'put', 'put']);
    // With `fit` a key is given where the store wants one, else as it comes. Chromium clones the value before it looks at the key, and
    // looks at the key before it asks whether the transaction is active; the standard does it the other way round. So what is wrong is one
    // of them at a time, and a wrong key is left out where the transaction is not active (`wrongKey`).
    if (!this.#oneIn(8)) return this.#request(depth, { method, args: [this.#make.value(), this.#make.key()], fit: true });
    const wrongKey = this.#oneIn(2);
    const args = [this.#make.cloneable()];
    if (wrongKey) args.push(this.#make.invalidKey());
    else if (this.#oneIn(2)) args.push(this.#make.key());
    return this.#request(depth, { method, args, fit: false, wrongKey });
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  #query(depth) {
    const method = this.#random.pick(QUERIES.slice(0, 6));
    const index = this.#oneIn(2) ? this.#random.below(3) : undefined;
    return this.#request(depth, { method, index, args: this.#queryArguments(method) });
  }

  /** @param {string} method */
  #queryArguments(method) {
    if (method === 'getAllRecords') return this.#oneIn(5) ? [] : [this.#make.allOptions()];
    if (method === 'count') return this.#oneIn(4) ? [] : [this.#make.query()];
    if (!method.startsWith('getAll')) return this.#oneIn(20) ? [] : [this.#make.range()];
    if (this.#oneIn(2)) return [this.#make.allOptions()];
    return [this.#make.query(), this.#make.count()].slice(0, this.#random.below(3));
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  #cursor(depth) {
    const index = this.#oneIn(2) ? this.#random.below(3) : undefined;
    const args = [this.#make.query(), this.#make.direction()].slice(0, this.#random.below(3));
    const steps = this.#list(3, () => this.#cursorStep());
    return { ...this.#request(depth, { method: this.#random.pick(QUERIES.slice(6)), index, args }), steps, success: [] };
  }

  /** What a listener does with a cursor: perhaps a write, then mostly one move. */
  #cursorStep() {
    const step = [];
    if (this.#oneIn(4)) step.push({ op: 'update', id: this.#id('r'), value: this.#update(), prevent: this.#oneIn(2) });
    if (this.#oneIn(6)) step.push({ op: 'deleteCurrent', id: this.#id('r') });
    if (this.#oneIn(8)) step.push(this.#write(0));
    step.push(this.#move());
    if (this.#oneIn(15)) step.push(this.#move());
    if (this.#oneIn(20)) step.push(this.#ending());
    return step;
  }

  #update() {
    return this.#oneIn(4) ? this.#make.value() : `Object.assign(value ?? {}, { ${this.#random.pick(['a', 'b', 'list', 'id'])}: ${this.#make.part()} })`;
  }

  /** @returns {any} */
  #move() {
    switch (this.#random.below(8)) {
      case 0: return { op: 'move', method: 'advance', args: [this.#make.pick(['1', '2', '3', '1', '0', '-1', '2 ** 32', "'x'"])] };
      case 1: return { op: 'move', method: 'continue', args: [this.#make.keyOrNot()] };
      case 2: return { op: 'move', method: 'continuePrimaryKey', args: [this.#make.keyOrNot(), this.#make.keyOrNot()] };
      case 3: return { op: 'move', method: 'continuePrimaryKey', args: ['key', this.#make.key()] };
      default: return { op: 'move', method: 'continue', args: [] };
    }
  }
}

/**
 * @param {number} seed
 * @returns {{ phases: any[][], rescue: any }} `rescue` is the opening that is inserted where all connections are gone
 */
function generate(seed) {
  return new Generator(seed).program();
}

module.exports = { generate };

'use strict';

// What a program does within a transaction, and what its listeners log.

const { canonical } = require('./canonical');

/** Moves of one cursor; whatever a program says, it ends. */
const MOVES_MAX = 12;

/** @typedef {{ lane: string, db: any, transaction: any, cursor?: any }} Context */

/** @param {any} cursor */
function cursorText(cursor) {
  const value = 'value' in cursor ? ` ${canonical(cursor.value)}` : '';
  return `cursor ${cursor.direction} ${canonical(cursor.key)} ${canonical(cursor.primaryKey)}${value}`;
}

/** @param {any} result */
function resultText(result) {
  return Object.prototype.toString.call(result).startsWith('[object IDBCursor') ? cursorText(result) : canonical(result);
}

class Operations {
  /** Requests and transactions: their lanes and names. @type {WeakMap<object, { lane: string, name: string, earlier: any[] }>} */
  names = new WeakMap();
  #made = new Set();
  /** Stores that got a unique index in a transaction of their own. @type {WeakSet<object>} */
  #withNewUniqueIndex = new WeakSet();
  /** Stores and indexes of a transaction by name. @type {WeakMap<object, Map<string, any>>} */
  #sources = new WeakMap();

  /** @param {import('./interpreter').Interpreter} interpreter */
  constructor(interpreter) {
    this.interpreter = interpreter;
  }

  /**
   * @param {any[]} script
   * @param {Context} context
   */
  execute(script, context) {
    for (const operation of script) {
      if (operation.op === 'throw') throw new Error(`thrown in ${context.lane}`);
      const what = operation.id ?? operation.op;
      this.interpreter.attempt(context.lane, operation.method ? `${what} ${operation.method}` : what, () => this.#run(operation, context));
    }
  }

  /**
   * @param {any} operation
   * @param {Context} context
   */
  #run(operation, context) {
    const { transaction, db } = context;
    const evaluate = (/** @type {string} */ expression) => this.interpreter.evaluate(expression);
    switch (operation.op) {
      case 'request': return this.#request(operation, context);
      case 'move': return this.#move(operation, context);
      case 'update': return this.#update(operation, context);
      case 'deleteCurrent': return this.follow(operation, context.cursor.delete(), context);
      case 'microtask': return this.#microtask(operation, context);
      case 'nested': return this.#nested(operation.transaction, db);
      case 'describe': return this.#describe(context);
      case 'lookUp': return transaction.objectStore(transaction.objectStoreNames[0]);
      // Pages in which a request followed the commit of a version change ended without a log.
      case 'commit': return transaction.mode === 'versionchange' ? undefined : transaction.commit();
      case 'abort': return transaction.abort();
      case 'createStore': return db.createObjectStore(evaluate(operation.name), evaluate(operation.options));
      case 'deleteStore': return this.#deleteStore(this.#store(transaction, operation.store), context);
      case 'renameStore': this.#store(transaction, operation.store).name = evaluate(operation.name); return undefined;
      default: return this.#changeIndex(operation, this.#store(transaction, operation.store));
    }
  }

  /**
   * @param {any} operation
   * @param {any} store
   */
  #changeIndex(operation, store) {
    const evaluate = (/** @type {string} */ expression) => this.interpreter.evaluate(expression);
    if (operation.op === 'createIndex') return this.#noteIndex(store.createIndex(evaluate(operation.name), evaluate(operation.keyPath), evaluate(operation.options)));
    const name = store.indexNames[operation.index % store.indexNames.length] ?? 'none';
    if (operation.op === 'deleteIndex') return store.deleteIndex(name);
    store.index(name).name = evaluate(operation.name);
    return undefined;
  }

  /** @param {any} index */
  #noteIndex(index) {
    if (index.unique) this.#withNewUniqueIndex.add(index.objectStore);
  }

  /**
   * Not where a unique index was made just now, perhaps over duplicates: by the standard that aborts the transaction, in Chromium not if
   * the store is gone by the time.
   * @param {any} store
   * @param {Context} context
   */
  #deleteStore(store, { db }) {
    if (!this.#withNewUniqueIndex.has(store)) db.deleteObjectStore(store.name);
  }

  /**
   * Looks up what a transaction can see while it is new: after `commit()` Chromium refuses `objectStore()` and `index()`, which
   * by the standard are refused only when the transaction has finished.
   * @param {any} transaction
   */
  prepare(transaction) {
    const sources = new Map();
    for (const name of transaction.objectStoreNames) {
      const store = transaction.objectStore(name);
      sources.set(name, store);
      for (const index of store.indexNames) sources.set(JSON.stringify([name, index]), store.index(index));
    }
    this.#sources.set(transaction, sources);
  }

  /**
   * @param {any} transaction
   * @param {number} number
   */
  #store(transaction, number) {
    const names = transaction.objectStoreNames;
    const name = names[number % names.length] ?? 'none';
    return this.#sources.get(transaction)?.get(name) ?? transaction.objectStore(name);
  }

  /**
   * @param {any} transaction
   * @param {any} store
   * @param {string} name
   */
  #index(transaction, store, name) {
    return this.#sources.get(transaction)?.get(JSON.stringify([store.name, name])) ?? store.index(name);
  }

  /**
   * @param {any} operation
   * @param {Context} context
   */
  #request(operation, context) {
    const store = this.#store(context.transaction, operation.store);
    const { indexNames } = store;
    const source = operation.index === undefined || indexNames.length === 0 ? store : this.#index(context.transaction, store, indexNames[operation.index % indexNames.length]);
    const args = operation.args.map((/** @type {string} */ expression) => this.interpreter.evaluate(expression));
    if (operation.fit && store.keyPath !== null) args.pop();
    if (this.#isLeftOut(operation, context, store)) return;
    this.follow(operation, source[operation.method](...args), context);
  }

  /**
   * Calls left out because Chromium does other than the standard says: it looks at a key, and at the options of getAll() and its like, before it
   * asks for the transaction. After getAllRecords() on one that was not active, pages ended without a log.
   * @param {any} operation
   * @param {Context} context
   * @param {any} store
   */
  #isLeftOut({ id, method, wrongKey }, context, store) {
    if (method.startsWith('getAll')) return !this.#isActive(id, context, store);
    return wrongKey && (context.transaction.mode === 'readonly' || !this.#isActive(id, context, store));
  }

  /**
   * Whether the store's transaction takes requests; if so it gets one.
   * @param {string} id
   * @param {Context} context
   * @param {any} store
   */
  #isActive(id, { lane }, store) {
    try {
      this.names.set(store.count(), { lane, name: `${id} probe`, earlier: [] });
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Logs what becomes of a request, and does what is to be done then.
   * @param {any} operation
   * @param {any} request
   * @param {Context} context
   */
  follow(operation, request, context) {
    const { lane } = context;
    this.names.set(request, { lane, name: operation.id, earlier: [] });
    let moves = 0;
    request.addEventListener('success', () => {
      this.#checkOrder(context);
      this.#write(lane, `${operation.id} ${resultText(request.result)}`);
      if (operation.steps === undefined || request.result === null) return this.execute(operation.success ?? [], context);
      if (moves++ < MOVES_MAX) this.execute(operation.steps[moves % operation.steps.length], { ...context, cursor: request.result });
      return undefined;
    });
    request.addEventListener('error', (/** @type {any} */ event) => {
      this.#write(lane, `${operation.id} error ${request.error.name}, cancelable: ${event.cancelable}`);
      if (operation.prevent) event.preventDefault();
      if (operation.stop) event.stopPropagation();
      this.execute(operation.error ?? [], context);
    });
  }

  /** @param {Context} context */
  #checkOrder({ transaction, lane }) {
    this.interpreter.checkOrder(lane, this.names.get(transaction)?.earlier ?? []);
  }

  /**
   * @param {string} lane
   * @param {string} line
   */
  #write(lane, line) {
    this.interpreter.log.write(lane, line);
  }

  /**
   * @param {any} operation
   * @param {Context} context
   */
  #move(operation, { cursor }) {
    cursor[operation.method](...operation.args.map((/** @type {string} */ expression) => this.interpreter.evaluate(expression, undefined, cursor.key)));
  }

  /**
   * @param {any} operation
   * @param {Context} context
   */
  #update(operation, context) {
    const { cursor } = context;
    this.follow(operation, cursor.update(this.interpreter.evaluate(operation.value, cursor.value)), context);
  }

  /**
   * @param {any} operation
   * @param {Context} context
   */
  #microtask({ script }, context) {
    Promise.resolve().then(() => {
      this.#write(context.lane, 'microtask');
      this.execute(script, context);
    });
  }

  /**
   * Once, though the listener may run again.
   * @param {any} step
   * @param {any} db
   */
  #nested(step, db) {
    if (this.#made.has(step.id)) return;
    this.#made.add(step.id);
    this.interpreter.attempt(step.id, 'transaction', () => this.interpreter.transaction(step, db));
  }

  /** @param {Context} context */
  #describe({ lane, db, transaction }) {
    this.#write(lane, `version ${db.version} ${canonical(db.objectStoreNames)} ${canonical(transaction.objectStoreNames)}`);
    for (let number = 0; number < transaction.objectStoreNames.length; number++) {
      const store = this.#store(transaction, number);
      this.#write(lane, `store ${storeText(store)}`);
      for (const index of store.indexNames) this.#write(lane, `index ${indexText(this.#index(transaction, store, index))}`);
    }
  }

  /**
   * @param {any} target
   * @param {string} type
   * @param {string} place
   */
  eavesdrop(target, type, place) {
    for (const capture of [true, false]) {
      target.addEventListener(type, (/** @type {any} */ event) => {
        const { lane, name } = this.names.get(event.target) ?? { lane: place, name: '?' };
        this.#write(lane, `${name} ${type} seen at the ${place}, phase ${event.eventPhase}`);
      }, capture);
    }
  }
}

/** @param {any} store */
function storeText({ name, keyPath, autoIncrement }) {
  return `${canonical(name)} ${canonical(keyPath)} ${autoIncrement}`;
}

/** @param {any} index */
function indexText({ name, keyPath, unique, multiEntry }) {
  return `${canonical(name)} ${canonical(keyPath)} ${unique} ${multiEntry}`;
}

module.exports = { Operations, storeText, indexText };

'use strict';

const { closed, invalid } = require('../common/errors.js');
const { expected } = require('../common/options.js');

/** One moment of a database: what is read through it is as it was then. What it sees takes up space until it is closed. */
class Snapshot {
  #session;
  /** @type {import('./reader.js').Reader | undefined} */
  #reader;

  /**
   * @param {import('./session.js').Session} session
   * @param {import('./reader.js').Reader} reader
   */
  constructor(session, reader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** Lets go of it. Reads and scans that have begun go on. */
  close() {
    this.#reader?.close();
    this.#reader = undefined;
  }

  get [Symbol.toStringTag]() {
    return 'Snapshot';
  }

  /**
   * @param {any} snapshot an option of a read
   * @param {import('./session.js').Session} session the one that reads
   * @returns {import('./reader.js').Reader | undefined}
   */
  static readerOf(snapshot, session) {
    if (snapshot === undefined) return undefined;
    if (snapshot === null || typeof snapshot !== 'object' || !(#reader in snapshot)) {
      throw expected('snapshot', snapshot, 'what snapshot() of this database gave');
    }
    if (snapshot.#session !== session) throw invalid('snapshot', 'it is one of another database');
    session.checkOpen();
    if (snapshot.#reader === undefined) throw closed('snapshot: it is closed');
    return snapshot.#reader;
  }
}

/** @this {Snapshot} */
function dispose() {
  this.close();
}

/** @this {Snapshot} */
async function disposeLater() {
  this.close();
}

// Where the symbols are missing there is no `using` either.
for (const [name, value] of Object.entries({ dispose, asyncDispose: disposeLater })) {
  const symbol = /** @type {any} */ (Symbol)[name];
  if (typeof symbol !== 'symbol') continue;
  Object.defineProperty(Snapshot.prototype, symbol, { value, writable: true, configurable: true });
}

module.exports = { Snapshot };

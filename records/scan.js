'use strict';

const { Entries } = require('./entries.js');
const { decodeKey } = require('./keys.js');
const { INT64_BYTES, readInt64, readUint32 } = require('../common/numbers.js');
const { throwIfAborted } = require('../common/options.js');
const { shared } = require('./shared_memory.js');
const { isOverdue, nextTurn } = require('./turn.js');
const { decodeValue } = require('./values.js');

/** The first page is a single entry, for those who want no more; then pages grow up to these bounds. */
const FIRST_COUNT = 1;
const GROWTH = 8;
const COUNT_MAX = 512;
const BYTES_MAX = 64 * 1024;
const HEADER_BYTES = 8;

/** Flags of a page. */
const LAST = 1;
const ASCII = 2;

/**
 * What entries are to look like.
 *
 * @typedef {{
 *   keyEncoding: string,
 *   valueEncoding: string,
 *   hasTimestamps: boolean,
 *   keys: boolean,
 *   values: boolean,
 * }} Shape
 */

/** @type {Shape} */
const KEYS_OF_KV = { keyEncoding: 'buffer', valueEncoding: 'any', hasTimestamps: false, keys: true, values: false };

/** Entries that are counted at a time. */
const COUNTED = 50_000;

/**
 * Where a scan reads, and what may end it.
 *
 * @typedef {{ past?: import('./reader.js').Reader, signal?: AbortSignal }} Source
 */

/**
 * Entries in order. Nothing is read before the first step; from then on it sees the database as it was at that
 * moment. Each iteration is a new scan.
 */
class Scan {
  #session;
  #request;
  #limit;
  #shape;
  #source;
  #begin;

  /**
   * @param {import('./session.js').Session} session
   * @param {Buffer | undefined} request undefined: nothing can be found
   * @param {number} limit
   * @param {Shape} shape
   * @param {Source} source
   * @param {(view: import('./native.js').NativeReader, request: Buffer) => import('./native.js').NativeScan} [begin] what gives its pages
   */
  constructor(session, request, limit, shape, source, begin = beginScan) {
    this.#session = session;
    this.#request = request;
    this.#limit = limit;
    this.#shape = shape;
    this.#source = source;
    this.#begin = begin;
  }

  /**
   * As with every other call, what is wrong with the options is told to whoever awaits the answer.
   *
   * @param {import('./session.js').Session} session
   * @param {() => Scan} make
   * @returns {Scan} if that fails, one whose steps reject with the reason
   */
  static from(session, make) {
    try {
      return make();
    } catch (error) {
      return new Scan(session, Buffer.alloc(0), 1, KEYS_OF_KV, {}, () => { throw error; });
    }
  }

  /** Entries, one after the other. */
  [Symbol.asyncIterator]() {
    return new Entries(this.batches());
  }

  /** Entries in arrays, each as many as are read at a time; the first has one. */
  async* batches() {
    this.#session.checkOpen();
    yield* this.#read(FIRST_COUNT, (step) => this.#session.keepOpen(step));
  }

  /** All entries, in one array. */
  async all() {
    // One call from beginning to end: a `close()` in between waits for it.
    return this.#session.keepOpen(async () => {
      const all = [];
      for await (const batch of this.#read(COUNT_MAX, (step) => step())) {
        for (const entry of batch) all.push(entry);
      }
      return all;
    });
  }

  /**
   * @param {number} firstCount entries of the first page
   * @param {<T>(step: () => T | Promise<T>) => T | Promise<T>} take how each page is read
   * @returns {AsyncGenerator<any[], void, void>}
   */
  async* #read(firstCount, take) {
    const request = this.#request;
    if (this.#limit === 0 || request === undefined) return;
    const { past, signal } = this.#source;
    throwIfAborted(signal);
    const native = await this.#session.run(() => this.#begin(this.#session.view(past), request), past);
    try {
      let left = this.#limit;
      for (let count = firstCount, isLast = false; !isLast && left > 0; count = Math.min(count * GROWTH, COUNT_MAX)) {
        const wanted = Math.min(count, left);
        const page = await take(() => native.next(wanted, BYTES_MAX) ?? native.nextLater(wanted, BYTES_MAX));
        isLast = (page[0] & LAST) !== 0;
        // Near its limit, the scan may be wanted for less; and a page beyond its bytes announces others that should not be in memory at a time.
        if (!isLast && count === COUNT_MAX && left >= 2 * COUNT_MAX && page.length <= 2 * BYTES_MAX) native.readAhead(COUNT_MAX, BYTES_MAX);
        throwIfAborted(signal);
        const { batch, error } = unpackPage(page, this.#shape);
        left -= batch.length;
        if (isOverdue()) await nextTurn();
        if (batch.length > 0) yield batch;
        if (error !== undefined) throw error;
      }
    } finally {
      native.close();
    }
  }
}

/**
 * @param {import('./native.js').NativeReader} view
 * @param {Buffer} request
 */
function beginScan(view, request) {
  return view.scan(request);
}

/**
 * How many entries a scan would find.
 *
 * @param {import('./session.js').Session} session
 * @param {Buffer | undefined} request undefined: nothing can be found
 * @param {Source} source
 * @returns {Promise<number>}
 */
function count(session, request, { past, signal }) {
  return session.run(async () => {
    if (request === undefined) return 0;
    const native = session.view(past).scan(request);
    try {
      for (let count = 0; ;) {
        const answer = await native.countLater(COUNTED);
        throwIfAborted(signal);
        count += answer.readUInt32LE(1);
        if (answer[0] === 1) return count;
      }
    } finally {
      native.close();
    }
  }, past);
}

/**
 * @param {Buffer} page
 * @param {Shape} shape
 * @returns {{ batch: any[], error?: unknown }} the entries up to the first that cannot be decoded, and why it cannot
 */
function unpackPage(page, shape) {
  /** @type {any[]} */
  const batch = [];
  try {
    unpackInto(batch, page, shape);
    return { batch };
  } catch (error) {
    return { batch, error };
  }
}

/**
 * @param {any[]} batch
 * @param {Buffer} page
 * @param {Shape} shape
 */
function unpackInto(batch, page, shape) {
  shared(page);
  const keyOf = (page[0] & ASCII) !== 0 && shape.keyEncoding === 'utf8' ? asciiKey : encodedKey;
  for (let offset = 1; offset < page.length;) {
    const keyLength = readUint32(page, offset);
    const recordLength = readUint32(page, offset + 4);
    offset += HEADER_BYTES;
    const ts = shape.hasTimestamps ? readInt64(page, offset) : undefined;
    if (shape.hasTimestamps) offset += INT64_BYTES;
    const keyEnd = offset + keyLength;
    const end = keyEnd + recordLength;
    const value = shape.values ? decodeValue(page, shape.valueEncoding, keyEnd, end) : undefined;
    batch.push(shape.keys ? toEntry(keyOf(page, offset, keyEnd, shape), ts, value, shape) : value);
    offset = end;
  }
}

/**
 * @param {Buffer} page
 * @param {number} start
 * @param {number} end
 * @returns {string}
 */
function asciiKey(page, start, end) {
  // What `toString` ends up with, and it is not in Node's types.
  return /** @type {any} */ (page).latin1Slice(start, end);
}

/**
 * @param {Buffer} page
 * @param {number} start
 * @param {number} end
 * @param {Shape} shape
 */
function encodedKey(page, start, end, { keyEncoding }) {
  return decodeKey(page.subarray(start, end), keyEncoding);
}

/**
 * @param {string | Buffer} key
 * @param {number | bigint | undefined} ts
 * @param {any} value
 * @param {Shape} shape
 * @returns {any}
 */
function toEntry(key, ts, value, { values }) {
  if (ts !== undefined) return values ? { key, ts, value } : { key, ts };
  return values ? { key, value } : key;
}

module.exports = { Scan, count };

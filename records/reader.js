'use strict';

/** Point reads, packed as src/operations.rs says. */

const { publishSoon } = require('./diagnostics.js');
const { fromNative, guarded } = require('../common/errors.js');
const { checkKey, keyBytesMax, writeKey } = require('./keys.js');
const { UINT32_BYTES, readUint32, writeInt64, writeUint32 } = require('../common/numbers.js');
const { shared } = require('./shared_memory.js');
const { afterTurn } = require('./turn.js');
const { SHARED_BYTES_MAX } = require('./values.js');

const READ = { get: 1, getAt: 2, getLatest: 3 };

const HEADER_BYTES = 9;

/** More keys at a time are a worker's: they would hold up the event loop, wherever their values are. */
const MANY = 1000;

/** What the native function answers with where it has no length. */
const ABSENT = -1;
const WOULD_BLOCK = -2;
/** Stands for a value that memory does not suffice for. */
const BLOCKED = Symbol('blocked');
/** The length that stands for "nothing is there" in packed answers. */
const ABSENT_LENGTH = 0xffff_ffff;

/**
 * Makes what the caller is to get of a record's bytes, after a timestamp if the latest was asked for. They stand between two offsets, and nothing else is
 * written there any more.
 *
 * @template T
 * @typedef {(bytes: Buffer, start: number, end: number) => T} Decode
 */

const SLAB_BYTES = 16 * 1024;
/** With less room than this in it, a slab is followed by a new one. */
const ROOM_BYTES_MIN = 4 * 1024;

/**
 * Requests cross in here, and answers come to the same place. Each answer is left where it is, as its value may be a part of it, and the next request goes
 * behind it. One for each environment.
 */
let slab = shared(Buffer.allocUnsafeSlow(SLAB_BYTES));
let used = 0;

/**
 * @param {number} operation
 * @param {string | Uint8Array} key
 * @param {number | bigint} ts
 * @param {Buffer} buffer
 * @param {number} offset
 * @returns {number} how many bytes it takes
 */
function packRead(operation, key, ts, buffer, offset) {
  buffer[offset] = operation;
  writeInt64(buffer, ts, offset + 1);
  return HEADER_BYTES + writeKey(key, buffer, offset + HEADER_BYTES);
}

/** @typedef {{ request: Buffer, resolve: (answer: Buffer | undefined) => void, reject: (reason: unknown) => void }} Miss */

/**
 * Answers from memory at once. What memory cannot answer is asked of a worker, all such reads of a turn together.
 */
class Reader {
  #native;
  #get;
  #path;
  /** @type {Miss[]} */
  #misses = [];
  /** What is being read, in several steps perhaps. */
  #asked = 0;
  #isClosed = false;

  /**
   * @param {import('./native.js').NativeReader} native
   * @param {string | undefined} path of the directory
   */
  constructor(native, path) {
    this.#native = native;
    this.#get = native.getter();
    this.#path = path;
  }

  /** The native side of it. */
  get native() {
    return this.#native;
  }

  /** Lets go of the snapshot, once what was asked for is answered. Nothing more is asked for. */
  close() {
    this.#isClosed = true;
    if (this.#asked === 0) this.#native.close();
  }

  /**
   * @template T
   * @param {() => Promise<T>} ask
   * @returns {Promise<T>}
   */
  async #keepOpen(ask) {
    this.#asked += 1;
    try {
      return await ask();
    } finally {
      this.#asked -= 1;
      if (this.#isClosed) this.close();
    }
  }

  /**
   * @template T
   * @param {Buffer} requests packed gets
   * @param {number} count of them
   * @param {Decode<T>} decode
   * @returns {(T | undefined)[] | Promise<(T | undefined)[]>} answers in their order
   */
  readMany(requests, count, decode) {
    const answers = count <= MANY ? guarded(() => this.#native.getMany(requests)) : null;
    return answers === null ? this.#keepOpen(() => this.#readRest(requests, count, decode)) : unpack(answers, decode);
  }

  /**
   * What memory has not answered. A reply is bounded in bytes: what is missing is asked for again. So is a request: with large records it would be packed for each
   * few of them. All of them look at the same moment.
   *
   * @template T
   * @param {Buffer} requests
   * @param {number} count of them
   * @param {Decode<T>} decode
   * @returns {Promise<(T | undefined)[]>}
   */
  async #readRest(requests, count, decode) {
    const moment = this.#native.takeMoment();
    try {
      const found = unpack(moment.takeLong(), decode);
      for (let rest = afterRequests(requests, found.length); found.length < count;) {
        const answers = unpack(await moment.getLater(firstRequests(rest, MANY)), decode);
        for (const answer of answers) found.push(answer);
        rest = afterRequests(rest, answers.length);
      }
      return found;
    } finally {
      moment.close();
    }
  }

  /**
   * @template T
   * @param {number} operation
   * @param {string | Uint8Array} key
   * @param {number | bigint} ts
   * @param {Decode<T>} decode
   * @returns {T | undefined | Promise<T | undefined>}
   */
  read(operation, key, ts, decode) {
    const value = this.#ask(operation, key, ts, decode, false);
    if (value !== BLOCKED) return /** @type {T | undefined} */ (value);
    return this.#readLater(operation, key, ts).then((answer) => answer && decode(answer, 0, answer.length));
  }

  /**
   * The same, waiting for the disk if need be.
   *
   * @template T
   * @param {number} operation
   * @param {string | Uint8Array} key
   * @param {number | bigint} ts
   * @param {Decode<T>} decode
   * @returns {T | undefined}
   */
  readSync(operation, key, ts, decode) {
    return /** @type {T | undefined} */ (this.#ask(operation, key, ts, decode, true));
  }

  /**
   * @template T
   * @param {number} operation
   * @param {string | Uint8Array} key
   * @param {number | bigint} ts
   * @param {Decode<T>} decode
   * @param {boolean} mayBlock
   * @returns {T | undefined | typeof BLOCKED}
   */
  #ask(operation, key, ts, decode, mayBlock) {
    const requestMax = HEADER_BYTES + keyBytesMax(key);
    if (slab.length - used < ROOM_BYTES_MIN) {
      slab = shared(Buffer.allocUnsafeSlow(SLAB_BYTES));
      used = 0;
    }
    const isShort = requestMax <= ROOM_BYTES_MIN;
    const buffer = isShort ? slab : Buffer.allocUnsafeSlow(requestMax);
    const start = isShort ? used : 0;
    const length = packRead(operation, key, ts, buffer, start);
    const answer = this.#askNative(buffer, start, length, mayBlock);
    if (answer === ABSENT) return undefined;
    if (answer === WOULD_BLOCK) return BLOCKED;
    if (answer < 0) {
      const long = this.#native.takeLong();
      return decode(long, 0, long.length);
    }
    if (isShort) used = start + answer;
    return decode(buffer, start, start + answer);
  }

  /**
   * @param {Buffer} buffer
   * @param {number} offset
   * @param {number} length
   * @param {boolean} mayBlock
   */
  #askNative(buffer, offset, length, mayBlock) {
    try {
      return this.#get(buffer, offset, length, mayBlock);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /**
   * @param {number} operation
   * @param {string | Uint8Array} key
   * @param {number | bigint} ts
   * @returns {Promise<Buffer | undefined>}
   */
  #readLater(operation, key, ts) {
    const request = Buffer.allocUnsafe(UINT32_BYTES + HEADER_BYTES + keyBytesMax(key));
    const length = packSized(operation, key, ts, request, 0);
    return new Promise((resolve, reject) => {
      this.#misses.push({ request: request.subarray(0, length), resolve, reject });
      if (this.#misses.length === 1) this.#keepOpen(() => new Promise((answered) => { afterTurn(() => answered(this.#askWorker())); }));
    });
  }

  #askWorker() {
    const misses = this.#misses;
    this.#misses = [];
    return this.#answer(misses);
  }

  /**
   * @param {Miss[]} misses
   */
  async #answer(misses) {
    publishSoon('read', () => ({ path: this.#path, reads: misses.length }));
    let answered = 0;
    try {
      /** @type {Buffer} */
      let rest = misses.length === 1 ? misses[0].request : Buffer.concat(misses.map(({ request }) => request));
      for (;;) {
        const asked = misses.length <= MANY ? rest : firstRequests(rest, MANY);
        const answers = unpack(await this.#native.getLater(asked), ownBytes);
        for (const answer of answers) misses[answered++].resolve(answer);
        if (answered === misses.length) return;
        // As in `#readRest`, but each of them is for itself.
        rest = afterRequests(rest, answers.length);
      }
    } catch (error) {
      const left = misses.slice(answered);
      // One read's error is not the others': they are asked for one by one.
      if (left.length > 1) await Promise.all(left.map((miss) => this.#answer([miss])));
      else left[0].reject(fromNative(error));
    }
  }
}

/**
 * @param {number} operation
 * @param {string | Uint8Array} key
 * @param {number | bigint} ts
 * @param {Buffer} buffer
 * @param {number} offset
 * @returns {number} how many bytes it takes, its length included
 */
function packSized(operation, key, ts, buffer, offset) {
  const length = packRead(operation, key, ts, buffer, offset + UINT32_BYTES);
  writeUint32(buffer, length, offset);
  return UINT32_BYTES + length;
}

/**
 * @param {any[]} keys of entries
 * @returns {{ requests: Buffer, count: number }} a get of each
 */
function packGets(keys) {
  let bytesMax = 0;
  // Not `map`, which goes past what is missing in an array.
  const checked = Array.from(keys, (key, index) => {
    const one = checkKey(key, `keys[${index}]`);
    bytesMax += UINT32_BYTES + HEADER_BYTES + keyBytesMax(one);
    return one;
  });
  const requests = Buffer.allocUnsafe(bytesMax);
  let length = 0;
  for (const key of checked) length += packSized(READ.get, key, 0, requests, length);
  return { requests: requests.subarray(0, length), count: checked.length };
}

/**
 * @param {Buffer} requests
 * @param {number} count
 * @returns {Buffer} those after the first so many
 */
function afterRequests(requests, count) {
  let offset = 0;
  for (let index = 0; index < count && offset < requests.length; index += 1) offset += UINT32_BYTES + readUint32(requests, offset);
  return requests.subarray(offset);
}

/**
 * @param {Buffer} requests
 * @param {number} count
 * @returns {Buffer} so many of them, or all if there are fewer
 */
function firstRequests(requests, count) {
  return requests.subarray(0, requests.length - afterRequests(requests, count).length);
}

/**
 * @template T
 * @param {Buffer} answers
 * @param {Decode<T>} decode
 * @returns {(T | undefined)[]}
 */
function unpack(answers, decode) {
  const found = [];
  shared(answers);
  for (let offset = 0; offset < answers.length;) {
    const length = readUint32(answers, offset);
    offset += UINT32_BYTES;
    if (length === ABSENT_LENGTH) {
      found.push(undefined);
    } else {
      found.push(decode(answers, offset, offset + length));
      offset += length;
    }
  }
  return found;
}

/** @type {Decode<Buffer>} */
function ownBytes(bytes, start, end) {
  const answer = bytes.subarray(start, end);
  return bytes.length <= SHARED_BYTES_MAX ? answer : Buffer.from(answer);
}

module.exports = { READ, Reader, packGets };

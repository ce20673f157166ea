'use strict';

/** Point reads, packed as src/operations.rs says. */

const { publish } = require('./diagnostics.js');
const { fromNative, guarded } = require('./errors.js');
const { writeInt64 } = require('./numbers.js');
const { afterTurn } = require('./turn.js');

const READ = { get: 1, getAt: 2, getLatest: 3 };

const HEADER_BYTES = 9;
const LENGTH_BYTES = 4;

/** More keys at a time are a worker's: they would hold up the event loop, wherever their values are. */
const MANY = 1000;

/** What native `get` answers with where it has no length. */
const ABSENT = -1;
const WOULD_BLOCK = -2;
/** The length that stands for "nothing is there" in packed answers. */
const ABSENT_LENGTH = 0xffff_ffff;

/**
 * Requests and answers cross in here. One for each environment: it is emptied before any code of the caller runs again.
 */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * @param {number} operation
 * @param {Uint8Array} key
 * @param {number | bigint} ts
 * @param {Buffer} buffer
 * @param {number} offset
 */
function packRead(operation, key, ts, buffer, offset) {
  buffer[offset] = operation;
  writeInt64(buffer, ts, offset + 1);
  buffer.set(key, offset + HEADER_BYTES);
}

/** @typedef {{ request: Buffer, resolve: (answer: Buffer | undefined) => void, reject: (reason: unknown) => void }} Miss */

/**
 * Answers from memory at once. What memory cannot answer is asked of a worker, all such reads of a turn together.
 */
class Reader {
  #native;
  #path;
  /** @type {Miss[]} */
  #misses = [];

  /**
   * @param {any} native
   * @param {string | undefined} path of the directory
   */
  constructor(native, path) {
    this.#native = native;
    this.#path = path;
  }

  /** The native side of it. */
  get native() {
    return this.#native;
  }

  /**
   * @param {Uint8Array[]} keys of cache entries
   * @returns {(Buffer | undefined)[] | Promise<(Buffer | undefined)[]>} answers in their order, which share memory
   */
  readMany(keys) {
    const requests = keys.map((key) => packedRead(READ.get, key, 0));
    const answers = keys.length <= MANY ? guarded(() => this.#native.getMany(Buffer.concat(requests))) : null;
    const found = answers === null ? [] : unpack(answers);
    return found.length === keys.length ? found : this.#readRest(requests, found);
  }

  /**
   * A reply is bounded in bytes: what is missing is asked for again. So is a request: with large records it would be packed for each few of them.
   *
   * @param {Buffer[]} requests
   * @param {(Buffer | undefined)[]} found answers to the first of them
   */
  async #readRest(requests, found) {
    while (found.length < requests.length) {
      const next = requests.slice(found.length, found.length + MANY);
      const answers = await this.#native.getLater(Buffer.concat(next));
      for (const answer of unpack(answers)) found.push(answer);
    }
    return found;
  }

  /**
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @returns {Buffer | undefined | Promise<Buffer | undefined>} valid until any code of the caller runs
   */
  read(operation, key, ts) {
    const answer = this.#ask(operation, key, ts, false);
    return answer === WOULD_BLOCK ? this.#readLater(operation, key, ts) : answer;
  }

  /**
   * The same, waiting for the disk if need be.
   *
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @returns {Buffer | undefined} valid until any code of the caller runs
   */
  readSync(operation, key, ts) {
    return /** @type {Buffer | undefined} */ (this.#ask(operation, key, ts, true));
  }

  /**
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @param {boolean} mayBlock
   * @returns {Buffer | undefined | typeof WOULD_BLOCK}
   */
  #ask(operation, key, ts, mayBlock) {
    const length = HEADER_BYTES + key.length;
    const buffer = length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(length);
    packRead(operation, key, ts, buffer, 0);
    const answer = guarded(() => this.#native.get(buffer, length, mayBlock));
    if (typeof answer !== 'number') return answer;
    if (answer >= 0) return buffer.subarray(0, answer);
    return answer === ABSENT ? undefined : WOULD_BLOCK;
  }

  /**
   * @param {number} operation
   * @param {Uint8Array} key
   * @param {number | bigint} ts
   * @returns {Promise<Buffer | undefined>}
   */
  #readLater(operation, key, ts) {
    const request = packedRead(operation, key, ts);
    return new Promise((resolve, reject) => {
      this.#misses.push({ request, resolve, reject });
      if (this.#misses.length === 1) afterTurn(() => this.#askWorker());
    });
  }

  #askWorker() {
    const misses = this.#misses;
    this.#misses = [];
    this.#answer(misses);
  }

  /**
   * @param {Miss[]} misses
   */
  async #answer(misses) {
    publish('read', () => ({ path: this.#path, reads: misses.length }));
    try {
      const answers = unpack(await this.#native.getLater(Buffer.concat(misses.map(({ request }) => request))));
      answers.forEach((answer, index) => misses[index].resolve(answer));
      // A reply is bounded in bytes.
      if (answers.length < misses.length) this.#answer(misses.slice(answers.length));
    } catch (error) {
      // One read's error is not the others': they are asked for one by one.
      if (misses.length > 1) for (const miss of misses) this.#answer([miss]);
      else misses[0].reject(fromNative(error));
    }
  }
}

/**
 * @param {number} operation
 * @param {Uint8Array} key
 * @param {number | bigint} ts
 */
function packedRead(operation, key, ts) {
  const request = Buffer.allocUnsafe(LENGTH_BYTES + HEADER_BYTES + key.length);
  request.writeUInt32LE(HEADER_BYTES + key.length, 0);
  packRead(operation, key, ts, request, LENGTH_BYTES);
  return request;
}

/**
 * @param {Buffer} answers
 * @returns {(Buffer | undefined)[]}
 */
function unpack(answers) {
  const found = [];
  for (let offset = 0; offset < answers.length;) {
    const length = answers.readUInt32LE(offset);
    offset += LENGTH_BYTES;
    if (length === ABSENT_LENGTH) {
      found.push(undefined);
    } else {
      found.push(answers.subarray(offset, offset + length));
      offset += length;
    }
  }
  return found;
}

module.exports = { READ, Reader };

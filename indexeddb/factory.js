'use strict';

const { checkDirectory, isUrl } = require('../common/directory_path.js');
const { FlowDBError, invalid } = require('../common/errors.js');
const { checkOptions, expected } = require('../common/options.js');
const { unknownError } = require('../common/exceptions.js');
const { compareKeys, keyFromValue } = require('./internal/keys.js');
const { OpenRequest, failed } = require('./internal/open_database.js');
const {
  INTERNAL,
  defineInterface,
  requireArguments,
  toDictionary,
  toDOMString,
  toEnforcedUnsignedLongLong,
} = require('./internal/webidl.js');
const { World } = require('./internal/world.js');
const { IDBOpenDBRequest } = require('./open_db_request.js');

/**
 * https://w3c.github.io/IndexedDB/#idbfactory
 *
 * DEVIATION: it can be constructed, see docs/indexeddb.md. Without options a factory is a fresh, empty world in memory; with
 * `path` it is a directory, created if there is none, named by a path or a `file:` URL as in the record API.
 */
class IDBFactory {
  #world;

  /** @param {{ path?: string | URL }} [options] */
  constructor(options = undefined) {
    this.#world = new World(directoryOf(toDictionary(options, 'IDBFactory')));
  }

  /**
   * @param {string} name
   * @param {number} [version]
   */
  open(name, version = undefined) {
    const world = this.#world;
    requireArguments(arguments, 1, 'IDBFactory.open');
    const text = toDOMString(name);
    const number = version === undefined ? 0 : toEnforcedUnsignedLongLong(version, 'version');
    if (number === 0 && version !== undefined) throw new TypeError('version: expected at least 1');
    return openRequest(world, text, (request) => world.openDatabase(request, text, number));
  }

  /** @param {string} name */
  deleteDatabase(name) {
    const world = this.#world;
    requireArguments(arguments, 1, 'IDBFactory.deleteDatabase');
    const text = toDOMString(name);
    return openRequest(world, text, (request) => world.deleteDatabase(request, text));
  }

  /** @returns {Promise<{ name: string, version: number }[]>} */
  async databases() {
    return this.#world.databases();
  }

  /**
   * @param {unknown} first
   * @param {unknown} second
   */
  cmp(first, second) {
    void this.#world;
    requireArguments(arguments, 2, 'IDBFactory.cmp');
    const firstKey = keyFromValue(first);
    const secondKey = keyFromValue(second);
    return compareKeys(firstKey, secondKey);
  }

  /**
   * Closes every connection of this factory and lets its native side go, once running transactions have finished. An
   * extension of the standard.
   * @returns {Promise<void>}
   */
  async close() {
    await this.#world.close();
  }
}

/**
 * A misspelt name, or a variable that was never set, would make a world in memory that is gone with the process.
 *
 * @param {Record<string, unknown>} options
 * @returns {string | null} null: in memory
 */
function directoryOf(options) {
  try {
    if (isUrl(options)) throw expected('options', options, 'an object with a path');
    const { path } = checkOptions(options, ['path']);
    if (path === undefined && 'path' in options) throw invalid('path', 'is undefined; leave it out for a factory in memory');
    return path === undefined ? null : checkDirectory('path', path);
  } catch (error) {
    if (!(error instanceof FlowDBError)) throw error;
    const { message, code, argument } = /** @type {any} */ (error);
    throw Object.assign(new TypeError(message, { cause: error }), { code, argument });
  }
}

/**
 * @param {World} world
 * @param {string} name
 * @param {(request: OpenRequest) => void} send
 */
function openRequest(world, name, send) {
  const request = new OpenRequest(name);
  const object = new IDBOpenDBRequest(INTERNAL, request);
  request.object = object;
  world.whenReady(() => {
    try {
      send(request);
    } catch (error) {
      failed(request, unknownError(error));
    }
  }, (error) => failed(request, error));
  return object;
}

defineInterface(IDBFactory, 'IDBFactory');

module.exports = { IDBFactory };

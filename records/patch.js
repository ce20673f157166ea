'use strict';

const { CHANGE, packChange, sized } = require('./changes.js');
const { FlowDBError, invalid } = require('../common/errors.js');
const { READ } = require('./reader.js');
const { decodeValue, encodeValue, toRecord } = require('./values.js');

/** Each failed attempt means that someone else's write has succeeded. */
const ATTEMPTS_MAX = 1000;

/**
 * Reads, has the caller decide, and writes if nobody wrote in between; else again.
 *
 * @param {import('./session.js').Session} session
 * @param {Buffer} key
 * @param {(current: any) => any} decide undefined leaves it as it is
 * @param {{ encoding: string, expiry: import('../common/options.js').Expiry | undefined, sync: boolean }} options
 * @returns {Promise<any>} what is there then
 */
async function patch(session, key, decide, { encoding, expiry, sync }) {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const before = await session.read(READ.get, key, 0, (bytes, start, end) => Buffer.from(bytes.subarray(start, end)));
    // A copy: what was there is compared with what is there then.
    const next = decided(decide, before && decodeValue(Buffer.from(before), encoding));
    if (next === undefined) return before && decodeValue(before, encoding);
    const after = toRecord(encodeValue(next, encoding, 'changes'));
    if (await write(session, key, before, after, { expiry, sync })) return decodeValue(after, encoding);
  }
  throw new FlowDBError('FLOWDB_CONFLICT', `key: others wrote to it during each of ${ATTEMPTS_MAX} attempts`);
}

/**
 * JSON would make `{}` of a promise, and lose the value.
 *
 * @param {(current: any) => any} decide
 * @param {any} current
 */
function decided(decide, current) {
  const next = decide(current);
  if (typeof next?.then !== 'function') return next;
  next.then(undefined, () => {}); // the error below is what the caller hears
  throw invalid('changes', 'the function is asynchronous; it has to return the new value itself');
}

/**
 * @param {import('./session.js').Session} session
 * @param {Buffer} key
 * @param {Buffer | undefined} before
 * @param {Buffer} after
 * @param {{ expiry: import('../common/options.js').Expiry | undefined, sync: boolean }} options
 * @returns {Promise<boolean>} true unless something else was there than before
 */
async function write(session, key, before, after, options) {
  if (before === undefined) {
    const inTheWay = await session.change(packChange(CHANGE.putIfAbsent, options, sized(key), after), options.sync);
    return inTheWay.length === 0;
  }
  const [isSet] = await session.change(packChange(CHANGE.swap, options, sized(key), sized(before), after), options.sync);
  return isSet === 1;
}

/**
 * @param {any} changes fields that are set, or taken away where they are undefined
 * @returns {(current: any) => any}
 */
function merging(changes) {
  return (current) => {
    if (current === undefined) return undefined;
    const prototype = current !== null && typeof current === 'object' ? Object.getPrototypeOf(current) : undefined;
    if (prototype !== Object.prototype) throw invalid('changes', 'the value of the key is no plain object');
    const merged = { ...current, ...changes };
    for (const name of Object.keys(changes)) if (changes[name] === undefined) delete merged[name];
    return merged;
  };
}

/**
 * @param {any} changes fields, which the caller may go on to change
 * @param {string} encoding
 * @returns {any} the same fields as they would be read now, undefined ones too
 */
function copyOf(changes, encoding) {
  const isJson = encoding === 'json';
  const copy = decodeValue(toRecord(encodeValue({ ...changes }, isJson ? 'json' : 'any', 'changes')), isJson ? 'json' : 'any');
  if (copy === null || typeof copy !== 'object') throw invalid('changes', 'toJSON() gives no object of fields');
  // JSON has no place for them.
  for (const name of Object.keys(changes)) if (!Object.hasOwn(copy, name)) copy[name] = undefined;
  return copy;
}

module.exports = { copyOf, merging, patch };

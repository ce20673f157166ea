'use strict';

// Bytes that are, or nearly are, values: what JavaScript makes of them, for Rust to be compared with. Prints lines of a verdict and
// the bytes in hex:
//
//     node __test__/support/damaged_values.js 1 1500 > __test__/vectors/damaged_values.txt
//
// `+` is a value, `-` none. What is refused only because a runtime has no such view, expression or memory is left out: Rust asks no runtime.

const { encode } = require('../../values/clone.js');
const { decode } = require('../../values/decode.js');
const { TAG } = require('../../values/value_tags.js');
const { Random, randomValue } = require('./random_value');
const vectors = require('../vectors/values.json');

const TAGS = Object.values(TAG);
/** Parts of a random value; its bytes stay short. */
const PARTS = 6;
const BYTES_MAX = 120;

/** @param {Random} random */
function source(random) {
  if (random.below(3) === 0) return Buffer.from(random.pick(vectors).hex, 'hex');
  return Buffer.from(encode(randomValue(random, PARTS)).bytes);
}

/**
 * @param {Random} random
 * @param {Buffer} bytes
 */
function damage(random, bytes) {
  const at = random.below(bytes.length);
  switch (random.below(6)) {
    case 0: return bytes.subarray(0, at);
    case 1: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    case 2: return Buffer.concat([bytes.subarray(0, at), Buffer.of(random.pick(TAGS)), bytes.subarray(at)]);
    case 3: bytes[at] = random.pick(TAGS); return bytes;
    case 4: bytes[at] ^= 1 << random.below(8); return bytes;
    default: bytes[at] = random.below(4); return bytes;
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {'+' | '-' | undefined}
 */
function verdict(bytes) {
  try {
    decode(bytes);
    return '+';
  } catch (error) {
    const { code, message } = /** @type {{ code?: string, message: string }} */ (error);
    if (code !== 'FLOWDB_CORRUPTION') throw error;
    return message.includes('this runtime') ? undefined : '-';
  }
}

/**
 * @param {number} seed
 * @returns {string | undefined} a line, unless there is no verdict
 */
function line(seed) {
  const random = new Random(seed);
  let bytes = source(random);
  for (let i = random.below(4); i > 0 && bytes.length > 0; i--) bytes = damage(random, bytes);
  if (bytes.length > BYTES_MAX) return undefined;
  const found = verdict(bytes);
  return found && `${found} ${bytes.toString('hex')}`;
}

module.exports = { verdict };

if (require.main === module) {
  const [first, count] = process.argv.slice(2).map(Number);
  for (let seed = first; seed < first + count; seed++) {
    const text = line(seed);
    if (text !== undefined) console.log(text);
  }
}

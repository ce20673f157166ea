// The objects that are stored, and how an answer is recognised as the right one.

/**
 * @typedef {ReturnType<typeof objectOf>} PlainObject
 * @typedef {ReturnType<typeof richObjectOf>} RichObject
 */

const WORDS = ['amber', 'basil', 'cedar', 'delta', 'ember', 'fjord', 'grove', 'heath'];

/** An object of about 200 bytes of JSON. @param {number} id */
export function objectOf(id) {
  return {
    id,
    name: `Person number ${id}`,
    email: `person.${id}@example.org`,
    group: id % 100,
    active: id % 3 === 0,
    score: id / 7,
    tags: [WORDS[id % 8], WORDS[(id >> 3) % 8], `t${id % 1000}`],
    address: { street: `${id % 200} Long Street`, city: 'Springfield', country: 'NZ' },
  };
}

/** One with what JSON does not have. @param {number} id */
export function richObjectOf(id) {
  return {
    id,
    created: new Date(1_600_000_000_000 + id),
    settings: new Map(/** @type {[string, string | number][]} */ ([['theme', 'dark'], ['size', id]])),
    roles: new Set(['reader', `r${id % 10}`]),
    bytes: new Uint8Array(32).fill(id),
    floats: new Float64Array([id, id / 2, id / 4]),
  };
}

/** @param {boolean} correct  @param {string} what */
export function check(correct, what) {
  if (!correct) throw new Error(`wrong answer: ${what}`);
}

/** @param {PlainObject} object  @param {number} id */
export function checkObject(object, id) {
  check(object.id === id && object.name === `Person number ${id}` && object.tags.length === 3, `object ${id}`);
}

/** @param {RichObject} object  @param {number} id */
export function checkRichObject(object, id) {
  check(object.created.getTime() === 1_600_000_000_000 + id, `date of ${id}`);
  check(object.settings.get('size') === id && object.roles.has('reader'), `collections of ${id}`);
  check(object.bytes.length === 32 && object.floats[0] === id, `arrays of ${id}`);
}

/** The numbers below `count`, each once, in an order without a pattern that is the same in each run. @param {number} count */
export function shuffled(count) {
  const numbers = Uint32Array.from({ length: count }, (_, i) => i);
  let state = 0x2545f491;
  for (let i = count - 1; i > 0; i -= 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const j = (state >>> 0) % (i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}

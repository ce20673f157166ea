'use strict';

// Writes that nobody waits for, small and large, with changes and reads among them: what each read sees, and what is there in the end, against a plain map.
// Large groups are written by another thread while the next are packed. FLOWDB_SEED repeats one run, FLOWDB_SEEDS makes more of them.

const assert = require('node:assert/strict');
const diagnostics = require('node:diagnostics_channel');
const { test } = require('node:test');
const { database, directory } = require('../fixture.js');
const { Random } = require('../support/random_value.js');
const { TouchedKeys } = require('../../records/touched_keys.js');

const SEED_FIRST = Number(process.env.FLOWDB_SEED ?? Date.now() % 2 ** 32);
const SEEDS = Number(process.env.FLOWDB_SEEDS ?? 3);
const STEPS = 400;
const KEYS = Array.from({ length: 12 }, (_, index) => `key ${index}`).concat('é', '\u{1f600}', `${'p'.repeat(60)}a`, `${'q'.repeat(60)}a`);
const LARGE_BYTES = 70 * 1024;

/** What every key has had, in order: a read sees what was written before it, and only if it needs the disk what was written after it was asked for. */
class History {
  #values = new Map(KEYS.map((key) => [key, [undefined]]));
  #hasDisk;

  /** @param {boolean} hasDisk */
  constructor(hasDisk) {
    this.#hasDisk = hasDisk;
  }

  has(key) {
    return this.get(key) !== undefined;
  }

  get(key) {
    return this.#values.get(key).at(-1);
  }

  set(key, value) {
    this.#values.get(key).push(value);
  }

  delete(key) {
    this.set(key, undefined);
  }

  /** @returns a check of what a read finds that is asked for now */
  reader(key) {
    const values = this.#values.get(key);
    const from = values.length - 1;
    const seen = () => values.slice(from, this.#hasDisk ? undefined : from + 1);
    return (found) => assert.ok(seen().includes(found), `${key}: ${found} instead of ${seen()}`);
  }
}

const nothing = (found) => assert.equal(found, undefined);

/** What one step asks for, and a check of the answer. */
const STEPS_OF = {
  put({ db, model, key, random }) {
    const value = `${random.below(1000)}`;
    model.set(key, value);
    return [db.put(key, value, { sync: random.below(40) === 0 }), nothing];
  },
  putBytes({ db, model, key, random }) {
    const value = `${random.below(1000)}`;
    model.set(key, value);
    return [db.put(Buffer.from(key), value), nothing];
  },
  putLarge({ db, model, key, random }) {
    const value = `${random.below(1000)}`.padEnd(LARGE_BYTES);
    model.set(key, value);
    return [db.put(key, value, { sync: random.below(10) === 0 }), nothing];
  },
  delete({ db, model, key }) {
    model.delete(key);
    return [db.kv.delete(key), nothing];
  },
  batch({ db, model, random }) {
    const entries = Array.from({ length: random.below(40) }, () => [random.pick(KEYS), `${random.below(1000)}`]);
    for (const [key, value] of entries) model.set(key, value);
    return [db.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))), nothing];
  },
  putIfAbsent({ db, model, key }) {
    const wanted = !model.has(key);
    if (wanted) model.set(key, 'first');
    return [db.kv.put(key, 'first', { ifAbsent: true }), (found) => assert.equal(found, wanted)];
  },
  deleteRange({ db, model }) {
    for (const key of KEYS) if (key.startsWith('key 1')) model.delete(key);
    return [db.kv.deleteRange({ prefix: 'key 1' }), nothing];
  },
  get({ db, model, key }) {
    return [db.get(key), model.reader(key)];
  },
  getBytes({ db, model, key }) {
    return [db.get(Buffer.from(key)), model.reader(key)];
  },
  getMany({ db, model }) {
    const readers = KEYS.map((key) => model.reader(key));
    return [db.kv.getMany(KEYS), (found) => readers.forEach((check, index) => check(found[index]))];
  },
};
const OFTEN = ['put', 'put', 'putBytes', 'get', 'get', 'get', 'getBytes'];

for (const sync of ['os', 'always', undefined]) {
  test(`nobody waits, ${sync === undefined ? 'in memory' : `sync ${sync}`}`, async (t) => {
    for (let seed = SEED_FIRST; seed < SEED_FIRST + SEEDS; seed += 1) {
      await t.test(`FLOWDB_SEED=${seed} FLOWDB_SEEDS=1`, async (t) => {
        const random = new Random(seed);
        const db = await database(t, sync === undefined ? {} : { path: directory(t), sync, writeBufferBytes: 1 << 20 });
        const model = new History(sync !== undefined);
        const asked = [];
        for (let step = 0; step < STEPS; step += 1) {
          const name = random.pick([...Object.keys(STEPS_OF), ...OFTEN, ...OFTEN]);
          const [answer, check] = STEPS_OF[name]({ db, model, random, key: random.pick(KEYS) });
          asked.push(answer.then(check));
          if (random.below(60) === 0) await asked.at(-1);
          if (random.below(60) === 0) await new Promise((resolve) => { setImmediate(resolve); });
        }
        await Promise.all(asked);
        assert.deepEqual(await db.kv.getMany(KEYS), KEYS.map((key) => model.get(key)));
      });
    }
  });
}

/**
 * @param {import('node:test').TestContext} t
 * @returns {number[]} writes in each commit
 */
function commits(t) {
  /** @type {number[]} */
  const counts = [];
  const listener = (/** @type {any} */ { writes }) => { counts.push(writes); };
  diagnostics.subscribe('flowdb:write', listener);
  t.after(() => diagnostics.unsubscribe('flowdb:write', listener));
  return counts;
}

test('a read has what was put before committed only if it is about the same key', async (t) => {
  const db = await database(t);
  await db.put('read', 'x');
  const counts = commits(t);
  const puts = Array.from({ length: 10 }, (_, index) => db.put(`written ${index}`, 'x'));
  assert.equal(await db.get('read'), 'x');
  await Promise.all(puts);
  assert.deepEqual(counts, [10]);

  const again = [db.put('a', '1'), db.put('b', '1')];
  assert.equal(await db.get(Buffer.from('a')), '1');
  again.push(db.put('a', '2'));
  await Promise.all(again);
  assert.deepEqual(counts, [10, 2, 1]);
});

test('a subscriber may write', async (t) => {
  const db = await database(t);
  /** @type {Promise<void>[]} */
  const puts = [];
  const listener = () => { if (puts.length < 3) puts.push(db.put(`heard ${puts.length}`, 'x')); };
  diagnostics.subscribe('flowdb:write', listener);
  t.after(() => diagnostics.unsubscribe('flowdb:write', listener));
  await Promise.all([db.put('a', 'x'), db.kv.increment('n'), db.put('b', 'x'), db.kv.increment('n')]);
  while (puts.length < 3) await new Promise((resolve) => { setImmediate(resolve); });
  await Promise.all(puts);
  assert.deepEqual(await db.kv.getMany(['a', 'b', 'heard 0', 'heard 1', 'heard 2']), ['x', 'x', 'x', 'x', 'x']);
});

test('reads that never end do not keep a put waiting', async (t) => {
  const db = await database(t);
  await db.put('read', 'x');
  const counts = commits(t);
  const put = db.put('written', 'x');
  for (let read = 0; read < 100; read += 1) assert.equal(db.getSync('read'), 'x');
  // Subscribers hear of it behind what is running; what is written at the end of the turn comes later.
  await null;
  assert.deepEqual(counts, [1]);
  await put;
});

test('a key is told from others in its bytes alone', () => {
  const touched = new TouchedKeys();
  const long = 'x'.repeat(100);
  const bytes = Buffer.from([0, 128, 255]);
  touched.begin();
  for (const key of ['', 'a', long, bytes]) touched.add(key);
  for (const key of ['', 'a', long, bytes]) assert.ok(touched.mayHave(key));
  for (const key of ['a', long, `é${long}`]) assert.ok(touched.mayHave(Buffer.from(key)), key);
  assert.ok(!touched.mayHave('b') && !touched.mayHave(Buffer.from('b')));
  assert.ok(touched.mayHave('é'), 'nobody knows');
  touched.begin();
  assert.ok(!touched.mayHave('a') && !touched.mayHave(bytes));
  touched.add('é');
  assert.ok(touched.mayHave('b') && touched.mayHave(Buffer.from('é')));
  touched.begin();
  touched.addAny();
  assert.ok(touched.mayHave('b'));
});

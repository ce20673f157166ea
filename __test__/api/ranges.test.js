'use strict';

// Ranges of keys: prefixes and bounds, alone and together, of scans, counts and deletes, against a plain list filtered by comparing bytes. FLOWDB_SEED
// repeats one run, FLOWDB_SEEDS makes more of them.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database } = require('../fixture.js');
const { Random } = require('../support/random_value.js');

const BYTES = [0, 1, 0x61, 0x62, 0xfe, 0xff];
const ROUNDS = 150;

const KEEPS = {
  prefix: (key, bound) => key.subarray(0, bound.length).equals(bound),
  gt: (key, bound) => Buffer.compare(key, bound) > 0,
  gte: (key, bound) => Buffer.compare(key, bound) >= 0,
  lt: (key, bound) => Buffer.compare(key, bound) < 0,
  lte: (key, bound) => Buffer.compare(key, bound) <= 0,
};

const matches = (key, range) => Object.entries(range).every(([name, bound]) => KEEPS[name](key, bound));

function randomKey(random) {
  return Buffer.from(Array.from({ length: random.below(4) }, () => random.pick(BYTES)));
}

/** At most one of each group. */
function randomRange(random) {
  const names = [random.pick([[], ['prefix']]), random.pick([[], ['gt'], ['gte']]), random.pick([[], ['lt'], ['lte']])].flat();
  return Object.fromEntries(names.map((name) => [name, randomKey(random)]));
}

class Run {
  constructor(db, random) {
    this.db = db;
    this.random = random;
    this.keys = new Map();
  }

  /** A cache entry, and two points, for each of many keys. */
  async fill() {
    for (let count = 0; count < 60; count += 1) {
      const key = randomKey(this.random);
      this.keys.set(key.toString('hex'), key);
      this.db.kv.put(key, 1);
      this.db.series.put(key, 1, { ts: 1 });
      await this.db.series.put(key, 2, { ts: 2 });
    }
  }

  async check(range) {
    const { db } = this;
    const wanted = [...this.keys.values()].filter((key) => matches(key, range)).sort(Buffer.compare);
    const twice = wanted.flatMap((key) => [key, key]);
    const limit = this.random.pick([Infinity, Infinity, 1, 3]);
    for (const reverse of [false, true]) {
      const inOrder = (list) => (reverse ? [...list].reverse() : list).slice(0, limit);
      const options = { ...range, reverse, limit, keyEncoding: 'buffer' };
      assert.deepEqual(await db.kv.scan({ ...options, values: false }).all(), inOrder(wanted));
      assert.deepEqual((await db.series.scan(options).all()).map(({ key }) => key), inOrder(twice));
      assert.deepEqual((await db.series.latestOfEach(options)).map(({ key }) => key), inOrder(wanted));
    }
    assert.equal(await db.kv.count(range), wanted.length);
    assert.equal(await db.series.count({ ...range, from: 2 }), wanted.length);
    const rows = await db.series.aggregate({ ...range, agg: 'sum', keyEncoding: 'buffer' });
    assert.deepEqual(rows, wanted.map((key) => ({ key, sum: 3 })));
  }

  async delete(range) {
    if (Object.keys(range).length === 0) return;
    if (range.prefix?.length === 0) {
      for (const tree of [this.db.kv, this.db.series]) await assert.rejects(tree.deleteRange(range), { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'prefix' });
      return;
    }
    await Promise.all([this.db.kv.deleteRange(range), this.db.series.deleteRange(range)]);
    for (const [name, key] of this.keys) if (matches(key, range)) this.keys.delete(name);
  }
}

const first = process.env.FLOWDB_SEED === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(process.env.FLOWDB_SEED);
const runs = Number(process.env.FLOWDB_SEEDS ?? 2);

for (let index = 0; index < runs; index += 1) {
  const seed = (first + index) % 2 ** 32;
  test(`ranges hold the keys that their bounds and prefix say: FLOWDB_SEED=${seed}`, async (t) => {
    const random = new Random(seed);
    const db = await database(t);
    const run = new Run(db, random);
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round % 25 === 0) await run.fill();
      if (random.below(10) === 0) await run.delete(randomRange(random));
      await run.check(randomRange(random));
    }
  });
}

async function pages(scan) {
  const found = [];
  for (;;) {
    const page = await scan(found.at(-1)?.at(-1));
    if (page.length === 0) return found;
    found.push(page);
  }
}

test('what is under a prefix comes in pages, in both directions', async (t) => {
  const db = await database(t);
  const names = ['job', 'job/1', 'job/2', 'job/3', 'job/3/a', 'job/4', 'job0'];
  for (const name of names) db.kv.put(name, name.length);
  const up = (last) => db.kv.scan({ prefix: 'job/', ...(last === undefined ? {} : { gt: last }), limit: 2, values: false }).all();
  assert.deepEqual(await pages(up), [['job/1', 'job/2'], ['job/3', 'job/3/a'], ['job/4']]);
  const down = (lt) => db.kv.scan({ prefix: 'job/', lt, limit: 2, reverse: true, values: false }).all();
  assert.deepEqual(await pages(down), [['job/4', 'job/3/a'], ['job/3', 'job/2'], ['job/1']]);
  assert.equal(await db.kv.count({ prefix: 'job/', gt: 'job/2' }), 3);
  await db.kv.deleteRange({ prefix: 'job/', lte: 'job/2' });
  assert.deepEqual(await db.kv.scan({ values: false }).all(), ['job', 'job/3', 'job/3/a', 'job/4', 'job0']);
});

test('a bound that is undefined where something is deleted is refused, beside a prefix too', async (t) => {
  const db = await database(t);
  await db.kv.put('a/1', 1);
  await assert.rejects(db.kv.deleteRange({ prefix: 'a/', gt: undefined }), { code: 'FLOWDB_INVALID_ARGUMENT' });
  assert.equal(await db.kv.count(), 1);
});

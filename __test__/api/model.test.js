'use strict';

// Random calls of the public API against a plain map: puts, conditional writes, counters, patches, ranges, expiry that lies in the past, snapshots, scans both
// ways, flushes, compactions, and reopening. FLOWDB_SEED repeats one run, FLOWDB_SEEDS makes more of them.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { directory } = require('../fixture.js');
const { open } = require('../../index.js');
const { Random } = require('../support/random_value.js');

const STEPS = 600;
const KEYS = ['a', 'a\0', 'a/1', 'a/2', 'b', 'b/1', 'é', '\u{1f600}'];
const TIMES = [-5, 0, 1, 2, 3, 1_000_000];

const bytesOrder = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const identity = (key, ts) => `${key}|${ts}`;

class Model {
  kv = new Map();
  series = new Map();

  copy() {
    const copy = new Model();
    copy.kv = new Map(this.kv);
    copy.series = new Map(this.series);
    return copy;
  }

  entries(prefix) {
    const found = [...this.kv].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value }));
    return found.sort((a, b) => bytesOrder(a.key, b.key));
  }

  points({ prefix = '', from = -Infinity, to = Infinity }) {
    const found = [...this.series.values()].filter(({ key, ts }) => key.startsWith(prefix) && ts >= from && ts < to);
    return found.sort((a, b) => bytesOrder(a.key, b.key) || a.ts - b.ts);
  }
}

class Run {
  constructor(random, options) {
    this.random = random;
    this.options = options;
    this.model = new Model();
    this.snapshots = [];
  }

  value() {
    const below = (end) => this.random.below(end);
    return [below(5), `text ${below(3)}`, { n: below(3), more: [below(9)] }, Buffer.from([below(255)])][below(4)];
  }

  /** Options of a write, and whether it is seen afterwards. */
  expiry() {
    return this.random.pick([[{}, true], [{}, true], [{ ttl: 600_000 }, true], [{ ttl: 'never' }, true], [{ expiresAt: 5 }, false]]);
  }

  async start() {
    this.db = await open(this.options);
  }

  steps = {
    put: async (key) => {
      const [[options, isSeen], value] = [this.expiry(), this.value()];
      await this.db.kv.put(key, value, { ...options, sync: this.random.below(20) === 0 });
      if (isSeen) this.model.kv.set(key, value); else this.model.kv.delete(key);
    },
    putIfAbsent: async (key) => {
      const value = this.value();
      assert.equal(await this.db.kv.put(key, value, { ifAbsent: true }), !this.model.kv.has(key));
      if (!this.model.kv.has(key)) this.model.kv.set(key, value);
    },
    delete: async (key) => {
      await this.db.kv.delete(key);
      this.model.kv.delete(key);
    },
    compareAndSet: async (key) => {
      const current = this.model.kv.get(key);
      const wanted = this.random.below(3) === 0 ? 'never stored' : current;
      const value = this.random.below(4) === 0 ? undefined : this.value();
      assert.equal(await this.db.kv.compareAndSet(key, wanted, value), wanted === current);
      if (wanted !== current) return;
      if (value === undefined) this.model.kv.delete(key); else this.model.kv.set(key, value);
    },
    increment: async (key) => {
      const current = this.model.kv.get(key);
      if (current !== undefined && typeof current !== 'number') {
        await assert.rejects(this.db.kv.increment(key, 3), { code: 'FLOWDB_INVALID_ARGUMENT' });
        return;
      }
      const sum = (current ?? 0) + 3;
      assert.equal(await this.db.kv.increment(key, 3), sum);
      this.model.kv.set(key, sum);
    },
    patch: async (key) => {
      const next = (current) => ({ before: typeof current, n: this.model.kv.size });
      const value = next(this.model.kv.get(key));
      assert.deepEqual(await this.db.kv.patch(key, next), value);
      this.model.kv.set(key, value);
    },
    getOrSet: async (key) => {
      const value = this.value();
      const found = this.model.kv.get(key) ?? value;
      assert.deepEqual(await this.db.kv.getOrSet(key, () => value), found);
      this.model.kv.set(key, found);
    },
    together: async (key) => {
      const [one, two] = [this.value(), this.value()];
      const calls = [this.db.kv.put(key, one), this.db.kv.put(key, two, { ifAbsent: true }), this.db.kv.delete(key), this.db.kv.put(key, two, { ifAbsent: true })];
      assert.deepEqual(await Promise.all(calls), [undefined, false, undefined, true]);
      this.model.kv.set(key, two);
    },
    batch: async (key) => {
      const [other, ts, value] = [this.random.pick(KEYS), this.random.pick(TIMES), this.value()];
      await this.db.batch([{ type: 'delete', key }, { type: 'put', key: other, value }, { type: 'put', key, ts, value, ttl: 'never' }]);
      this.model.kv.delete(key);
      this.model.kv.set(other, value);
      this.model.series.set(identity(key, ts), { key, ts, value });
    },
    deleteRange: async (key) => {
      if (this.random.below(4) > 0) return;
      await this.db.kv.deleteRange({ prefix: key });
      for (const { key: found } of this.model.entries(key)) this.model.kv.delete(found);
    },
    point: async (key) => {
      const [ts, value] = [this.random.pick(TIMES), this.value()];
      await this.db.series.put(key, value, { ts });
      this.model.series.set(identity(key, ts), { key, ts, value });
    },
    pointOnce: async (key) => {
      const [ts, value] = [this.random.pick(TIMES), this.value()];
      const isNew = !this.model.series.has(identity(key, ts));
      assert.equal(await this.db.series.put(key, value, { ts, duplicates: 'first' }), isNew);
      if (isNew) this.model.series.set(identity(key, ts), { key, ts, value });
    },
    deletePoints: async (key) => {
      const [from, to] = [this.random.pick(TIMES), this.random.pick(TIMES)];
      const one = this.random.below(2) === 0;
      await (one ? this.db.series.delete(key, { from, to }) : this.db.series.deleteRange({ prefix: key, from, to }));
      for (const point of this.model.points({ prefix: key, from, to })) {
        if (!one || point.key === key) this.model.series.delete(identity(point.key, point.ts));
      }
    },
    snapshot: async () => {
      if (this.snapshots.length < 4) this.snapshots.push({ snapshot: await this.db.snapshot(), model: this.model.copy() });
      else this.snapshots.shift().snapshot.close();
    },
    maintain: async () => {
      if (this.random.below(3) === 0) await this.db.flush();
      if (this.random.below(9) === 0) await this.db.compact();
    },
    reopen: async () => {
      if (this.options.memory || this.random.below(5) > 0) return;
      this.snapshots = [];
      await this.db.close();
      await this.start();
    },
    check: async (key) => {
      await this.check(key, this.model, undefined);
      for (const { snapshot, model } of this.snapshots) await this.check(key, model, snapshot);
    },
  };

  async check(key, model, snapshot) {
    const { db } = this;
    const reverse = this.random.below(2) === 0;
    const turned = (list) => (reverse ? list.reverse() : list);
    assert.deepEqual(await db.kv.scan({ prefix: key, reverse, snapshot }).all(), turned(model.entries(key)));
    assert.deepEqual(await db.kv.getMany(KEYS, { snapshot }), KEYS.map((one) => model.kv.get(one)));
    assert.deepEqual(db.kv.getSync(key, { snapshot }), model.kv.get(key));
    assert.equal(await db.kv.count({ snapshot }), model.kv.size);
    const [from, to] = [this.random.pick(TIMES), this.random.pick(TIMES)];
    const points = model.points({ prefix: key, from, to });
    assert.deepEqual(await db.series.scan({ prefix: key, from, to, reverse, snapshot }).all(), turned([...points]));
    assert.equal(await db.series.count({ prefix: key, from, to, snapshot }), points.length);
    await this.checkNumbers(model, snapshot);
  }

  async checkNumbers(model, snapshot) {
    const newest = new Map();
    const sums = new Map();
    for (const point of model.points({})) {
      newest.set(point.key, point);
      if (typeof point.value === 'number') sums.set(point.key, (sums.get(point.key) ?? 0) + point.value);
    }
    assert.deepEqual(await this.db.series.latestOfEach({ snapshot }), [...newest.values()]);
    const rows = await this.db.series.aggregate({ agg: 'sum', snapshot });
    assert.deepEqual(rows, [...sums].map(([key, sum]) => ({ key, sum })));
  }

  async go() {
    await this.start();
    try {
      const names = Object.keys(this.steps);
      for (let step = 0; step < STEPS; step += 1) {
        await this.steps[this.random.pick(names)](this.random.pick(KEYS));
      }
    } finally {
      await this.db.close();
    }
  }
}

const first = process.env.FLOWDB_SEED === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(process.env.FLOWDB_SEED);
const runs = Number(process.env.FLOWDB_SEEDS ?? 4);

for (let index = 0; index < runs; index += 1) {
  const seed = (first + index) % 2 ** 32;
  test(`random calls answer as a map does: FLOWDB_SEED=${seed}`, async (t) => {
    const small = { writeBufferBytes: 65_536, blockCacheBytes: seed % 2 === 0 ? 0 : 1 << 20 };
    const options = seed % 4 === 3 ? { memory: true, ...small } : { path: directory(t), ...small };
    await new Run(new Random(seed), options).go();
  });
}

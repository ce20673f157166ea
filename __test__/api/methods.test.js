'use strict';

// Every method with bad arguments and on a closed database: a FlowDBError that names the argument, by rejection or at once.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const vm = require('node:vm');
const { database } = require('../fixture.js');
const { Database, FlowDBError, open } = require('../../index.js');

/** What a call answers with: an error thrown at once, or one that its promise, or first step, rejects with. */
async function failure(call) {
  try {
    const answer = call();
    await (typeof answer?.all === 'function' ? answer.all() : answer);
  } catch (error) {
    return error;
  }
  return undefined;
}

const CALLS = {
  'kv.put': (db) => db.kv.put('k', 'x'), 'kv.put if absent': (db) => db.kv.put('k', 'x', { ifAbsent: true }),
  'kv.get': (db) => db.kv.get('k'), 'kv.getSync': (db) => db.kv.getSync('k'), 'kv.getMany': (db) => db.kv.getMany(['k']),
  'kv.getMany of none': (db) => db.kv.getMany([]),
  'kv.has': (db) => db.kv.has('k'), 'kv.delete': (db) => db.kv.delete('k'), 'kv.deleteRange': (db) => db.kv.deleteRange({ prefix: 'k' }),
  'kv.clear': (db) => db.kv.clear(), 'kv.patch': (db) => db.kv.patch('k', { a: 1 }), 'kv.compareAndSet': (db) => db.kv.compareAndSet('k', 1, 2),
  'kv.increment': (db) => db.kv.increment('k'), 'kv.getOrSet': (db) => db.kv.getOrSet('k', () => 1), 'kv.count': (db) => db.kv.count(),
  'kv.scan': (db) => db.kv.scan(),
  'series.put': (db) => db.series.put('k', 1), 'series.put first': (db) => db.series.put('k', 1, { ts: 1, duplicates: 'first' }),
  'series.get': (db) => db.series.get('k', 1), 'series.getSync': (db) => db.series.getSync('k', 1), 'series.latest': (db) => db.series.latest('k'),
  'series.latestOfEach': (db) => db.series.latestOfEach(), 'series.delete': (db) => db.series.delete('k'),
  'series.delete window': (db) => db.series.delete('k', { from: 1 }), 'series.deleteRange': (db) => db.series.deleteRange({ from: 1 }),
  'series.deleteRange of nothing': (db) => db.series.deleteRange({ from: 1, to: 1 }),
  'series.clear': (db) => db.series.clear(), 'series.scan': (db) => db.series.scan(), 'series.count': (db) => db.series.count(),
  'series.aggregate': (db) => db.series.aggregate({ agg: 'sum' }), 'series.aggregate of nothing': (db) => db.series.aggregate({ agg: 'sum', from: 1, to: 1 }),
  put: (db) => db.put('k', 1), get: (db) => db.get('k'), getSync: (db) => db.getSync('k'), delete: (db) => db.delete('k'), scan: (db) => db.scan(),
  batch: (db) => db.batch([]), flush: (db) => db.flush(), compact: (db) => db.compact(), clear: (db) => db.clear(), snapshot: (db) => db.snapshot(),
  checkpoint: (db) => db.checkpoint('somewhere'), resume: (db) => db.resume(), stats: (db) => db.stats(), metricsText: (db) => db.metricsText(),
};

test('every call fails once the database is closed', async (t) => {
  const db = await database(t);
  const snapshot = await db.snapshot();
  const begun = db.kv.scan();
  await db.close();
  await db.close();
  for (const [name, call] of Object.entries(CALLS)) {
    const error = await failure(() => call(db));
    assert.ok(error instanceof FlowDBError && error.code === 'FLOWDB_CLOSED', `${name}: ${error}`);
  }
  for (const call of [() => begun.all(), () => db.kv.get('k', { snapshot }), () => db.kv.getSync('k', { snapshot })]) {
    assert.equal((await failure(call))?.code, 'FLOWDB_CLOSED');
  }
  snapshot.close();
});

const WRONG = [
  ['keys', (db) => db.kv.getMany('k')], ['keys[1]', (db) => db.kv.getMany(['k', 5])], ['snpashot', (db) => db.kv.getMany(['k'], { snpashot: 1 })],
  ['valueEncoding', (db) => db.kv.getMany(['k'], { valueEncoding: 'xml' })],
  ['ifAbsent', (db) => db.kv.put('k', 'x', { ifAbsent: 1 })], ['ttl', (db) => db.kv.put('k', 'x', { ifAbsent: true, ttl: 'forever' })],
  ['snapshot', (db) => db.kv.has('k', { snapshot: 5 })], ['key', (db) => db.kv.has(5)],
  ['options', (db) => db.kv.deleteRange()], ['options', (db) => db.kv.deleteRange({ sync: true })], ['sync', (db) => db.kv.deleteRange({ prefix: 'a', sync: 1 })],
  ['prefix', (db) => db.kv.deleteRange({ prefix: 1 })], ['limit', (db) => db.kv.deleteRange({ prefix: 'a', limit: 1 })], ['prefix', (db) => db.kv.clear({ prefix: 'a' })],
  ['changes', (db) => db.kv.patch('k', 5)], ['changes', (db) => db.kv.patch('k', null)], ['changes', (db) => db.kv.patch('k', Buffer.from('b'))],
  ['changes', (db) => db.kv.patch('k', ['field'])], ['changes', (db) => db.kv.patch('k', new Map([['a', 1]]))], ['key', (db) => db.kv.patch(5, {})], ['ttl', (db) => db.kv.patch('k', {}, { ttl: 0 })],
  ['expected', (db) => db.kv.compareAndSet('k', () => {}, 1)], ['value', (db) => db.kv.compareAndSet('k', 1, Symbol('s'))], ['key', (db) => db.kv.compareAndSet(null, 1, 2)],
  ['ts', (db) => db.kv.compareAndSet('k', 1, 2, { ts: 1 })],
  ['delta', (db) => db.kv.increment('k', '1')], ['delta', (db) => db.kv.increment('k', NaN)], ['delta', (db) => db.kv.increment('k', Infinity)], ['valueEncoding', (db) => db.kv.increment('k', 1, { valueEncoding: 'utf8' })],
  ['loader', (db) => db.kv.getOrSet('k', 5)], ['signal', (db) => db.kv.getOrSet('k', () => 1, { signal: 5 })], ['key', (db) => db.kv.getOrSet(5, () => 1)],
  ['reverse', (db) => db.kv.count({ reverse: true })], ['gt', (db) => db.kv.count({ gt: 5 })], ['signal', (db) => db.kv.scan({ signal: {} })],
  ['duplicates', (db) => db.series.put('k', 1, { duplicates: 'middle' })], ['at', (db) => db.series.latest('k', { at: 'now' })], ['ts', (db) => db.series.get('k', 'now')],
  ['options', (db) => db.series.get('k', null)], ['at', (db) => db.series.latestOfEach({ at: 0.5 })], ['limit', (db) => db.series.latestOfEach({ limit: -1 })], ['from', (db) => db.series.latestOfEach({ from: 1 })], ['signal', (db) => db.series.latestOfEach({ signal: 1 })], ['signal', (db) => db.compact({ signal: null })], ['deep', (db) => db.compact({ deep: true })],
  ['ts', (db) => db.series.delete('k', { ts: 1, from: 1 })], ['from', (db) => db.series.delete('k', { from: undefined })], ['to', (db) => db.series.delete('k', { to: 'x' })],
  ['options', (db) => db.series.deleteRange({})], ['lt', (db) => db.kv.deleteRange({ gte: 'a', lt: undefined })],
  ['to', (db) => db.series.deleteRange({ prefix: 'a', to: undefined })], ['prefix', (db) => db.series.deleteRange({ prefix: undefined, to: 1 })], ['values', (db) => db.series.scan({ values: 1 })], ['key', (db) => db.series.count({ key: 'a', prefix: 'a' })],
  ['agg', (db) => db.series.aggregate({})], ['agg', (db) => db.series.aggregate({ agg: [] })], ['agg', (db) => db.series.aggregate({ agg: 'median' })], ['agg[0]', (db) => db.series.aggregate({ agg: ['median'] })],
  ['window', (db) => db.series.aggregate({ agg: 'sum', window: 0 })], ['window', (db) => db.series.aggregate({ agg: 'sum', window: '1h' })], ['window', (db) => db.series.aggregate({ agg: 'sum', window: Infinity })],
  ['prefix', (db) => db.clear({ prefix: 'a' })], ['prefix', (db) => db.series.clear({ prefix: 'a' })], ['ts', (db) => db.series.getSync('k')],
  ['directory', (db) => db.checkpoint('')], ['directory', () => Database.verify(5)], ['directory', () => Database.destroy('')], ['directory', () => Database.repair(5, 'x')],
  ['options', (db) => db.put('k', 1, null)], ['key', (db) => db.getSync(5)], ['start', (db) => db.scan({ start: 'a' })], ['ts', (db) => db.delete('k', { ts: 1.5 })],
  ['field', (db) => db.series.aggregate({ agg: 'sum', field: 5 })], ['signal', (db) => db.series.aggregate({ agg: 'sum', signal: 5 })],
  ['key', (db) => db.get()], ['valueEncoding', (db) => db.kv.get('k', { valueEncoding: 'xml' })], ['key', (db) => db.kv.get({})], ['snapshot', (db) => db.kv.getSync('k', { snapshot: {} })],
  ['key', (db) => db.kv.delete(undefined)], ['sync', (db) => db.kv.delete('k', { sync: 'yes' })], ['ts', (db) => db.kv.delete('k', { ts: 1 })],
  ['operations[0].ttl', (db) => db.batch([{ type: 'put', key: 'k', value: 1, ttl: -1 }])],
  ['operations[1]', (db) => db.batch(Object.assign([{ type: 'put', key: 'k', value: 1 }], { length: 2 }))], ['keys[1]', (db) => db.kv.getMany(Object.assign(['k'], { length: 2 }))],
];

/** They take nothing that could be wrong. */
const WITHOUT_ARGUMENTS = ['flush', 'snapshot', 'resume', 'stats', 'metricsText'];

test('the tables have every method', async (t) => {
  const db = await database(t);
  for (const [object, expression] of [[db, 'db'], [db.kv, 'db.kv'], [db.series, 'db.series']]) {
    const all = Object.getOwnPropertyNames(Object.getPrototypeOf(object));
    const methods = all.filter((name) => name !== 'constructor' && name !== 'close' && typeof object[name] === 'function');
    const isIn = (calls, name) => calls.some((call) => String(call).includes(`${expression}.${name}(`));
    assert.deepEqual(methods.filter((name) => !isIn(Object.values(CALLS), name)), [], 'on a closed database');
    const withArguments = methods.filter((name) => object !== db || !WITHOUT_ARGUMENTS.includes(name));
    assert.deepEqual(withArguments.filter((name) => !isIn(WRONG.map(([, call]) => call), name)), [], 'with bad arguments');
  }
});

test('every call says which argument is wrong', async (t) => {
  const db = await database(t);
  for (const [name, call] of WRONG) {
    const error = await failure(() => call(db));
    assert.ok(error instanceof FlowDBError && error.code === 'FLOWDB_INVALID_ARGUMENT', `${call}: ${error}`);
    assert.ok(error.message.startsWith(`${name}:`), `${call}: ${error.message}`);
    assert.equal(error.argument, name, `${call}`);
  }
  assert.equal(await db.kv.count() + await db.series.count(), 0, 'and nothing was written');
});

/** Each call with what it needs and options that are given last, or as a whole. */
const WITH_OPTIONS = {
  'kv.put': (db, options) => db.kv.put('k', 'x', options), 'kv.get': (db, options) => db.kv.get('k', options), 'kv.getSync': (db, options) => db.kv.getSync('k', options),
  'kv.getMany': (db, options) => db.kv.getMany(['k'], options), 'kv.has': (db, options) => db.kv.has('k', options),
  'kv.delete': (db, options) => db.kv.delete('k', options), 'kv.deleteRange': (db, options) => db.kv.deleteRange(options),
  'kv.clear': (db, options) => db.kv.clear(options), 'kv.patch': (db, options) => db.kv.patch('k', () => 1, options),
  'kv.compareAndSet': (db, options) => db.kv.compareAndSet('k', 1, 2, options), 'kv.increment': (db, options) => db.kv.increment('k', 1, options),
  'kv.getOrSet': (db, options) => db.kv.getOrSet('k', () => 1, options), 'kv.count': (db, options) => db.kv.count(options), 'kv.scan': (db, options) => db.kv.scan(options),
  'series.put': (db, options) => db.series.put('k', 1, options), 'series.latest': (db, options) => db.series.latest('k', options),
  'series.latestOfEach': (db, options) => db.series.latestOfEach(options), 'series.delete': (db, options) => db.series.delete('k', options),
  'series.deleteRange': (db, options) => db.series.deleteRange(options), 'series.clear': (db, options) => db.series.clear(options),
  'series.scan': (db, options) => db.series.scan(options), 'series.count': (db, options) => db.series.count(options),
  'series.aggregate': (db, options) => db.series.aggregate(options), put: (db, options) => db.put('k', 1, options), get: (db, options) => db.get('k', options),
  getSync: (db, options) => db.getSync('k', options), delete: (db, options) => db.delete('k', options), scan: (db, options) => db.scan(options),
  batch: (db, options) => db.batch([{ type: 'delete', key: 'k' }], options), compact: (db, options) => db.compact(options), clear: (db, options) => db.clear(options),
  open: (_, options) => open(options), 'open a path': (_, options) => open('somewhere', options),
};

test('what is no object of options is refused, and nothing is done', async (t) => {
  const db = await database(t);
  await db.kv.put('k', 'there');
  await db.series.put('k', 'there', { ts: 5 });
  const snapshot = await db.snapshot();
  const others = [
    new Date(0), new Map([['ts', 1]]), new Set(), Promise.resolve({}), AbortSignal.timeout(1e6), snapshot, [], ['ts'], Buffer.from('ts'), /x/, new Error('e'), db, () => {},
    null, 5, 'ts', true, Symbol('ts'),
  ];
  for (const [name, call] of Object.entries(WITH_OPTIONS)) {
    for (const options of others) {
      if (name.startsWith('open') && typeof options === 'string') continue;
      const error = await failure(() => call(db, options));
      const what = `${name} with ${Object.prototype.toString.call(options)}: ${error}`;
      assert.ok(error instanceof FlowDBError && error.code === 'FLOWDB_INVALID_ARGUMENT', what);
      assert.equal(error.argument, 'options', what);
    }
  }
  for (const options of [snapshot, new Map(), [], null]) assert.equal((await failure(() => db.series.get('k', options)))?.argument, 'options');
  assert.deepEqual([await db.kv.get('k'), await db.series.get('k', 5), await db.series.count()], ['there', 'there', 1]);
  snapshot.close();
});

test('objects of options may be of any class, of none, and of another realm', async (t) => {
  const db = await database(t);
  await db.series.put('k', 'there', { ts: 5 });
  class Options {
    constructor() { this.ts = 5; }
  }
  const bare = Object.assign(Object.create(null), { ts: 5 });
  for (const options of [new Options(), bare, Object.freeze({ ts: 5 }), new Proxy({ ts: 5 }, {}), vm.runInNewContext('({ ts: 5 })')]) {
    assert.equal(await db.series.get('k', options), 'there');
  }
});

test('a signal ends scans between their steps, and is looked at before the first', async (t) => {
  const db = await database(t);
  await db.batch(Array.from({ length: 5000 }, (_, index) => ({ type: 'put', key: `k${index}`, value: index })));
  const controller = new AbortController();
  const reason = new Error('enough');
  const seen = [];
  const error = await failure(async () => {
    for await (const { key } of db.kv.scan({ signal: controller.signal })) {
      if (seen.push(key) === 700) controller.abort(reason);
    }
  });
  assert.equal(error?.code, 'FLOWDB_ABORTED');
  assert.equal(error?.cause, reason);
  assert.ok(seen.length < 5000);
  assert.equal((await failure(() => db.kv.scan({ signal: controller.signal })))?.code, 'FLOWDB_ABORTED');
  assert.equal((await db.stats()).oldestSnapshotMs, 0, 'the scan let go of its snapshot');
});

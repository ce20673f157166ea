'use strict';

const assert = require('node:assert/strict');
const { readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { Database, FlowDBError, open } = require('../../index.js');
const { database, directory } = require('../fixture.js');

/** @param {string} name */
function naming(name) {
  return (error) => {
    assert.ok(error instanceof FlowDBError, `${error}`);
    assert.equal(error.code, 'FLOWDB_INVALID_ARGUMENT');
    assert.ok(error.message.startsWith(`${name}: `), `${error.message} does not name ${name}`);
    assert.equal(error.argument, name);
    return true;
  };
}

test('open says which option is wrong', async () => {
  const cases = [
    ['path', undefined], ['path', ''], ['path', 7], ['path', 'a\0b'], ['memory', 1], ['createIfMissing', 'yes'], ['sync', 'now'],
    ['sync', {}], ['sync.intervalMs', { intervalMs: 0 }], ['sync.intervalMs', { intervalMs: 1.5 }],
    ['blockCacheBytes', -1], ['blockCacheBytes', '1'], ['writeBufferBytes', 1], ['valueEncoding', 'xml'], ['keyEncoding', 'hex'], ['chache', 1],
  ];
  for (const [name, value] of cases) {
    const option = name.split('.')[0];
    const options = option === 'path' ? { path: value } : { memory: true, [option]: value };
    await assert.rejects(open(options), naming(name));
  }
  await assert.rejects(open(null), naming('options'));
  await assert.rejects(open(5), naming('options'));
  await assert.rejects(open({ memory: true, path: 'x' }), naming('path'));
  assert.throws(() => new Database(), naming('Database'));
});

test('kv says which argument is wrong', async (t) => {
  const db = await database(t);
  for (const key of [undefined, null, 1, {}, '\ud800', new Uint16Array(1), new ArrayBuffer(1)]) {
    await assert.rejects(db.put(key, 'x'), naming('key'));
    await assert.rejects(db.get(key), naming('key'));
    await assert.rejects(db.delete(key), naming('key'));
    assert.throws(() => db.getSync(key), naming('key'));
  }
  for (const [name, value] of [['ttl', 0], ['ttl', -1], ['ttl', NaN], ['ttl', '1'], ['ttl', Infinity], ['expiresAt', new Date(NaN)], ['sync', 1], ['tll', 1]]) {
    await assert.rejects(db.kv.put('k', 'x', { [name]: value }), naming(name));
  }
  await assert.rejects(db.put('k', 'x', { ttl: 1, expiresAt: 1 }), naming('expiresAt'));
  await assert.rejects(db.kv.put('k', 'x', { ts: 1 }), naming('ts'), 'kv has no timestamps');
  await assert.rejects(db.put('k', 'x', 5), naming('options'));
});

test('scans say which option is wrong at their first step', async (t) => {
  const db = await database(t);
  const cases = [
    ['gt', { gt: 'a', gte: 'a' }], ['lt', { lt: 'a', lte: 'a' }], ['gt', { gt: 'a', gte: 'b', prefix: 'a' }], ['lt', { lt: 5, prefix: 'a' }], ['prefix', { prefix: 5 }],
    ['limit', { limit: -1 }], ['limit', { limit: 1.5 }], ['reverse', { reverse: 1 }], ['keys', { keys: 0 }], ['start', { start: 'a' }],
  ];
  for (const [name, options] of cases) await assert.rejects(db.kv.scan(options).all(), naming(name));
  await assert.rejects(db.series.scan({ from: 'now' }).all(), naming('from'));
  await assert.rejects(db.series.scan({ to: 1.5 }).all(), naming('to'));
  await assert.rejects(db.series.scan({ key: 'a', prefix: 'a' }).all(), naming('key'));
  await assert.rejects(db.series.scan({ key: 'a', lt: 'b' }).all(), naming('lt'));
  await assert.rejects(db.scan(5).all(), naming('options'));
  for (const scan of [db.scan({ limit: -1 }), db.kv.scan({ limit: -1 }), db.series.scan({ limit: -1 })]) {
    const [iterator, batches] = [scan[Symbol.asyncIterator](), scan.batches()[Symbol.asyncIterator]()];
    for (const steps of [iterator, batches]) {
      await assert.rejects(steps.next(), naming('limit'));
      assert.deepEqual(await steps.next(), { done: true, value: undefined });
    }
  }
  const signal = AbortSignal.abort('enough');
  await assert.rejects(db.scan({ signal }).all(), { code: 'FLOWDB_ABORTED', cause: 'enough' });
});

test('series say which argument is wrong', async (t) => {
  const db = await database(t);
  for (const ts of [null, '1', 1.5, 2 ** 53, 2n ** 63n, NaN, new Date(NaN), {}]) {
    await assert.rejects(db.series.put('k', 'x', { ts }), naming('ts'));
    await assert.rejects(db.series.get('k', { ts }), naming('ts'));
  }
  await assert.rejects(db.series.get('k'), naming('ts'));
});

test('batches say which operation is wrong', async (t) => {
  const db = await database(t);
  const cases = [
    ['', null], ['', 5], ['.type', {}], ['.type', { type: 'upsert' }], ['.value', { type: 'put', key: 'k' }], ['.ttl', { type: 'delete', key: 'k', ttl: 1 }],
    ['.key', { type: 'put', key: 7, value: 1 }], ['.ts', { type: 'put', key: 'k', value: 1, ts: undefined }], ['.ts', { type: 'delete', key: 'k', ts: undefined }],
  ];
  for (const [name, operation] of cases) {
    await assert.rejects(db.batch([{ type: 'delete', key: 'k' }, operation]), naming(`operations[1]${name}`));
  }
  await db.batch([{ type: 'delete', key: 'k', ttl: undefined }]);
  await assert.rejects(db.batch({}), naming('operations'));
  await assert.rejects(db.batch([], { snyc: true }), naming('snyc'));
  await assert.rejects(db.batch([], { sync: 'x' }), naming('sync'));
});

test('a window is from a microsecond to as many as a number holds', async (t) => {
  const { series } = await database(t);
  await series.put('k', 1, { ts: 5 });
  const max = 9_007_199_254_740;
  for (const window of [0, -1, 0.0006, max + 1, Infinity, NaN, '1']) {
    await assert.rejects(series.aggregate({ agg: 'count', window }), (error) => naming('window')(error) && error.message.includes(String(max)));
  }
  for (const [window, ts] of [[0.001, 5], [0.0024, 4], [max, 0]]) {
    assert.deepEqual(await series.aggregate({ agg: 'count', window }), [{ key: 'k', ts, count: 1 }]);
  }
});

test('a database in memory says that its checkpoint has no directory', async () => {
  const db = await open({ memory: true });
  await assert.rejects(db.checkpoint('anywhere'), naming('directory'));
  await db.close();
});

test('keys and values have limits', async (t) => {
  const db = await database(t);
  const key = 'k'.repeat(512 * 1024);
  await db.put(key, 'x');
  assert.equal(await db.get(key), 'x');
  await db.series.put(Buffer.alloc(512 * 1024), 'zeros take the most room', { ts: 1 });
  assert.equal((await db.series.scan().all())[0].value, 'zeros take the most room');
  const tooLarge = (/** @type {string} */ argument) => ({ code: 'FLOWDB_TOO_LARGE', argument, message: new RegExp(`^${argument.replace(/[[\]]/g, '\\$&')}: `) });
  await assert.rejects(db.put(`${key}k`, 'x'), tooLarge('key'));
  await assert.rejects(db.batch([{ type: 'put', key: `${key}k`, value: 'x' }]), tooLarge('operations[0].key'));
  // Memory that is reserved and never touched.
  const large = new Uint8Array(512 * 1024 * 1024 + 1);
  for (const valueEncoding of ['any', 'buffer']) await assert.rejects(db.put('k', large, { valueEncoding }), tooLarge('value'));
  assert.equal(await db.get('k'), undefined);
});

test('a database is opened by a path and options, or by options with the path in them', async (t) => {
  const path = directory(t);
  const db = await open(path, { sync: 'always', valueEncoding: 'json' });
  t.after(() => db.close());
  await db.put('k', { n: 1 });
  assert.equal(await db.get('k', { valueEncoding: 'utf8' }), '{"n":1}');
  await assert.rejects(open(path, { sync: 'os' }), naming('sync'), 'the options count');
  for (const place of [path, pathToFileURL(path)]) {
    await assert.rejects(open(place, { path }), naming('path'));
    await assert.rejects(open(place, { memory: true }), naming('path'));
    await assert.rejects(open(place, 5), naming('options'));
    await (await open(place, undefined)).close();
  }
  await assert.rejects(open({ path }, { sync: 'always' }), naming('options'));
});

test('a path that is a file is said to be one', async (t) => {
  const file = `${directory(t)}/file`;
  writeFileSync(file, 'kept');
  for (const options of [{}, { createIfMissing: false }, { readOnly: true }]) await assert.rejects(open(file, options), naming('path'));
  const db = await database(t, { path: directory(t) });
  const [source, target] = [directory(t), `${directory(t)}/repaired`];
  await (await open(source)).close();
  for (const [name, call] of [
    ['directory', () => db.checkpoint(file)], ['directory', () => Database.verify(file)], ['directory', () => Database.repair(file, target)],
    ['into', () => Database.repair(source, file)], ['directory', () => Database.destroy(file)],
  ]) await assert.rejects(call(), naming(name), `${call}`);
  assert.equal(readFileSync(file, 'utf8'), 'kept');
});

test('a directory that is in use by others is no target', async (t) => {
  const [path, target] = [directory(t), directory(t)];
  writeFileSync(`${target}/file`, 'kept');
  const db = await open(path);
  await assert.rejects(db.checkpoint(target), naming('directory'));
  await db.close();
  await assert.rejects(Database.repair(path, target), naming('into'));
  assert.deepEqual(readdirSync(target), ['file']);
});

test('a directory without a database stays empty where none is to be created', async (t) => {
  const path = directory(t);
  await assert.rejects(open(path, { createIfMissing: false }), { code: 'FLOWDB_NOT_FOUND' });
  assert.deepEqual(readdirSync(path), []);
});

test('settings that are refused leave no directory behind', async (t) => {
  const day = 86_400_000;
  const rule = { prefix: 'a', ms: day };
  const parent = directory(t);
  const refusals = [
    ['logBytesMax', { logBytesMax: 65_536 }], ['logBytesMax', { logSegmentBytes: 1 << 20, logBytesMax: 1 << 19 }],
    ['seriesRetentionByPrefix[1].prefix', { seriesRetentionByPrefix: [rule, rule] }],
    ['seriesRetentionByPrefix[0].bucketMs', { seriesRetentionByPrefix: [{ prefix: 'a', ms: 'never', bucketMs: day }] }],
    ['seriesBucketMs', { seriesRetentionMs: 1000 * day, seriesBucketMs: 60_000 }], ['seriesBucketMs', { seriesBucketMs: day }],
    ['blockBytes', { blockBytes: 1 }],
  ];
  for (const [name, settings] of refusals) {
    await assert.rejects(open({ path: join(parent, 'new', 'data'), ...settings }), naming(name));
    assert.deepEqual(readdirSync(parent), [], name);
  }
});

test('a setting that the directory is open without says so', async (t) => {
  const where = directory(t);
  await database(t, { path: where });
  for (const [name, value] of [['kvBytesMax', 1 << 20], ['seriesRetentionMs', 86_400_000]]) {
    await assert.rejects(open({ path: where, [name]: value }), {
      code: 'FLOWDB_INVALID_ARGUMENT', argument: name, message: new RegExp(`^${name}: .* without it, and ${value} was asked for$`),
    });
  }
});

test('retentions that do not go together say which option is wrong', async () => {
  const day = 86_400_000;
  await assert.rejects(open({ memory: true, seriesRetentionMs: 1000 * day, seriesBucketMs: 60_000 }), naming('seriesBucketMs'));
  await assert.rejects(open({ memory: true, seriesBucketMs: day }), naming('seriesBucketMs'));
  const sparse = Object.assign([{ prefix: 'a', ms: day }], { length: 2 });
  await assert.rejects(open({ memory: true, seriesRetentionByPrefix: sparse }), naming('seriesRetentionByPrefix[1]'));
  await assert.rejects(open({ memory: true, seriesRetentionByPrefix: [new Map()] }), naming('seriesRetentionByPrefix[0]'));
  await assert.rejects(open({ memory: true, seriesRetentionByPrefix: [{ prefix: 'a', ms: day, days: 1 }] }), naming('seriesRetentionByPrefix[0].days'));
  await assert.rejects(open({ memory: true, seriesRetentionByPrefix: [{ prefix: 'a', ms: 1000 * day, bucketMs: 60_000 }] }), naming('seriesRetentionByPrefix[0].bucketMs'));
  await assert.rejects(open({ memory: true, seriesRetentionByPrefix: [{ prefix: 'b', ms: day }, { prefix: 'b', ms: 1 }] }), naming('seriesRetentionByPrefix[1].prefix'));
  await assert.rejects(open({ memory: true, sync: { intervalMs: 5, foo: 1 } }), naming('sync.foo'));
  await assert.rejects(open({ memory: true, sync: new Date() }), naming('sync'));
});

test('a range that is deleted has a bound that is given, and none that stands for everything', async (t) => {
  const db = await database(t);
  await db.put('k', 'x');
  await db.series.put('k', 'x', { ts: 1 });
  for (const records of [db.kv, db.series]) {
    for (const [name, options] of [
      ['prefix', { prefix: '' }], ['prefix', { prefix: new Uint8Array(0) }], ['prefix', { prefix: undefined }], ['gte', { gte: undefined, lt: 'z' }],
      ['options', {}], ['options', undefined], ['options', { sync: true }],
    ]) await assert.rejects(records.deleteRange(options), naming(name));
  }
  await assert.rejects(db.series.deleteRange({ prefix: '', to: 5 }), naming('prefix'));
  assert.deepEqual([await db.kv.count(), await db.series.count()], [1, 1]);
});

test('a value is compared and set only if both are given', async (t) => {
  const db = await database(t);
  await assert.rejects(db.kv.compareAndSet('a'), naming('expected'));
  await assert.rejects(db.kv.compareAndSet('a', undefined), naming('value'));
  assert.equal(await db.kv.compareAndSet('a', undefined, undefined), true);
});

test('messages say what was given, and which name may have been meant', async (t) => {
  const db = await database(t);
  const said = (/** @type {() => any} */ call) => Promise.resolve().then(call).then(() => assert.fail('it was taken'), (error) => error.message);
  assert.equal(await said(() => db.put('k', 1, { ttl: 5n })), "ttl: expected a positive number of milliseconds, or 'never', got the bigint 5n");
  assert.equal(await said(() => db.series.aggregate({ agg: [] })),
    "agg: is empty: give at least one of 'count', 'sum', 'avg', 'min', 'max', 'first', 'last'");
  assert.match(await said(() => db.series.aggregate({ agg: 5 })), /^agg: expected one of 'count'.*, or an array of them, got 5$/);
  assert.equal(await said(() => db.series.aggregate({ agg: ['avg', 'median'] })),
    "agg[1]: expected one of 'count', 'sum', 'avg', 'min', 'max', 'first', 'last', got \"median\"");
  assert.equal(await said(() => db.kv.put('k', 1, { tll: 5 })),
    'tll: no such option. Did you mean ttl? There are expiresAt, ifAbsent, sync, ttl, valueEncoding');
  assert.equal(await said(() => db.kv.put('k', 1, { colour: 5 })), 'colour: no such option. There are expiresAt, ifAbsent, sync, ttl, valueEncoding');
  for (const [written, meant] of [['seriesRetentionMS', 'seriesRetentionMs'], ['readonly', 'readOnly'], ['kvTtl', 'kvTtlMs'], ['syncc', 'sync']]) {
    assert.match(await said(() => open({ memory: true, [written]: 5 })), new RegExp(`\\. Did you mean ${meant}\\? There are `));
  }
});

test('bytes that were transferred are refused, empty ones are not', async (t) => {
  const db = await database(t);
  const gone = new Uint8Array([1, 2, 3]);
  structuredClone(gone, { transfer: [gone.buffer] });
  for (const valueEncoding of ['any', 'buffer']) {
    await assert.rejects(db.kv.put('k', gone, { valueEncoding }), naming('value'));
    await assert.rejects(db.kv.compareAndSet('k', undefined, gone, { valueEncoding }), naming('value'));
  }
  await assert.rejects(db.kv.put(gone, 'x'), naming('key'));
  await assert.rejects(db.kv.get(gone), naming('key'));
  await assert.rejects(db.batch([{ type: 'put', key: 'k', value: gone }]), naming('operations[0].value'));
  await assert.rejects(db.kv.scan({ prefix: gone }).all(), naming('prefix'));
  await db.kv.put(new Uint8Array(0), new Uint8Array(0));
  assert.deepEqual(await db.kv.scan().all(), [{ key: '', value: Buffer.alloc(0) }]);
});

test('what is not there is not created unless it may be', async (t) => {
  const path = directory(t);
  await assert.rejects(open({ path: `${path}/missing`, createIfMissing: false }), { code: 'FLOWDB_NOT_FOUND' });
  await assert.rejects(open({ path, createIfMissing: false }), { code: 'FLOWDB_NOT_FOUND' });
});

test('an option that is undefined is not given, also where there is no such option', async (t) => {
  const db = await database(t);
  const [ts, from, to] = [];
  await db.kv.put('k', 'x', { ts, ttl: undefined });
  assert.equal(await db.kv.get('k', { ts: undefined, valueEncoding: undefined }), 'x');
  assert.deepEqual(await db.kv.scan({ prefix: 'k', from, to, values: false }).all(), ['k']);
});

test('a shortcut does not guess what a timestamp that is undefined means', async (t) => {
  const db = await database(t);
  const reading = { time: 5 };
  await db.put('k', 'kept');
  await assert.rejects(db.put('k', 'x', { ts: reading.ts }), naming('ts'));
  await assert.rejects(db.get('k', { ts: reading.ts }), naming('ts'));
  await assert.rejects(db.delete('k', { ts: reading.ts }), naming('ts'));
  await assert.rejects(db.delete('k', { from: reading.ts }), naming('from'));
  assert.throws(() => db.getSync('k', { ts: reading.ts }), naming('ts'));
  await assert.rejects(db.scan({ prefix: 'k', from: reading.ts, to: reading.ts }).all(), naming('from'));
  assert.equal(await db.get('k'), 'kept');
  assert.deepEqual(await db.scan({ prefix: 'k', from: reading.ts, to: 5 }).all(), [], 'one bound says that a series is meant');
});

test('an expiry may be any moment up to the year 9999, and any length of time up to 1000 years', async (t) => {
  const db = await database(t);
  for (const expiresAt of [0, -5, new Date(0), new Date(-8.64e15)]) {
    await db.put('k', 'x', { expiresAt });
    assert.equal(await db.get('k'), undefined, `expired at ${expiresAt}`);
  }
  for (const expiry of [{ expiresAt: new Date('9999-12-31T23:59:59.999Z') }, { ttl: 1e13 }, { ttl: 31_536_000_000_000 }]) {
    await db.put('k', 'x', expiry);
    assert.equal(await db.get('k'), 'x', JSON.stringify(expiry));
    await db.series.put('k', 'x', { ts: 1, ...expiry });
    assert.equal((await db.series.latest('k')).value, 'x', JSON.stringify(expiry));
  }
});

test('an expiry that would be further away was meant in another unit', async (t) => {
  const db = await database(t);
  const now = Date.now();
  for (const [name, value] of [['ttl', 31_536_000_000_001], ['ttl', Number.MAX_VALUE], ['expiresAt', now * 1000], ['expiresAt', new Date('+010000-01-01')], ['expiresAt', 1e300]]) {
    const option = { [name]: value };
    const writes = [db.put('k', 'x', option), db.series.put('k', 'x', option), db.kv.patch('k', {}, option), db.batch([{ type: 'put', key: 'k', value: 1, ...option }])];
    const refused = { code: 'FLOWDB_INVALID_ARGUMENT', message: new RegExp(`^(operations\\[0\\]\\.)?${name}: .*milliseconds.*microseconds\\?`) };
    for (const write of writes) await assert.rejects(write, refused, `${name} ${value}`);
  }
  assert.equal(await db.kv.count() + await db.series.count(), 0);
});

test('a scan has something in its entries', async (t) => {
  const db = await database(t);
  await assert.rejects(db.kv.scan({ keys: false, values: false }).all(), { code: 'FLOWDB_INVALID_ARGUMENT', message: /values/ });
});

test('a whole series is deleted only by saying nothing about a timestamp', async (t) => {
  const db = await database(t);
  await db.series.put('s', 'x', { ts: 1 });
  await assert.rejects(db.series.delete('s', { ts: undefined }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /ts/ });
  assert.equal((await db.series.latest('s')).value, 'x');
  await db.series.delete('s');
  assert.equal(await db.series.latest('s'), undefined);
});

test('options that do not fit an open directory are refused by name, with what it is open with', async (t) => {
  const path = directory(t);
  const db = await open({ path, sync: 'always', blockCacheBytes: 1 << 20 });
  t.after(() => db.close());
  const refused = (/** @type {object} */ options, /** @type {RegExp} */ message) =>
    assert.rejects(open({ path, ...options }), { code: 'FLOWDB_INVALID_ARGUMENT', message });
  await refused({ sync: 'os' }, /^sync: .* with "always", and "os" was asked for$/);
  await refused({ blockCacheBytes: 2 << 20 }, /^blockCacheBytes: .* with 1048576, and 2097152 was asked for$/);
  await (await open({ path })).close();
});

'use strict';

// What a cache is used for beyond get and put: conditions, counters, patches, loads, ranges, default lifetimes.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory, eventually, pause } = require('../fixture.js');
const { FlowDBError, open } = require('../../index.js');
const { Loads } = require('../../records/loads.js');

test('many keys are read in one call, in their order', async (t) => {
  const db = await database(t);
  await Promise.all(['a', 'b', 'c'].map((key) => db.kv.put(key, { key })));
  assert.deepEqual(await db.kv.getMany(['c', 'missing', Buffer.from('a'), 'c']), [{ key: 'c' }, undefined, { key: 'a' }, { key: 'c' }]);
  assert.deepEqual(await db.kv.getMany([]), []);
  const many = Array.from({ length: 3000 }, (_, index) => `k${index}`);
  await db.batch(many.map((key) => ({ type: 'put', key, value: key })));
  assert.deepEqual(await db.kv.getMany(many), many);
});

test('many keys are found on disk too', async (t) => {
  const path = directory(t);
  const first = await open(path);
  const keys = Array.from({ length: 500 }, (_, index) => `key ${index}`);
  await first.batch(keys.map((key) => ({ type: 'put', key, value: key.repeat(20) })));
  await first.compact();
  await first.close();
  const db = await database(t, { path, blockCacheBytes: 0 });
  assert.deepEqual(await db.kv.getMany(keys), keys.map((key) => key.repeat(20)));
});

test('a put may depend on nothing being there', async (t) => {
  const db = await database(t);
  assert.equal(await db.kv.put('k', 'one', { ifAbsent: true, ttl: 3_600_000 }), true);
  assert.equal(await db.kv.put('k', 'two', { ifAbsent: true }), false);
  assert.equal(await db.kv.get('k'), 'one');
  assert.equal(await db.kv.put('gone', 'one', { ifAbsent: true, expiresAt: 1 }), true);
  assert.equal(await db.kv.put('gone', 'two', { ifAbsent: true }), true, 'what has expired is not there');
  assert.equal(await db.kv.get('gone'), 'two');
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => db.kv.put('race', index, { ifAbsent: true })));
  assert.equal(answers.filter(Boolean).length, 1);
  assert.equal(await db.kv.get('race'), 0);
});

test('values are compared and set', async (t) => {
  const db = await database(t);
  assert.equal(await db.kv.compareAndSet('k', 'x', 'y'), false);
  assert.equal(await db.kv.compareAndSet('k', undefined, { n: 1 }), true);
  assert.equal(await db.kv.compareAndSet('k', { n: 2 }, { n: 3 }), false);
  assert.equal(await db.kv.compareAndSet('k', { n: 1 }, { n: 3 }, { ttl: 60_000 }), true);
  assert.deepEqual(await db.kv.get('k'), { n: 3 });
  assert.equal(await db.kv.compareAndSet('k', { n: 3 }, undefined), true);
  assert.equal(await db.kv.has('k'), false);
  assert.equal(await db.kv.compareAndSet('k', undefined, undefined), true);
});

test('counters count, however many count at once', async (t) => {
  const db = await database(t);
  assert.equal(await db.kv.increment('n'), 1);
  assert.equal(await db.kv.increment('n', -0.5), 0.5);
  assert.equal(await db.kv.increment('big', 5n), 5n);
  assert.equal(await db.kv.increment('big', -7n), -2n);
  const sums = await Promise.all(Array.from({ length: 200 }, () => db.kv.increment('many', 2)));
  assert.deepEqual(sums, Array.from({ length: 200 }, (_, index) => 2 * index + 2));
  assert.equal(await db.kv.get('many'), 400);
  await db.kv.put('text', 'x');
  const refused = (argument) => ({ name: 'FlowDBError', code: 'FLOWDB_INVALID_ARGUMENT', message: new RegExp(`^${argument}: `), argument });
  await assert.rejects(db.kv.increment('text'), refused('key'));
  await assert.rejects(db.kv.increment('n', 1n), refused('delta'));
  await assert.rejects(db.kv.increment('n', 2n ** 63n), refused('delta'));
  await db.kv.put('max', Number.MAX_SAFE_INTEGER);
  await assert.rejects(db.kv.increment('max'), refused('delta'));
  assert.equal(await db.kv.get('max'), Number.MAX_SAFE_INTEGER);
});

test('counters are what the database reads and writes as JSON', async (t) => {
  const db = await database(t, { valueEncoding: 'json' });
  assert.equal(await db.kv.increment('n'), 1);
  assert.equal(await db.kv.get('n'), 1);
  await db.kv.put('n', 5.5);
  assert.equal(await db.kv.increment('n', 0.25), 5.75);
  assert.deepEqual(await db.kv.scan().all(), [{ key: 'n', value: 5.75 }]);
  assert.equal(await db.kv.get('n', { valueEncoding: 'utf8' }), '5.75');
  for (const sum of [-1e-7, 1.25e-9, 5e-324, 0.000001, -0, 0.1, 0.1 + 0.2, -123456.789, Number.MAX_SAFE_INTEGER]) {
    await db.kv.delete('sum');
    await db.kv.increment('sum', sum);
    assert.equal(await db.kv.get('sum', { valueEncoding: 'utf8' }), JSON.stringify(sum));
    assert.equal(await db.kv.compareAndSet('sum', sum, 0), true, `${sum} is stored as put stores it`);
  }
  await db.kv.put('bytes', Buffer.from(' 7e0 '), { valueEncoding: 'buffer' });
  assert.equal(await db.kv.increment('bytes'), 8);
  const refused = (argument) => ({ code: 'FLOWDB_INVALID_ARGUMENT', argument });
  await db.kv.put('text', 'seven');
  await assert.rejects(db.kv.increment('text'), refused('key'));
  await assert.rejects(db.kv.increment('n', 1n), refused('delta'));
  await db.kv.put('value', 1, { valueEncoding: 'any' });
  await assert.rejects(db.kv.increment('value'), refused('key'));
  assert.equal(await db.kv.increment('value', 1, { valueEncoding: 'any' }), 2);
});

test('what cannot express a number has no counters', async (t) => {
  for (const valueEncoding of ['utf8', 'buffer']) {
    const db = await database(t, { valueEncoding });
    await assert.rejects(db.kv.increment('n'), { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'valueEncoding' });
    assert.equal(await db.kv.has('n'), false);
    assert.equal(await db.kv.increment('n', 2, { valueEncoding: 'json' }), 2);
    assert.equal(String(await db.kv.get('n')), '2');
    assert.equal(await db.kv.increment('any', 2n, { valueEncoding: 'any' }), 2n);
    assert.equal(await db.kv.get('any', { valueEncoding: 'any' }), 2n);
  }
});

test('conditional writes keep their place among the others', async (t) => {
  const db = await database(t);
  const calls = [
    db.kv.put('k', 1), db.kv.increment('k', 10), db.kv.put('other', 'x'.repeat(100_000)), db.kv.increment('k', 100),
    db.kv.put('k', 5), db.kv.increment('k'), db.kv.deleteRange({ prefix: 'o' }), db.kv.put('other', 'again'),
  ];
  assert.deepEqual(await Promise.all(calls), [undefined, 11, undefined, 111, undefined, 6, undefined, undefined]);
  assert.equal(await db.kv.get('k'), 6);
  assert.equal(await db.kv.get('other'), 'again');
});

test('a patch of fields sets some and takes others away', async (t) => {
  const db = await database(t);
  assert.equal(await db.kv.patch('k', { a: 1 }), undefined);
  assert.equal(await db.kv.has('k'), false);
  await db.kv.put('k', { a: 1, b: 2 }, { ttl: 3_600_000 });
  assert.deepEqual(await db.kv.patch('k', { b: undefined, c: { d: 3 } }), { a: 1, c: { d: 3 } });
  assert.deepEqual(await db.kv.get('k'), { a: 1, c: { d: 3 } });
  await db.kv.put('short', { a: 1 }, { ttl: 1_000 });
  await db.kv.patch('short', { b: 2 });
  assert.ok(await eventually(async () => !(await db.kv.has('short'))), 'it kept its expiry');
  await db.kv.put('text', 'x');
  await db.kv.put('session', { a: 1 }, { ttl: 600_000 });
  assert.deepEqual(await db.kv.patch('session', {}, { expiresAt: 5 }), { a: 1 }, 'the expiry alone');
  assert.equal(await db.kv.get('session'), undefined);
  await assert.rejects(db.kv.patch('text', { a: 1 }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /changes/ });
});

test('a patch by a function is atomic', async (t) => {
  const db = await database(t);
  const add = (item) => (list = []) => [...list, item];
  await Promise.all(Array.from({ length: 30 }, (_, index) => db.kv.patch('list', add(index))));
  assert.deepEqual((await db.kv.get('list')).sort((a, b) => a - b), Array.from({ length: 30 }, (_, index) => index));
  assert.deepEqual(await db.kv.patch('list', (list) => list.slice(0, 0)), []);
  assert.deepEqual(await db.kv.patch('list', () => undefined), []);
  const thrown = new Error('mine');
  await assert.rejects(db.kv.patch('list', () => { throw thrown; }), thrown);
  await assert.rejects(db.kv.patch('list', async () => 1), { code: 'FLOWDB_INVALID_ARGUMENT' });
});

test('a patch by an asynchronous function is refused, and the value stays', async (t) => {
  const db = await database(t, { valueEncoding: 'json' });
  await db.kv.put('k', { a: 1 });
  for (const change of [async (current) => current, async () => { throw new Error('no'); }, () => ({ then() {} })]) {
    await assert.rejects(db.kv.patch('k', change), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^changes: / });
  }
  assert.deepEqual(await db.kv.get('k'), { a: 1 });
});

test('a value is loaded once for all who wait for it, and each gets a copy', async (t) => {
  const db = await database(t);
  let loads = 0;
  const loader = async () => {
    loads += 1;
    await pause(20);
    return { loads };
  };
  const values = await Promise.all(Array.from({ length: 20 }, () => db.kv.getOrSet('k', loader, { ttl: 3_600_000 })));
  assert.deepEqual(values, Array.from({ length: 20 }, () => ({ loads: 1 })));
  values[0].loads = 'changed';
  assert.deepEqual(values[1], { loads: 1 });
  assert.deepEqual(await db.kv.getOrSet('k', loader), { loads: 1 });
  assert.deepEqual(await db.kv.getOrSet('gone', loader, { expiresAt: 1 }), { loads: 2 });
  assert.deepEqual(await db.kv.getOrSet('gone', loader, { expiresAt: 1 }), { loads: 3 }, 'it has expired');
});

test('a load that fails, gives nothing, or comes late', async (t) => {
  const db = await database(t);
  const failure = new Error('no');
  const failing = Array.from({ length: 3 }, () => assert.rejects(db.kv.getOrSet('k', async () => { throw failure; }), failure));
  await Promise.all(failing);
  assert.equal(await db.kv.getOrSet('k', () => undefined), undefined);
  assert.equal(await db.kv.has('k'), false);
  const late = db.kv.getOrSet('k', async () => {
    await db.kv.put('k', 'of someone else');
    return 'mine';
  });
  assert.equal(await late, 'of someone else');
  await assert.rejects(db.kv.getOrSet('bad', () => () => {}), { code: 'FLOWDB_INVALID_ARGUMENT' });
});

/** Has a key deleted while its loader runs, and then loads it once more. */
async function deletedMeanwhile(db, remove) {
  let release;
  const old = db.kv.getOrSet('k', () => new Promise((resolve) => { release = () => resolve('old'); }));
  while (release === undefined) await pause(1);
  const joined = db.kv.getOrSet('k', () => 'not asked');
  await pause(5);
  await remove();
  let loads = 0;
  const later = db.kv.getOrSet('k', async () => { loads += 1; return 'new'; });
  assert.equal(await later, 'new');
  assert.equal(loads, 1, 'who comes after the delete does not wait for what was loaded before');
  release();
  return [await old, await joined, await db.kv.get('k')];
}

test('a delete that comes while a key is loaded wins, and a put does, whoever makes it', async (t) => {
  const path = directory(t);
  const db = await database(t, { path });
  const other = await database(t, { path });
  const deletes = {
    delete: () => db.kv.delete('k'), deleteRange: () => db.kv.deleteRange({ prefix: 'k' }), clear: () => db.clear(), batch: () => db.batch([{ type: 'delete', key: 'k' }]),
    'delete by another handle': () => other.kv.delete('k'), 'put and delete': async () => { await other.kv.put('k', 'x'); await other.kv.delete('k'); },
    compareAndSet: async () => { await db.kv.put('k', 'x'); await db.kv.compareAndSet('k', 'x', undefined); },
    'delete and flush': async () => { await db.kv.delete('k'); await db.flush(); await db.compact(); },
  };
  for (const [name, remove] of Object.entries(deletes)) {
    assert.deepEqual(await deletedMeanwhile(db, remove), ['new', 'new', 'new'], name);
    await db.kv.delete('k');
  }
  for (const remove of Object.values(deletes)) {
    const load = db.kv.getOrSet('k', async () => { await remove(); return 'outdated'; });
    assert.equal(await load, 'outdated');
    assert.equal(await db.kv.get('k'), undefined, 'it was not put');
  }
  const load = db.kv.getOrSet('k', async () => { await other.kv.put('k', 'put meanwhile'); return 'outdated'; });
  assert.equal(await load, 'put meanwhile');
  assert.equal((await db.stats()).oldestSnapshotMs, 0, 'no load holds a snapshot any more');
});

test('a load whose key others write beside is put, in a database that is flushed and compacted meanwhile', async (t) => {
  const db = await database(t, { path: directory(t) });
  await db.kv.put('a', 'x');
  await db.kv.delete('k');
  const load = db.kv.getOrSet('k', async () => {
    await db.kv.put('j', 'x');
    await db.kv.deleteRange({ prefix: 'l' });
    await db.flush();
    await db.compact();
    return 'loaded';
  });
  assert.equal(await load, 'loaded');
  assert.equal(await db.kv.get('k'), 'loaded');
});

test('who stops waiting for a load does not end it for others; the last one does', async (t) => {
  const db = await database(t);
  const aborted = { code: 'FLOWDB_ABORTED' };
  let ended = 0;
  const loader = ({ signal }) => new Promise((resolve) => {
    const timer = setTimeout(() => resolve('loaded'), 50);
    signal.addEventListener('abort', () => { clearTimeout(timer); ended += 1; resolve(undefined); });
  });
  const [one, two] = [new AbortController(), new AbortController()];
  const first = db.kv.getOrSet('k', loader, { signal: one.signal });
  const second = db.kv.getOrSet('k', loader);
  await pause(5);
  one.abort(new Error('why'));
  await assert.rejects(first, (error) => error instanceof FlowDBError && error.code === 'FLOWDB_ABORTED' && error.cause.message === 'why');
  assert.equal(await second, 'loaded');
  assert.equal(ended, 0);
  const alone = db.kv.getOrSet('other', loader, { signal: two.signal });
  await pause(5);
  two.abort();
  await assert.rejects(alone, aborted);
  assert.equal(ended, 1);
  await assert.rejects(db.kv.getOrSet('other', loader, { signal: two.signal }), aborted);
});

test('ranges are counted and deleted', async (t) => {
  const db = await database(t);
  await Promise.all(['a1', 'a2', 'b1', 'b2', 'c1'].map((key) => db.kv.put(key, 'x')));
  await db.series.put('a1', 'stays', { ts: 1 });
  assert.equal(await db.kv.count(), 5);
  assert.equal(await db.kv.count({ prefix: 'a' }), 2);
  assert.equal(await db.kv.count({ gt: 'a2', lte: 'b2' }), 2);
  await db.kv.deleteRange({ prefix: 'a', sync: true });
  assert.deepEqual(await db.kv.scan({ values: false }).all(), ['b1', 'b2', 'c1']);
  await db.kv.deleteRange({ gte: 'b2' });
  assert.deepEqual(await db.kv.scan({ values: false }).all(), ['b1']);
  await db.kv.clear();
  assert.equal(await db.kv.count(), 0);
  assert.equal(await db.series.count(), 1);
  await db.clear();
  assert.equal(await db.series.count(), 0);
});

test('entries live by the default, unless they say otherwise', async (t) => {
  const path = directory(t);
  const first = await open({ path, kvTtlMs: 3_600_000, seriesTtlMs: 3_600_000 });
  await Promise.all([first.kv.put('k', 'x'), first.series.put('s', 'x')]);
  assert.deepEqual([await first.kv.count(), await first.series.count()], [1, 1], 'the default is no other');
  await first.clear();
  await first.close();
  const db = await database(t, { path, kvTtlMs: 1, seriesTtlMs: 1 });
  await db.kv.put('default', 'x');
  await db.batch([{ type: 'put', key: 'batch', value: 'x' }, { type: 'put', key: 'kept in batch', value: 'x', ttl: 'never' }]);
  await db.kv.put('longer', 'x', { ttl: 60_000 });
  await db.kv.put('kept', 'x', { ttl: 'never' });
  await db.kv.put('absent', 'x', { ifAbsent: true });
  await db.kv.increment('count');
  await db.series.put('s', 'x');
  await db.series.put('kept', 'x', { ttl: 'never' });
  assert.ok(await eventually(async () => await db.kv.count() === 3 && await db.series.count() === 1));
  assert.deepEqual(await db.kv.scan({ values: false }).all(), ['kept', 'kept in batch', 'longer']);
  assert.deepEqual((await db.series.scan().all()).map(({ key }) => key), ['kept']);
});

test('what has expired is loaded anew, and replaced by a put that depends on nothing being there', async (t) => {
  const db = await database(t);
  for (const key of ['loaded', 'put']) await db.kv.put(key, 'kept', { ttl: 60_000 });
  assert.equal(await db.kv.getOrSet('loaded', () => 'new'), 'kept');
  assert.equal(await db.kv.put('put', 'new', { ifAbsent: true }), false);
  for (const key of ['loaded', 'put']) await db.kv.put(key, 'old', { ttl: 1 });
  assert.ok(await eventually(async () => await db.kv.getOrSet('loaded', () => 'new') === 'new'));
  assert.ok(await eventually(() => db.kv.put('put', 'new', { ifAbsent: true })));
  assert.deepEqual(await db.kv.getMany(['loaded', 'put']), ['new', 'new']);
});

test('a cache with a limit forgets, and counts what it does', async (t) => {
  const db = await database(t, { path: directory(t), kvBytesMax: 512 * 1024, compression: 'none' });
  const value = 'x'.repeat(8_000);
  for (let index = 0; index < 400; index += 1) await db.kv.put(`key ${index}`, `${index}${value}`);
  await db.flush();
  assert.ok(await eventually(async () => (await db.stats()).kv.evictions > 0));
  assert.equal(await db.kv.has('key 399'), true);
  assert.equal(await db.kv.has('key 0'), false);
  const { kv, trees } = await db.stats();
  assert.deepEqual([kv.hits, kv.misses], [1, 1]);
  assert.ok(trees.kv.tableBytes < 1024 * 1024, `${trees.kv.tableBytes} bytes`);
});

test('a signal that is aborted while the cache is still asked ends the call, and nothing is loaded', async (t) => {
  const db = await database(t);
  const controller = new AbortController();
  let loads = 0;
  const call = db.kv.getOrSet('k', () => { loads += 1; return new Promise(() => {}); }, { signal: controller.signal });
  controller.abort();
  await assert.rejects(call, { code: 'FLOWDB_ABORTED' });
  assert.equal(loads, 0);
});

test('closing ends loads that may never end themselves, and tells their loaders', async () => {
  const db = await open({ memory: true });
  const signals = [];
  const never = ({ signal }) => { signals.push(signal); return new Promise(() => {}); };
  const isClosed = (error) => error instanceof FlowDBError && error.code === 'FLOWDB_CLOSED';
  const ended = ['a', 'a', 'b'].map((key) => assert.rejects(db.kv.getOrSet(key, never), isClosed));
  assert.equal(await db.kv.getOrSet('c', async () => 'loaded'), 'loaded');
  const asked = assert.rejects(db.kv.getOrSet('d', never), isClosed);
  await db.close();
  await Promise.all([...ended, asked]);
  assert.deepEqual(signals.map(({ aborted, reason }) => [aborted, reason.code]), [[true, 'FLOWDB_CLOSED'], [true, 'FLOWDB_CLOSED']]);
});

test('a loader that never settles holds no moment of the database once nobody waits for it', async (t) => {
  const db = await database(t);
  const held = async () => Number(/^flowdb_snapshots_held (\d+)$/m.exec(await db.metricsText())?.[1]);
  const controller = new AbortController();
  const call = db.kv.getOrSet('k', () => new Promise(() => {}), { signal: controller.signal });
  while (await held() === 0) await new Promise((resolve) => { setImmediate(resolve); });
  controller.abort();
  await assert.rejects(call, { code: 'FLOWDB_ABORTED' });
  assert.equal(await held(), 0);
  assert.equal(await db.kv.getOrSet('k', () => 'loaded'), 'loaded');
});

test('what a loader gives after the last who waited has left is not put, what it gave before is', async (t) => {
  const db = await database(t);
  for (const isLate of [true, false]) {
    const controller = new AbortController();
    let give;
    const told = [];
    const loader = ({ signal }) => {
      signal.addEventListener('abort', () => told.push(signal.reason));
      return new Promise((resolve) => { give = resolve; });
    };
    const call = db.kv.getOrSet('k', loader, { signal: controller.signal });
    const aborted = assert.rejects(call, { code: 'FLOWDB_ABORTED' });
    while (give === undefined) await pause(1);
    if (isLate) controller.abort('late');
    give('loaded');
    // The loader is through, its value on the way.
    for (let turn = 0; turn < 4; turn += 1) await null;
    controller.abort('too late');
    await aborted;
    if (isLate) await pause(20);
    else assert.ok(await eventually(() => db.kv.has('k')));
    assert.equal(await db.kv.get('k'), isLate ? undefined : 'loaded');
    assert.deepEqual(told, isLate ? ['late'] : []);
    await db.kv.delete('k');
  }
});

test('a loader that aborts its own call or closes the database before it returns ends the call', { timeout: 10_000 }, async (t) => {
  const db = await database(t);
  const controller = new AbortController();
  const never = new Promise(() => {});
  const call = db.kv.getOrSet('k', () => { controller.abort('why'); return never; }, { signal: controller.signal });
  await assert.rejects(call, ({ code, cause }) => code === 'FLOWDB_ABORTED' && cause === 'why');
  const signals = [];
  const closing = db.kv.getOrSet('k', ({ signal }) => { signals.push(signal); db.close(); return never; });
  await assert.rejects(closing, { code: 'FLOWDB_CLOSED' });
  assert.ok(signals[0].aborted);
});

test('many who wait, for one key or with one signal, do not look like a leak', async (t) => {
  const db = await database(t);
  const warnings = [];
  const listener = (/** @type {Error} */ warning) => { warnings.push(warning.name); };
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  const slow = () => pause(5).then(() => 'loaded');
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args) => { listeners += 1; addEventListener.apply(signal, args); };
  signal.removeEventListener = (...args) => { listeners -= 1; removeEventListener.apply(signal, args); };
  const calls = [];
  for (let index = 0; index < 20; index += 1) {
    calls.push(db.kv.getOrSet('one', slow), db.kv.getOrSet('one', slow, { signal }), db.kv.getOrSet(`key ${index}`, slow, { signal }));
  }
  while (listeners === 0) await pause(1);
  assert.equal(listeners, 1);
  await Promise.all(calls);
  assert.equal(listeners, 0);
  await pause(1);
  assert.deepEqual(warnings, []);
});

test('a signal that nobody can stop listening to is refused', async (t) => {
  const db = await database(t);
  const signal = { aborted: false, addEventListener() {} };
  await assert.rejects(db.kv.getOrSet('k', () => 'loaded', { signal }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^signal/ });
});

test('fields of a patch are taken as they are at the call', async (t) => {
  const db = await database(t);
  for (const valueEncoding of ['any', 'json']) {
    await db.kv.put('k', { gone: 1, kept: 2 }, { valueEncoding });
    const fields = { tags: ['one'], at: new Date(0), nested: { deep: [1] }, gone: undefined };
    const patched = db.kv.patch('k', fields, { valueEncoding });
    fields.tags.push('two');
    fields.nested.deep[0] = 2;
    fields.at.setTime(1);
    fields.kept = 3;
    const at = valueEncoding === 'json' ? new Date(0).toISOString() : new Date(0);
    assert.deepEqual(await patched, { kept: 2, tags: ['one'], at, nested: { deep: [1] } });
    assert.deepEqual(await db.kv.get('k', { valueEncoding }), await patched);
  }
  await assert.rejects(db.kv.patch('k', { f() {} }), { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'changes', message: /^changes: / });
  await assert.rejects(db.kv.patch('k', () => Symbol('s')), { code: 'FLOWDB_INVALID_ARGUMENT', argument: 'changes' });
});

test('many keys are read as of one moment, in however many steps', async (t) => {
  const path = directory(t);
  const [db, other] = [await database(t, { path }), await database(t, { path })];
  const large = Array.from({ length: 40 }, (_, index) => `m${index}`);
  const small = Array.from({ length: 3000 }, (_, index) => `n${index}`);
  const write = (value) => other.batch(['a', ...small, 'z'].map((key) => ({ type: 'put', key, value })));
  await other.batch(large.map((key) => ({ type: 'put', key, value: Buffer.alloc(100_000) })));
  for (const between of [[], large, small]) {
    for (const isFlushed of [false, true]) {
      await write('before');
      if (isFlushed) await other.compact();
      const snapshot = await db.snapshot();
      const keys = ['a', ...between, 'z'];
      const reads = [db.kv.getMany(keys), db.kv.getMany(keys, { snapshot })];
      await write('after');
      for (const values of await Promise.all(reads)) assert.deepEqual([values.at(0), values.at(-1)], ['before', 'before']);
      const values = await db.kv.getMany(keys);
      assert.deepEqual([values.length, values.at(0), values.at(-1)], [keys.length, 'after', 'after']);
      snapshot.close();
    }
  }
  assert.equal((await db.stats()).oldestSnapshotMs, 0, 'no call holds a snapshot any more');
});

test('a flush does not make a second load of one that is under way, nor costs the value', async (t) => {
  // Whether the key is in a table that is newer than the load is known by its file alone.
  const db = await database(t, { path: directory(t), filterBitsPerKey: 0, blockCacheBytes: 0 });
  const { promise, resolve } = withResolvers();
  let loads = 0;
  const load = async () => {
    loads += 1;
    await promise;
    return `loaded ${loads}`;
  };
  const first = db.kv.getOrSet('k', load);
  assert.ok(await eventually(() => loads === 1));
  await db.batch(['a', 'z'].map((key) => ({ type: 'put', key, value: 'new' })));
  await db.flush();
  const others = [db.kv.getOrSet('k', load), db.kv.getOrSet('k', load)];
  const controller = new AbortController();
  const aborted = db.kv.getOrSet('k', load, { signal: controller.signal });
  await pause(20);
  controller.abort();
  await assert.rejects(aborted, { code: 'FLOWDB_ABORTED' });
  resolve();
  assert.deepEqual(await Promise.all([first, ...others]), ['loaded 1', 'loaded 1', 'loaded 1']);
  assert.equal(loads, 1);
  assert.equal(await db.kv.get('k'), 'loaded 1', 'and it was put');
});

test('a database that is closed while a file is asked ends the loads', async (t) => {
  const db = await database(t, { path: directory(t), filterBitsPerKey: 0, blockCacheBytes: 0 });
  const first = db.kv.getOrSet('k', () => new Promise(() => {}));
  await pause(1);
  await db.batch(['a', 'z'].map((key) => ({ type: 'put', key, value: 'new' })));
  await db.flush();
  const outcomes = Promise.allSettled([first, db.kv.getOrSet('k', () => 'second'), db.kv.getOrSet('k', () => 'third')]);
  await pause(1);
  await db.close();
  for (const { status, reason } of await outcomes) assert.deepEqual([status, reason?.code], ['rejected', 'FLOWDB_CLOSED']);
});

test('a load that ends while a file is asked is not done again', async () => {
  const [loaded, asked] = [withResolvers(), withResolvers()];
  const cached = new Map();
  const session = {
    checkOpen() {},
    whenClosed() {},
    // Memory cannot tell; the file tells of the put of the load itself.
    loads: { begin: () => 1, end() {}, isCurrent: () => null, isCurrentLater: () => asked.promise },
    async change() {
      cached.set('k', 'loaded');
      return Buffer.alloc(0);
    },
  };
  const loads = new Loads(/** @type {any} */ (session), async (key) => cached.get(key.toString()));
  let count = 0;
  const load = () => { count += 1; return loaded.promise; };
  const options = { encoding: 'utf8', expiry: undefined, sync: false };
  const calls = [loads.join(Buffer.from('k'), load, options), loads.join(Buffer.from('k'), load, options)];
  loaded.resolve('loaded');
  assert.equal(await calls[0], 'loaded');
  asked.resolve(false);
  assert.deepEqual([await calls[1], count], ['loaded', 1]);
});

test('a load is told when nobody waits for it, also where someone had joined who makes a load of its own', async (t) => {
  const db = await database(t, { path: directory(t), filterBitsPerKey: 0, blockCacheBytes: 0 });
  const [controller, told] = [new AbortController(), withResolvers()];
  const first = db.kv.getOrSet('k', ({ signal }) => new Promise(() => { signal.onabort = told.resolve; }), { signal: controller.signal });
  await pause(1);
  await db.kv.put('k', 'someone else');
  await db.kv.delete('k');
  await db.flush();
  assert.equal(await db.kv.getOrSet('k', () => 'second'), 'second');
  controller.abort();
  await assert.rejects(first, { code: 'FLOWDB_ABORTED' });
  await told.promise;
});

test('a delete that was flushed makes a load of its own all the same', async (t) => {
  const db = await database(t, { path: directory(t), filterBitsPerKey: 0, blockCacheBytes: 0 });
  const { promise, resolve } = withResolvers();
  const first = db.kv.getOrSet('k', () => promise);
  await pause(1);
  await db.kv.put('k', 'someone else');
  await db.kv.delete('k');
  await db.flush();
  assert.equal(await db.kv.getOrSet('k', () => 'second'), 'second');
  resolve('first');
  assert.equal(await first, 'second', 'what is there stays');
  assert.equal(await db.kv.get('k'), 'second');
});

/** @returns {{ promise: Promise<any>, resolve: (value?: any) => void }} */
function withResolvers() {
  let resolve = () => {};
  const promise = new Promise((fulfil) => { resolve = fulfil; });
  return { promise, resolve };
}

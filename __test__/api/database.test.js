'use strict';

// What concerns a database as a whole: settings, numbers, copies, care of directories, logs and diagnostics.

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { test } = require('node:test');
const { database, directory, eventually, run } = require('../fixture.js');
const { Database, open } = require('../../index.js');

const SETTINGS = {
  sync: { intervalMs: 50 }, blockCacheBytes: 0, writeBufferBytes: 65_536, frozenWriteBuffersMax: 3, blockBytes: 1024, compression: 'none', filterBitsPerKey: 0,
  logSegmentBytes: 65_536, logBytesMax: 131_072, tableBytesMax: 65_536, kvBytesMax: 1 << 20, kvTtlMs: 60_000, seriesTtlMs: 'never',
  seriesRetentionMs: 86_400_000, seriesBucketMs: 3_600_000, seriesRetentionByPrefix: [{ prefix: 'a', ms: 5 }, { prefix: 'b', ms: 'never' }],
};

test('every setting reaches the store, which refuses others while it is open', async (t) => {
  const where = directory(t);
  const db = await open({ path: where, ...SETTINGS });
  await (await open({ path: where, ...SETTINGS })).close();
  const others = {
    ...Object.fromEntries(Object.entries(SETTINGS).map(([name, value]) => [name, typeof value === 'number' ? value + (name.endsWith('Ms') ? 60_000 : 1) : value])),
    blockCacheBytes: 7, sync: 'os', compression: 'lz4', seriesTtlMs: 5, logSegmentBytes: 65_537, kvBytesMax: 2 << 20,
    seriesRetentionByPrefix: [{ prefix: 'a', ms: 6 }],
  };
  for (const name of Object.keys(SETTINGS)) {
    await assert.rejects(open({ path: where, [name]: others[name] }), { code: 'FLOWDB_INVALID_ARGUMENT', message: new RegExp(`^${name}`) }, name);
  }
  await db.close();
});

test('settings out of range are refused by name', async () => {
  const wrong = {
    readOnly: 1, frozenWriteBuffersMax: 17, blockBytes: 511, compression: 'zstd', filterBitsPerKey: 33, logSegmentBytes: 1, logBytesMax: 1, tableBytesMax: 1,
    kvBytesMax: 1, kvTtlMs: 0, seriesTtlMs: 'forever', seriesRetentionMs: 0.5, seriesBucketMs: 1, logger: console.log,
  };
  for (const [name, value] of Object.entries(wrong)) {
    await assert.rejects(open({ memory: true, [name]: value }), { code: 'FLOWDB_INVALID_ARGUMENT', message: new RegExp(`^${name}`) }, name);
  }
  for (const what of [{ readOnly: true }, { logSegmentBytes: 65_536 }, { logBytesMax: 65_536 }]) {
    const [argument] = Object.keys(what);
    await assert.rejects(open({ memory: true, ...what }), { code: 'FLOWDB_INVALID_ARGUMENT', argument, message: /memory/ }, argument);
  }
});

test('a get counts once, also among more than one reply has room for, and where memory answers some of them', async (t) => {
  const path = directory(t);
  const first = await open({ path });
  const keys = Array.from({ length: 300 }, (_, index) => `key ${String(index).padStart(3, '0')}`);
  await first.batch(keys.map((key) => ({ type: 'put', key, value: key.padEnd(8_000, '.') })));
  await first.close();
  const db = await database(t, { path });
  await db.kv.getMany(keys.slice(0, 20));
  const found = await db.kv.getMany([...keys, 'missing']);
  assert.deepEqual(found, [...keys.map((key) => key.padEnd(8_000, '.')), undefined]);
  assert.deepEqual((await db.stats()).kv, { hits: 320, misses: 1, evictions: 0 });
  await db.kv.getMany([...keys, 'missing']);
  assert.deepEqual((await db.stats()).kv, { hits: 620, misses: 2, evictions: 0 });
});

test('numbers about all of it', async (t) => {
  const db = await database(t, { path: directory(t) });
  await db.kv.put('k', 'x');
  await db.kv.get('k');
  await db.kv.get('missing');
  await db.kv.getMany(['k', 'missing', 'k']);
  await db.flush();
  const stats = await db.stats();
  assert.deepEqual(stats.kv, { hits: 3, misses: 2, evictions: 0 });
  assert.equal(stats.totals.commits, 1);
  assert.equal(stats.totals.flushes, 1);
  assert.equal(stats.latencies.flush.count, 1);
  assert.ok(stats.latencies.flush.p99Ms <= stats.latencies.flush.maxMs);
  assert.equal(stats.trees.kv.tableEntries, 1);
  assert.equal(stats.backgroundError, undefined);
  assert.ok(stats.uptimeMs > 0 && stats.blockCache.capacityBytes > 0 && stats.logBytes >= 0);
  assert.match(await db.metricsText(), /^# HELP flowdb_/m);
  await db.resume();
});

test('a checkpoint opens as a database of its own', async (t) => {
  const [where, copy] = [directory(t), path.join(directory(t), 'copy')];
  const db = await database(t, { path: where });
  await db.kv.put('k', 'in it');
  const report = await db.checkpoint(copy);
  assert.ok(report.sequence >= 1 && report.filesLinked + report.filesCopied > 0);
  await db.kv.put('k', 'later');
  await assert.rejects(db.checkpoint(copy), { code: 'FLOWDB_INVALID_ARGUMENT' });
  const restored = await database(t, { path: copy });
  assert.equal(await restored.kv.get('k'), 'in it');
  assert.equal(await db.kv.get('k'), 'later');
  const inMemory = await database(t);
  await assert.rejects(inMemory.checkpoint(copy), { code: 'FLOWDB_INVALID_ARGUMENT', message: /memory/ });
});

test('a directory may be named by a file: URL', async (t) => {
  const where = path.join(directory(t), 'with space, é and %');
  const url = pathToFileURL(where);
  const db = await open(url);
  await db.put('k', 'x');
  const same = await open({ path: url });
  assert.equal(await same.get('k'), 'x');
  await db.checkpoint(pathToFileURL(`${where} copy`));
  await Promise.all([db.close(), same.close()]);
  assert.ok(readdirSync(where).length > 0);
  assert.equal((await Database.verify(url)).isClean, true);
  assert.equal((await Database.repair(url, pathToFileURL(`${where} saved`))).isComplete, true);
  await Database.destroy(pathToFileURL(`${where} copy`));
  for (const wrong of [new URL('https://example.org/data'), new URL('file:///a%2Fb'), new URL('file:///a%00b')]) {
    await assert.rejects(open(wrong), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^path: / }, wrong.href);
    await assert.rejects(Database.verify(wrong), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^directory: / }, wrong.href);
  }
});

test('a directory is read beside other readers, and not changed', async (t) => {
  const where = directory(t);
  const writer = await open(where);
  await writer.kv.put('k', 'x');
  await assert.rejects(open({ path: where, readOnly: true }), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^readOnly/ });
  await writer.close();
  const before = readdirSync(where).sort();
  const db = await database(t, { path: where, readOnly: true });
  const other = await run(`open({ path: process.argv[1], readOnly: true }).then(async (db) => console.log(await db.kv.get('k')))`, { args: [where] });
  assert.equal(other.output, 'x\n');
  assert.equal(await db.kv.get('k'), 'x');
  const writes = [
    () => db.kv.put('k', 'y'), () => db.kv.increment('n'), () => db.kv.clear(), () => db.series.delete('s'),
    () => db.flush(), () => db.compact(), () => db.checkpoint(path.join(directory(t), 'c')),
  ];
  for (const write of writes) {
    await assert.rejects(write(), { name: 'FlowDBError', code: 'FLOWDB_READ_ONLY' });
  }
  assert.equal(await db.kv.get('k'), 'x');
  assert.deepEqual(readdirSync(where).sort(), before);
  await assert.rejects(open({ path: path.join(where, 'none'), readOnly: true }), { code: 'FLOWDB_NOT_FOUND' });
});

test('a directory is checked, repaired and removed', async (t) => {
  const where = directory(t);
  const db = await open(where);
  await db.batch(Array.from({ length: 2000 }, (_, index) => ({ type: 'put', key: `k${index}`, value: `${index}`.repeat(20) })));
  await db.flush();
  for (const call of [() => Database.verify(where), () => Database.destroy(where), () => Database.repair(where, path.join(directory(t), 'saved'))]) {
    await assert.rejects(call, { code: 'FLOWDB_LOCKED', holder: process.pid, message: /open in this process .*close it first/ });
  }
  await db.close();
  const reader = await open({ path: where, readOnly: true });
  await assert.rejects(Database.destroy(where), { code: 'FLOWDB_LOCKED', message: /open in this process/ });
  await reader.close();
  const sound = await Database.verify(where);
  assert.deepEqual([sound.isClean, sound.problems], [true, []]);
  assert.ok(sound.entries >= 2000 && sound.bytesRead > 0);
  const table = readdirSync(where).find((name) => name.endsWith('.table'));
  const bytes = readFileSync(path.join(where, /** @type {string} */ (table)));
  writeFileSync(path.join(where, /** @type {string} */ (table)), bytes.fill(0, 5000, 5016));
  const damaged = await Database.verify(where);
  assert.equal(damaged.isClean, false);
  assert.equal(damaged.problems[0].code, 'FLOWDB_CORRUPTION');
  assert.ok(damaged.problems[0].file.endsWith(/** @type {string} */ (table)));
  const into = path.join(directory(t), 'repaired');
  const repaired = await Database.repair(where, into);
  assert.equal(repaired.isComplete, false);
  assert.equal(repaired.order, 'manifest');
  assert.ok(repaired.lost.length > 0);
  const saved = await database(t, { path: into });
  const entries = await saved.kv.scan().all();
  assert.ok(entries.length > 0 && entries.length < 2000, `${entries.length} were saved`);
  for (const { key, value } of entries) assert.equal(value, key.slice(1).repeat(20));
  assert.equal((await Database.verify(where)).isClean, false, 'the damaged one stays as it is');
  await Database.destroy(where);
  await assert.rejects(Database.destroy(where), { code: 'FLOWDB_NOT_FOUND' });
  for (const call of [Database.verify, Database.destroy]) await assert.rejects(call(''), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^directory/ });
  await assert.rejects(Database.repair('x', 5), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^into/ });
});

test('diagnostics tell of commits, flushes and compactions', async (t) => {
  const where = directory(t);
  const told = [];
  const names = ['open', 'write', 'flush', 'compaction', 'close'];
  const listener = (message, name) => { if (message.path === where) told.push({ name, ...message }); };
  for (const name of names) subscribe(`flowdb:${name}`, listener);
  t.after(() => { for (const name of names) unsubscribe(`flowdb:${name}`, listener); });
  const db = await open(where);
  await Promise.all([db.kv.put('a', 'x'), db.kv.put('b', 'x')]);
  await db.kv.increment('n');
  await db.flush();
  await db.compact();
  assert.ok(await eventually(() => told.some(({ name }) => name === 'flowdb:flush')));
  await db.close();
  const found = (name) => told.filter((message) => message.name === `flowdb:${name}`);
  assert.equal(found('open').length, 1);
  assert.deepEqual(found('write').map(({ writes }) => writes), [2, 1]);
  assert.equal(found('flush')[0].tree, 'kv');
  assert.ok(found('flush')[0].bytesWritten > 0);
  assert.equal(found('close').length, 1);
});

test('what failed in the background and what works again have the same word', async (t) => {
  const where = directory(t);
  const told = [];
  const listener = (message, name) => { if (message.path === where) told.push({ name, ...message }); };
  for (const name of ['background-error', 'resumed']) {
    subscribe(`flowdb:${name}`, listener);
    t.after(() => unsubscribe(`flowdb:${name}`, listener));
  }
  const db = await open({ path: where, writeBufferBytes: 1 << 20 });
  t.after(() => db.close());
  // The next table's name is taken, so that the flush fails, once.
  const taken = path.join(where, '0000000001.table');
  writeFileSync(taken, 'not ours');
  for (let index = 0; index < 20; index += 1) await db.kv.put(`key ${index}`, randomBytes(64 << 10));
  const heard = (name) => told.find((message) => message.name === `flowdb:${name}`);
  assert.ok(await eventually(() => heard('background-error')));
  const { work, code, message, resumes } = heard('background-error');
  assert.deepEqual({ work, code, resumes }, { work: 'flush', code: 'FLOWDB_IO', resumes: true });
  assert.match(message, /^a memtable could not be flushed: creating a table: .*0000000001\.table/);
  await db.resume();
  assert.ok(await eventually(() => heard('resumed')));
  assert.equal(heard('resumed').work, work);
  assert.equal(readFileSync(taken, 'utf8'), 'not ours');
});

test('a database that is closed by who hears of its last write is closed once', async (t) => {
  const db = await open({ memory: true });
  const [closing, closed] = [[], []];
  const onWrite = () => closing.push(db.close());
  const onClose = (message) => closed.push(message);
  subscribe('flowdb:write', onWrite);
  subscribe('flowdb:close', onClose);
  t.after(() => {
    unsubscribe('flowdb:write', onWrite);
    unsubscribe('flowdb:close', onClose);
  });
  const written = db.kv.put('k', 'x');
  closing.push(db.close());
  await Promise.all([written, ...closing]);
  assert.equal(new Set(closing).size, 1, 'one promise');
  assert.equal(closing.length, 2);
  assert.equal(closed.length, 1);
});

test('the channel of writes tells of changes that failed', async (t) => {
  const db = await database(t);
  await db.kv.put('text', 'x');
  const told = [];
  const onWrite = (message) => told.push(message);
  subscribe('flowdb:write', onWrite);
  t.after(() => unsubscribe('flowdb:write', onWrite));
  await Promise.allSettled([db.kv.increment('n'), db.kv.increment('text')]);
  await Promise.allSettled([db.kv.increment('n')]);
  await Promise.resolve();
  assert.deepEqual(told.map(({ writes, error }) => [writes, error?.name, error?.code]), [[2, 'FlowDBError', 'FLOWDB_INVALID_ARGUMENT'], [1, undefined, undefined]]);
});

/** What pino puts into every line; a field of the same name would be there twice. */
const PINO_FIELDS = ['level', 'time', 'pid', 'hostname', 'name', 'msg'];

test('a logger hears what the library has to say, once, and nothing after the last close', async (t) => {
  const where = directory(t);
  const lines = [];
  const method = (level) => (fields, message) => lines.push({ level, fields, message });
  const logger = { error: method('error'), warn: method('warn'), info: method('info'), debug: method('debug'), isLevelEnabled: () => true };
  const [db, other] = [await open({ path: where, logger }), await open({ memory: true, logger })];
  for (let round = 0; round < 3; round += 1) {
    await db.kv.put('a', `${round}`);
    await db.flush();
  }
  await db.compact();
  assert.ok(await eventually(() => lines.some(({ message }) => /compaction begins|tables moved/.test(message))), JSON.stringify(lines));
  const told = lines.filter(({ message }) => message === 'compaction begins').length;
  assert.ok(told <= 2, `${told} times for one compaction`);
  for (const { fields } of lines) {
    assert.equal(fields.component, 'flowdb');
    assert.deepEqual(Object.keys(fields).filter((name) => PINO_FIELDS.includes(name)), [], 'a logger writes these itself');
  }
  const compaction = lines.find(({ message }) => /compaction begins|tables moved/.test(message));
  assert.deepEqual([typeof compaction.fields.intoLevel, typeof compaction.fields.tables], ['number', 'number']);
  await db.close();
  await other.close();
  const before = lines.length;
  const silent = await database(t, { path: where });
  await silent.kv.put('a', 'x');
  await silent.compact();
  assert.equal(lines.length, before);
});

test('a logger that throws harms nobody', async (t) => {
  const fail = () => { throw new Error('no disk for logs'); };
  const db = await database(t, { path: directory(t), logger: { error: fail, warn: fail, info: fail, debug: fail, isLevelEnabled: () => true } });
  await db.kv.put('a', 'x');
  await db.compact();
  assert.equal(await db.kv.get('a'), 'x');
});

test('a checkpoint does not go where something is', async (t) => {
  const db = await database(t, { path: directory(t) });
  const target = path.join(directory(t), 'taken');
  mkdirSync(target);
  writeFileSync(path.join(target, 'mine'), 'x');
  await assert.rejects(db.checkpoint(target), { code: 'FLOWDB_INVALID_ARGUMENT' });
  await assert.rejects(db.checkpoint(7), { code: 'FLOWDB_INVALID_ARGUMENT', message: /^directory/ });
  assert.deepEqual(readdirSync(target), ['mine']);
});

test('a copy or a repaired database is not made inside the directory that it comes from', async (t) => {
  const where = directory(t);
  const db = await open(where);
  await db.put('k', 'x');
  const inside = [path.join(where, 'inside'), path.join(where, 'not', 'there')];
  const refused = { code: 'FLOWDB_INVALID_ARGUMENT', message: /directory of the database/ };
  for (const target of inside) await assert.rejects(db.checkpoint(target), refused);
  await db.close();
  const before = readdirSync(where).sort();
  for (const target of [...inside, where]) await assert.rejects(Database.repair(where, target), refused);
  assert.deepEqual(readdirSync(where).sort(), before);
  const beside = `${where} beside`;
  t.after(() => Database.destroy(beside));
  assert.equal((await Database.repair(where, beside)).isComplete, true);
});

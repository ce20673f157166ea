'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { database, directory, eventually, pause } = require('../fixture.js');
const { open } = require('../../index.js');

test('what is put is what is got', async (t) => {
  const db = await database(t);
  await db.kv.put('a', 'text');
  await db.kv.put(Buffer.from('b'), Buffer.from([0, 255, 1]));
  assert.equal(await db.kv.get('a'), 'text');
  assert.equal(await db.get(Buffer.from('a')), 'text', 'a string and its UTF-8 are the same key');
  assert.deepEqual(await db.kv.get('b'), Buffer.from([0, 255, 1]));
  assert.equal(await db.kv.get('c'), undefined);
  assert.equal(await db.kv.has('a'), true);
  assert.equal(await db.kv.has('c'), false);
});

test('a put overwrites, a delete takes away', async (t) => {
  const db = await database(t);
  await db.put('a', 'one');
  await db.put('a', 'two');
  assert.equal(await db.get('a'), 'two');
  await db.delete('a');
  await db.delete('never there');
  assert.equal(await db.get('a'), undefined);
  assert.equal(db.getSync('a'), undefined);
});

test('reads see the writes before them without waiting for these', async (t) => {
  const db = await database(t);
  const put = db.put('a', 'one');
  assert.equal(db.getSync('a'), 'one');
  const large = db.put('large', 'x'.repeat(300_000));
  const after = db.put('b', 'behind the large one');
  assert.equal((await db.get('large')).length, 300_000);
  assert.equal(await db.get('b'), 'behind the large one');
  assert.deepEqual((await db.scan({ values: false }).all()), ['a', 'b', 'large']);
  await Promise.all([put, large, after]);
});

test('promises of writes settle in the order of the writes', async (t) => {
  const db = await database(t, { path: directory(t) });
  const told = [];
  const puts = [];
  for (let index = 0; index < 30; index += 1) {
    const value = index % 7 === 3 ? 'x'.repeat(100_000) : 'small';
    puts.push(db.put(`k${index}`, value, { sync: index % 5 === 0 }).then(() => told.push(index)));
    if (index % 4 === 0) await pause(0);
  }
  await Promise.all(puts);
  assert.deepEqual(told, told.toSorted?.((a, b) => a - b) ?? [...told].sort((a, b) => a - b));
  assert.equal(told.length, 30);
});

test('a value lives as long as its ttl', async (t) => {
  const db = await database(t);
  await db.put('short', 'x', { ttl: 1 });
  await db.put('long', 'x', { ttl: 60_000 });
  await db.put('until', 'x', { expiresAt: new Date(Date.now() + 60_000) });
  await db.put('past', 'x', { expiresAt: 1 });
  assert.equal(await db.get('past'), undefined);
  assert.ok(await eventually(async () => await db.get('short') === undefined));
  assert.equal(await db.get('until'), 'x');
  assert.deepEqual(await db.scan({ values: false }).all(), ['long', 'until']);
  await db.put('long', 'kept');
  assert.equal(await db.get('long'), 'kept', 'a new put has no ttl');
});

test('a database in a directory is there when it is opened again', async (t) => {
  const path = directory(t);
  const first = await open(path);
  await first.put('a', 'one');
  await first.put('a', 'two', { sync: true });
  await first.flush();
  await first.put('b', Buffer.from('bytes'));
  const { sequence } = await first.stats();
  assert.ok(sequence >= 3);
  await first.close();
  const second = await database(t, { path });
  assert.equal(await second.get('a'), 'two');
  assert.deepEqual(await second.get('b'), Buffer.from('bytes'));
  assert.ok((await second.stats()).sequence >= sequence);
});

test('values up to megabytes go in and out', async (t) => {
  const db = await database(t, { path: directory(t) });
  const value = Buffer.alloc(5_000_000, 'flowdb ');
  await db.put('large', value);
  assert.ok(value.equals(await db.get('large')));
  assert.ok(value.equals(db.getSync('large')));
  assert.ok(value.equals((await db.scan().all())[0].value));
});

test('what comes out can be changed without harm', async (t) => {
  const db = await database(t);
  const value = Buffer.from('abc');
  const put = db.put('a', value);
  value.fill(0);
  await put;
  const first = await db.get('a');
  assert.equal(first.toString(), 'abc');
  first.fill(1);
  assert.equal((await db.get('a')).toString(), 'abc');
});

test('a read goes on although writes keep coming that a worker has to do', async (t) => {
  const db = await database(t, { path: directory(t) });
  let isRead = false;
  let writes = 0;
  const writer = async () => {
    while (!isRead && writes < 2000) {
      writes += 1;
      await db.put(`large${writes % 10}`, Buffer.alloc(100_000));
    }
  };
  const writers = [writer(), writer(), writer(), writer()];
  await pause(20);
  const before = writes;
  await db.get('large1');
  await db.scan({ limit: 1 }).all();
  isRead = true;
  assert.ok(writes - before < 500, `${writes - before} writes were begun before two reads were answered`);
  await Promise.all(writers);
});

test('the bytes of a key can be used again at once', async (t) => {
  const db = await database(t);
  await db.batch([{ type: 'put', key: 'a', value: 'of a' }, { type: 'put', key: 'b', value: 'of b' }]);
  const key = Buffer.from('a');
  const large = db.put('large', Buffer.alloc(200_000));
  const value = db.get(key);
  key[0] = 98;
  assert.equal(await value, 'of a', 'the read had to wait for the large write');
  await large;
});

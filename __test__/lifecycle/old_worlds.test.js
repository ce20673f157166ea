'use strict';

// Goal: a world in memory that nobody refers to is freed with its data, even though a database of it was left open and has
// listeners: tests make a new IDBFactory() each.
// Method: many worlds, one after the other, together much larger than what the process may grow by. The collector is called, or comes by
// itself: it is told what a world takes.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('../fixture.js');

const program = (afterEach, count) => `
  const { IDBFactory } = require(process.argv[1]);
  const kept = [];
  const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
  const result = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  async function fill(factory) {
    const request = factory.open('database', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('store').createIndex('index', 'key');
    const database = await result(request);
    database.onversionchange = () => database.close();
    const transaction = database.transaction('store', 'readwrite');
    for (let key = 0; key < 50; key += 1) transaction.objectStore('store').put({ key, bytes: new Uint8Array(100_000).fill(1) }, key);
    await new Promise((resolve) => { transaction.oncomplete = resolve; });
    // Neither a cursor nor a transaction that is left alone keeps it.
    await result(database.transaction('store').objectStore('store').openCursor());
  }
  (async () => {
    const rounds = async (count) => {
      for (let round = 0; round < count; round += 1) {
        const factory = new IDBFactory();
        await fill(factory);
        ${afterEach}
        await turn();
      }
    };
    await rounds(5);
    const before = process.memoryUsage.rss();
    await rounds(${count});
    console.log(Math.round((process.memoryUsage.rss() - before) / 1e6));
  })();
`;

const grownBy = async (afterEach, count = 20) => {
  const { code, output } = await run(program(afterEach, count), { args: [require.resolve('../..')], nodeOptions: ['--expose-gc'] });
  assert.equal(code, 0, output);
  return Number(output);
};

test('worlds of 5 MB each that are forgotten take no room', async () => {
  const megabytes = await grownBy('gc();');
  assert.ok(megabytes < 50, `20 worlds took ${megabytes} MB`);
});

test('the collector comes by itself', async () => {
  const megabytes = await grownBy('', 80);
  assert.ok(megabytes < 250, `80 worlds took ${megabytes} MB`);
});

test('worlds that are closed take none, without the collector', async () => {
  const megabytes = await grownBy('await factory.close();');
  assert.ok(megabytes < 50, `20 worlds took ${megabytes} MB`);
});

test('worlds that are kept do: the measure measures', async () => {
  const megabytes = await grownBy('kept.push(factory); gc();');
  assert.ok(megabytes > 75, `20 worlds took ${megabytes} MB`);
});

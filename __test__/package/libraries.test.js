'use strict';

// Programs written for fake-indexeddb, and the two most used wrappers, on the installed package.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { ROOT, installed } = require('./installation.js');

/** @type {import('./installation.js').Installation} */
let installation;
before(async () => {
  installation = await installed();
  for (const library of ['dexie', 'idb', 'fake-indexeddb']) installation.borrow(library);
});
after(() => installation?.remove());

test("the example of fake-indexeddb's README prints the same with flowdb", () => {
  const readme = fs.readFileSync(path.join(ROOT, 'node_modules/fake-indexeddb/README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]);
  const example = blocks.find((block) => block.includes('import "fake-indexeddb/auto"') && block.includes('indexedDB.open'));
  assert.ok(example, 'the example is no longer where it was');
  const theirs = installation.run('theirs.mjs', example);
  assert.match(theirs, /From index.*From cursor.*All done!/s);
  assert.equal(installation.run('ours.mjs', example.replace('fake-indexeddb/auto', 'flowdb/auto')), theirs);
});

const PEOPLE = JSON.stringify([
  { name: 'Ada', age: 36, tags: ['math', 'engine'], address: { city: 'London' } },
  { name: 'Grace', age: 85, tags: ['navy', 'compiler'], address: { city: 'New York' } },
  { name: 'Alan', age: 41, tags: ['math', 'engine'], address: { city: 'London' } },
]);

// Each program opens, writes if it is told to, then queries by index and prints what it found.
const DEXIE_PROGRAM = `
  const db = new Dexie('people', options);
  db.version(1).stores({ people: '++id, &name, age, *tags, [address.city+age]' });
  if (process.argv[3] === 'write') await db.transaction('rw', db.people, () => db.people.bulkAdd(${PEOPLE}));
  const found = [
    await db.people.where('age').between(40, 90).primaryKeys(),
    (await db.people.where('tags').equals('math').sortBy('name')).map((person) => person.name),
    (await db.people.where('[address.city+age]').between(['London', Dexie.minKey], ['London', Dexie.maxKey]).toArray())
      .map((person) => person.name),
    (await db.people.get({ name: 'Grace' })).address,
    await db.people.add({ name: 'Ada' }).catch((error) => error.name),
    await db.people.orderBy('age').reverse().first().then((person) => person.name),
  ];
  console.log(JSON.stringify(found));
  db.close();`;
const DEXIE_OUTPUT = [[3, 2], ['Ada', 'Alan'], ['Ada', 'Alan'], { city: 'New York' }, 'ConstraintError', 'Grace'];

const IDB_PROGRAM = `
  const db = await openDB('people', 1, { upgrade(database) {
    const store = database.createObjectStore('people', { keyPath: 'id', autoIncrement: true });
    store.createIndex('name', 'name', { unique: true });
    store.createIndex('age', 'age');
    store.createIndex('tags', 'tags', { multiEntry: true });
    store.createIndex('city and age', ['address.city', 'age']);
  } });
  if (process.argv[3] === 'write') {
    const tx = db.transaction('people', 'readwrite');
    await Promise.all([...${PEOPLE}.map((person) => tx.store.add(person)), tx.done]);
  }
  const names = [];
  for await (const cursor of db.transaction('people').store.index('age').iterate(null, 'prev')) names.push(cursor.value.name);
  const found = [
    await db.getAllKeysFromIndex('people', 'age', IDBKeyRange.bound(40, 90)),
    (await db.getAllFromIndex('people', 'tags', 'math')).map((person) => person.name),
    (await db.getAllFromIndex('people', 'city and age', IDBKeyRange.bound(['London'], ['London', []]))).map((person) => person.name),
    (await db.getFromIndex('people', 'name', 'Grace')).address,
    await db.add('people', { name: 'Ada' }).catch((error) => error.name),
    names,
  ];
  console.log(JSON.stringify(found));
  db.close();`;
const IDB_OUTPUT = [[3, 2], ['Ada', 'Alan'], ['Ada', 'Alan'], { city: 'New York' }, 'ConstraintError', ['Grace', 'Alan', 'Ada']];

const LIBRARIES = [
  {
    name: 'dexie',
    memory: `import 'flowdb/auto'; import { Dexie } from 'dexie'; const options = {}; ${DEXIE_PROGRAM}`,
    disk: `import { IDBFactory, IDBKeyRange } from 'flowdb'; import { Dexie } from 'dexie';
      const options = { indexedDB: new IDBFactory({ path: process.argv[2] }), IDBKeyRange }; ${DEXIE_PROGRAM}`,
    output: DEXIE_OUTPUT,
  },
  {
    name: 'idb',
    memory: `import 'flowdb/auto'; import { openDB } from 'idb'; ${IDB_PROGRAM}`,
    disk: `import 'flowdb/auto'; import { IDBFactory } from 'flowdb'; import { openDB } from 'idb';
      indexedDB = new IDBFactory({ path: process.argv[2] }); ${IDB_PROGRAM}`,
    output: IDB_OUTPUT,
  },
];

for (const { name, memory, disk, output } of LIBRARIES) {
  test(`${name} in memory`, () => {
    assert.deepEqual(JSON.parse(installation.run(`${name}-memory.mjs`, memory, '-', 'write')), output);
  });

  test(`${name} on disk, and again in another process`, () => {
    const directory = installation.data(name);
    assert.deepEqual(JSON.parse(installation.run(`${name}-disk.mjs`, disk, directory, 'write')), output);
    assert.deepEqual(JSON.parse(installation.run(`${name}-disk.mjs`, disk, directory, 'read')), output);
  });
}

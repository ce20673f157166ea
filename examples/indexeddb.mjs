// Notes in IndexedDB, on disk: started again, the program finds what it wrote. The code between the lines is what a browser runs.
//
//     node examples/indexeddb.mjs [folder]
import { IDBFactory, IDBKeyRange } from 'flowdb';

const indexedDB = new IDBFactory({ path: process.argv[2] ?? 'notes' });

// ---------------------------------------------------------------------------------------------------------------------
const finished = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function openNotes() {
  const request = indexedDB.open('notes', 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore('notes', { keyPath: 'id', autoIncrement: true });
    store.createIndex('tags', 'tags', { multiEntry: true });
    store.createIndex('written', 'written');
  };
  return finished(request);
}

async function add(db, note) {
  // `strict`: on stable storage before `complete`. Without it, a power cut may cost the last seconds.
  const transaction = db.transaction('notes', 'readwrite', { durability: 'strict' });
  transaction.objectStore('notes').add(note);
  await new Promise((resolve, reject) => { transaction.oncomplete = resolve; transaction.onabort = () => reject(transaction.error); });
}

let db = await openNotes();
await add(db, { text: 'buy milk', tags: ['home'], written: new Date('2026-01-01') });
await add(db, { text: 'call Ada', tags: ['work', 'phone'], written: new Date('2026-02-01') });
await add(db, { text: 'fix the lamp', tags: ['home'], written: new Date('2026-03-01') });
db.close();

db = await openNotes();
const store = db.transaction('notes').objectStore('notes');
console.log((await finished(store.index('tags').getAll('home'))).map(({ text }) => text).join(', '));  // -> buy milk, fix the lamp
const since = IDBKeyRange.lowerBound(new Date('2026-01-15'));
console.log(await finished(store.index('written').count(since)));            // -> 2
db.close();
// ---------------------------------------------------------------------------------------------------------------------

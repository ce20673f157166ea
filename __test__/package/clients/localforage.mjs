import { print, writes } from './globals.mjs';
import localforage from 'localforage';

// The second store of one database makes it raise the version under the first.
const first = localforage.createInstance({ name: 'app', storeName: 'first' });
const second = localforage.createInstance({ name: 'app', storeName: 'second' });
await Promise.all([first.ready(), second.ready()]);
if (writes) {
  await first.setItem('bytes', new Uint8Array([1, 2, 3]));
  await first.setItem('blob', new Blob(['text'], { type: 'text/plain' }));
  await Promise.all([1, 2, 3].map((n) => second.setItem(`n${n}`, { when: new Date(n) })));
  await second.removeItem('n2');
}
const iterated = [];
await second.iterate((value, key, number) => { iterated.push([key, number]); });
const blob = await first.getItem('blob');
print([
  first.driver() === localforage.INDEXEDDB, [...await first.getItem('bytes')], await blob.text(), blob.type, await second.keys(),
  await second.length(), iterated, await first.getItem('nothing'),
]);
if (!writes) {
  await localforage.dropInstance({ name: 'app', storeName: 'second' });
  print([await localforage.createInstance({ name: 'app', storeName: 'second' }).length(), await first.length()]);
}

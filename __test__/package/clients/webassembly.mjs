/* global indexedDB, IDBKeyRange */

// As glue code of WebAssembly modules does it: keys and values are views of the module's memory, which is moved whenever
// it grows; listeners are closures that are dropped once they have been called.

import { print, writes } from './globals.mjs';

const memory = new WebAssembly.Memory({ initial: 1, maximum: 8 });

/** @returns {Uint8Array} of the memory, as long as it does not grow */
function place(offset, bytes) {
  const view = new Uint8Array(memory.buffer, offset, bytes.length);
  view.set(bytes);
  return view;
}

function wait(request) {
  return new Promise((resolve, reject) => {
    const listeners = { success: () => resolve(request.result), error: () => reject(request.error) };
    const drop = () => Object.entries(listeners).forEach(([type, listener]) => request.removeEventListener(type, listener));
    for (const [type, listener] of Object.entries(listeners)) request.addEventListener(type, listener);
    request.addEventListener('success', drop, { once: true });
  });
}

function nameOf(call) {
  try {
    call();
  } catch (error) {
    return error.name;
  }
  return 'accepted';
}

const opening = indexedDB.open('module', 1);
opening.onupgradeneeded = () => opening.result.createObjectStore('store').createIndex('tag', 'tag');
const database = await wait(opening);
const store = (mode) => database.transaction('store', mode).objectStore('store');

const refused = [];
if (writes) {
  const objects = store('readwrite');
  const value = place(0, [1, 2, 3, 4]);
  const requests = [
    objects.put(value.slice(), place(100, [9, 8, 7])),
    objects.put({ tag: place(200, [5, 5]), part: new DataView(memory.buffer, 0, 4) }, 'object'),
  ];
  // Nothing of what has been given may be looked at again.
  new Uint8Array(memory.buffer).fill(0);
  memory.grow(1);
  for (const call of [
    () => objects.put(value, 1), () => objects.put(1, value), () => objects.put({ value }, 1), () => objects.put(memory, 1),
    () => objects.get(value), () => IDBKeyRange.only(value), () => indexedDB.cmp(value, 1),
  ]) refused.push(nameOf(call));
  await Promise.all(requests.map(wait));
}

const value = await wait(store().get(place(300, [9, 8, 7])));
const object = await wait(store().index('tag').get(IDBKeyRange.only(place(400, [5, 5]))));
print([
  [...value], value.buffer.byteLength, [...object.tag], object.part.getUint8(3), object.part.buffer.byteLength,
  await wait(store().count(place(300, [9, 8]))), refused.join(),
]);
memory.grow(1); // what was read is not part of the memory
print([...value]);
database.close();

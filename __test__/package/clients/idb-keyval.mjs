import { print, writes } from './globals.mjs';
import * as keyval from 'idb-keyval';

const other = keyval.createStore('other', 'store');
if (writes) {
  await keyval.setMany([['a', { n: 1 }], ['b', new Map([[1, 2]])], [[1, 2], 'under an array']]);
  await Promise.all(Array.from({ length: 50 }, () => keyval.update('counter', (count = 0) => count + 1)));
  await keyval.set('gone', 1);
  await keyval.del('gone');
  await keyval.set('x', 'y', other);
}
print([
  await keyval.keys(), await keyval.get('a'), [...await keyval.get('b')], await keyval.getMany([[1, 2], 'counter', 'gone']),
  await keyval.entries(other),
]);

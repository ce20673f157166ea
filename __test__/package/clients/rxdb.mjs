import { print, writes } from './globals.mjs';
import { createRxDatabase } from 'rxdb';
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie';

const { indexedDB, IDBKeyRange } = globalThis;
const storage = getRxStorageDexie({ indexedDB, IDBKeyRange });
const text = { type: 'string', maxLength: 20 };
const schema = {
  version: 0, type: 'object', primaryKey: 'id', required: ['id', 'power', 'team'], indexes: ['power', ['team', 'power']],
  properties: { id: text, team: text, power: { type: 'integer', minimum: 0, maximum: 1000, multipleOf: 1 } },
};

const database = await createRxDatabase({ name: 'heroes', storage, multiInstance: false });
const { heroes } = await database.addCollections({ heroes: { schema } });
let changes = 0;
heroes.$.subscribe(() => { changes += 1; });
if (writes) {
  await heroes.bulkInsert([{ id: 'a', power: 5, team: 'x' }, { id: 'b', power: 9, team: 'y' }, { id: 'c', power: 7, team: 'x' }]);
  await (await heroes.findOne('a').exec()).patch({ power: 6 });
  await heroes.findOne('b').remove();
}
print([
  (await heroes.find({ selector: { team: 'x', power: { $gt: 5 } }, sort: [{ power: 'desc' }] }).exec()).map(({ id, power }) => [id, power]),
  await heroes.count().exec(),
  await heroes.insert({ id: 'a', power: 1, team: 'z' }).catch((error) => error.code),
  changes > 0 === writes,
]);
await database.close();

'use strict';

// The declarations, compiled under strict rules in the projects of users: with lib.dom, whose IndexedDB types then hold,
// and without it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { after, before, test } = require('node:test');
const { ROOT, installed } = require('./installation.js');

const COMMON = `
import { Database, FlowDBError, IDBFactory, IDBKeyRange, indexedDB, open } from 'flowdb';
import FDBFactory from 'flowdb/lib/FDBFactory';
import 'flowdb/auto';

export async function records(): Promise<number> {
  const db: Database = await open({ path: 'data', sync: 'always' });
  await db.kv.put('key', { n: 1 }, { ttl: 1000 });
  await db.batch([{ type: 'put', key: 'sensor', value: 1, ts: 5n }, { type: 'delete', key: new Uint8Array(1) }], { sync: true });
  let sum = 0;
  for await (const { ts, value } of db.series.scan<number>({ prefix: 'sensor', from: new Date(0), to: 9 })) sum += value + Number(ts);
  // @ts-expect-error there is no such option
  await db.kv.put('key', 1, { expires: 1000 });
  const isNew: boolean = await db.kv.put('key', 1, { ifAbsent: true, ttl: 'never' });
  const [first]: (number | undefined)[] = await db.kv.getMany<number>(['key', new Uint8Array(1)]);
  const visits: number = await db.kv.increment('visits');
  const big: bigint = await db.kv.increment('big', 1n, { ttl: 5 });
  const user: { n: number } = await db.kv.getOrSet('user', async ({ signal }) => ({ n: signal.aborted ? 1 : 2 }), { ttl: 1000 });
  await db.kv.patch<{ n: number }>('user', (current) => ({ n: (current?.n ?? 0) + 1 }));
  const wasSet: boolean = await db.kv.compareAndSet('key', undefined, 1);
  const snapshot = await db.snapshot();
  for (const { key } of await db.kv.scan({ prefix: 'a', snapshot, signal: new AbortController().signal }).all()) await db.kv.delete(key);
  const rows = await db.series.aggregate({ prefix: 'sensor', window: 60_000, agg: ['avg', 'max'], field: 'celsius' });
  const hottest: number = Math.max(...rows.map(({ max }) => max), Number(rows[0]?.ts ?? 0));
  // @ts-expect-error it was not asked for
  rows.map(({ min }) => min);
  const written: boolean = await db.series.put('sensor', 1, { ts: 1, duplicates: 'first' });
  const taken: boolean = await db.put('lock', 1, { ifAbsent: true });
  const once: boolean = await db.put('sensor', 1, { ts: 1, duplicates: 'first' });
  await db.put('sensor', 1, { ...(taken && once ? { ts: 1 } : {}), ttl: 5 });
  await db.delete('sensor', { from: 1, sync: true });
  // @ts-expect-error cache entries have no duplicates
  await db.put('sensor', 1, { duplicates: 'error' });
  // @ts-expect-error points are kept by 'duplicates'
  await db.series.put('sensor', 1, { ts: 1, ifAbsent: true });
  const { kv: { hits }, latencies, backgroundError } = await db.stats();
  const clean: boolean = (await Database.verify('data')).isClean && backgroundError?.code !== 'FLOWDB_NO_SPACE';
  const report = await Database.repair('data', 'saved');
  console.log(isNew, first, visits, big, user.n, wasSet, hottest, written, hits, latencies.write.p99Ms, clean, report.lost[0]?.keys);
  // @ts-expect-error it needs to know what to work out
  await db.series.aggregate({ prefix: 'sensor' });
  await open({ memory: true, kvTtlMs: 'never', seriesRetentionMs: 5, seriesRetention: [{ prefix: 'a', ms: 5, bucketMs: 60_000 }, { prefix: Buffer.from('b'), ms: 'never' }], logger: { error() {}, warn() {}, info() {}, debug() {} } });
  // @ts-expect-error a unit is missing
  await open({ memory: true, kvTtl: 5 });
  // @ts-expect-error a number is not a key
  await db.kv.get(1);
  await db.close();
  return sum;
}

export function holder(error: unknown): number | undefined {
  return error instanceof FlowDBError && error.code === 'FLOWDB_LOCKED' ? error.holder : undefined;
}

// @ts-expect-error a path is a string
export const factories = [indexedDB, new IDBFactory(), new IDBFactory({ path: 'data' }), new IDBFactory({ path: 1 })];
export const alias: IDBFactory = new FDBFactory();
export const range = IDBKeyRange.bound(1, 2);
`;

// What is written for the browser's types goes on to compile.
const WITH_DOM = `${COMMON}
export const standard: globalThis.IDBFactory = new IDBFactory({ path: 'data' });
const request: IDBOpenDBRequest = indexedDB.open('name', 1);
request.onupgradeneeded = (event) => {
  const store: IDBObjectStore = request.result.createObjectStore('store', { keyPath: 'id' });
  store.createIndex('index', ['a', 'b'], { unique: true });
  // @ts-expect-error a typing error is found
  store.createIndexes('index');
  console.log(event.oldVersion);
};
`;

/** @type {import('./installation.js').Installation} */
let installation;
before(async () => { installation = await installed(); });
after(() => installation?.remove());

/**
 * @param {string} name
 * @param {string} text
 * @param {import('typescript').CompilerOptions} options
 * @returns {string[]} the compiler's complaints
 */
function compile(name, text, options) {
  const file = path.join(installation.project, name);
  fs.writeFileSync(file, text);
  const program = ts.createProgram([file], {
    strict: true, noEmit: true, skipLibCheck: false, esModuleInterop: true, noUncheckedSideEffectImports: true, exactOptionalPropertyTypes: true, target: ts.ScriptTarget.ES2022,
    types: ['node'], typeRoots: [path.join(ROOT, 'node_modules', '@types')], ...options,
  });
  return ts.getPreEmitDiagnostics(program).map(({ file: where, messageText }) => (
    `${where?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`));
}

const NODENEXT = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
const BUNDLER = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
const DOM = ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'];
const NO_DOM = ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'];

test('without lib.dom', () => assert.deepEqual(compile('plain.mts', COMMON, { lib: NO_DOM, ...NODENEXT }), []));
test('without lib.dom, as CommonJS', () => assert.deepEqual(compile('plain.cts', COMMON, { lib: NO_DOM, ...NODENEXT }), []));
test('with lib.dom', () => assert.deepEqual(compile('dom.mts', WITH_DOM, { lib: DOM, ...NODENEXT }), []));
test('with lib.dom and a bundler', () => assert.deepEqual(compile('dom.ts', WITH_DOM, { lib: DOM, ...BUNDLER }), []));
test('the test can fail', () => {
  assert.notDeepEqual(compile('wrong.mts', `import { nothing } from 'flowdb'; nothing();`, { lib: NO_DOM, ...NODENEXT }), []);
});

'use strict';

// The declarations, compiled under strict rules in the projects of users: with lib.dom, whose IndexedDB types then hold,
// and without it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const esbuild = require('esbuild');
const ts = require('typescript');
const { after, before, test } = require('node:test');
const { ROOT, installed } = require('./installation.js');

const COMMON = `
import { Database, FlowDBError, IDBFactory, IDBKeyRange, indexedDB, open, type OpenOptions, type OpenSettings } from 'flowdb';
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
  const maybe = Math.random() < 0.5;
  const perhaps: (boolean | undefined)[] = [
    await db.kv.put('key', 1, { ifAbsent: maybe }), await db.put('key', 1, { ifAbsent: maybe, ttl: 5 }),
    await db.series.put('sensor', 1, { ts: 1, duplicates: maybe ? 'first' : 'last' }), await db.put('sensor', 1, { ts: 1, duplicates: maybe ? 'first' : 'last' }),
  ];
  const nothing: void = await db.series.put('sensor', 1, { duplicates: 'last' });
  const bytes: (Buffer | undefined)[] = [
    await db.kv.get('key', { valueEncoding: 'buffer' }), db.kv.getSync('key', { valueEncoding: 'buffer' }), await db.get('key', { valueEncoding: 'buffer', snapshot }),
    db.getSync('key', { ts: 1, valueEncoding: 'buffer' }), await db.series.get('sensor', { ts: 1, valueEncoding: 'buffer' }), ...await db.kv.getMany(['key'], { valueEncoding: 'buffer' }),
  ];
  const texts: (string | undefined)[] = [await db.get('key', { valueEncoding: 'utf8' }), await db.series.get('sensor', { ts: 1, valueEncoding: 'utf8' })];
  // @ts-expect-error it is a Buffer
  (await db.kv.get('key', { valueEncoding: 'buffer' }))?.startsWith('a');
  const unset: number | undefined = maybe ? 1 : undefined;
  const strings: string[] = [
    ...(await db.kv.scan({ limit: unset }).all()).map(({ key }) => key), ...await db.kv.scan({ values: false }).all(), ...(await db.series.scan({ limit: unset, from: unset }).all()).map(({ key }) => key),
    ...(await db.series.latestOfEach({ at: unset })).map(({ key }) => key), ...(await db.series.aggregate({ agg: 'sum', window: unset })).map(({ key }) => key),
  ];
  const buffers: Buffer[] = [
    ...(await db.kv.scan({ keyEncoding: 'buffer' }).all()).map(({ key }) => key), ...await db.scan({ values: false, keyEncoding: 'buffer' }).all(),
    ...(await db.scan({ from: 1, keyEncoding: 'buffer' }).all()).map(({ key }) => key), ...(await db.series.scan({ values: false, keyEncoding: 'buffer' }).all()).map(({ key }) => key),
    ...(await db.series.latestOfEach({ keyEncoding: 'buffer' })).map(({ key }) => key), ...(await db.series.aggregate({ agg: 'sum', keyEncoding: 'buffer' })).map(({ key }) => key),
  ];
  // @ts-expect-error what is deleted has bounds that are given
  await db.kv.deleteRange({ gte: 'a', lt: maybe ? 'b' : undefined });
  console.log(perhaps, nothing, bytes, texts, strings, buffers, await open('data', { kvTtlMs: unset, logger: undefined }));
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
  const [newest] = await db.series.latestOfEach<number>({ prefix: 'sensor', at: 9n, reverse: true, limit: 1, snapshot, signal: AbortSignal.timeout(1000) });
  const last: { value: number } | undefined = await db.series.latest<number>('sensor', { at: new Date(), keyEncoding: 'buffer' });
  const copied: number = (await db.checkpoint('copy')).bytesCopied;
  const there: boolean = await db.kv.has('key', { snapshot });
  const counts: number = await db.kv.count({ prefix: 'a', signal: new AbortController().signal }) + await db.series.count({ key: 'sensor', from: 1n });
  await db.kv.deleteRange({ gte: 'a', lt: 'b', sync: true });
  await db.series.deleteRange({ prefix: 'sensor', gt: (await db.series.latestOfEach({ prefix: 'sensor', lte: Buffer.from('t'), limit: 1 }))[0]?.key });
  await db.series.deleteRange({ prefix: 'sensor', to: new Date() });
  await db.series.delete('sensor', { ts: 1 });
  await Promise.all([db.kv.clear(), db.series.clear({ sync: true }), db.clear()]);
  await db.compact({ signal: new AbortController().signal });
  await Promise.all([db.flush(), db.resume()]);
  const text: string = await db.metricsText();
  const values: [number | undefined, string | undefined] = [db.kv.getSync<number>('key'), db.getSync<string>('key', { ts: 1, valueEncoding: 'utf8' })];
  const points: (string | undefined)[] = [await db.series.get<string>('sensor', 5), db.series.getSync<string>('sensor', { ts: 5n, snapshot }), await db.get<string>('key')];
  for await (const key of db.scan({ values: false, limit: 5 })) console.log(key);
  snapshot.close();
  // @ts-expect-error one call has no pages: limit and gt make them
  await db.series.latestOfEach({ offset: 5 });
  // @ts-expect-error how long is missing
  await open({ memory: true, seriesRetentionByPrefix: [{ prefix: 'a' }] });
  const urls: Promise<Database>[] = [open('data', { sync: 'always' }), open(new URL('file:///data'), {}), open(new URL('file:///data')), open({ path: new URL('file:///data') })];
  await Promise.all([Database.destroy('data'), Database.verify(new URL('file:///data')), ...urls]);
  console.log(newest?.ts, last?.value, copied, there, counts, text, values, points);
  const kept: OpenOptions = { path: 'x', sync: 'always' };
  const settings: OpenSettings = { readOnly: maybe, kvTtlMs: unset };
  await Promise.all([open(kept), open(maybe ? { memory: true } : { path: 'x' }), open('x', settings), open({ ...settings, path: 'x' }), open({ ...kept, readOnly: true })]);
  // @ts-expect-error neither a path nor memory
  await open({});
  // @ts-expect-error both
  await open({ memory: true, path: 'x' });
  // @ts-expect-error a new database has nothing to read
  await open({ memory: true, readOnly: true });
  // @ts-expect-error there may be no path
  await open({ path: process.env.DATA });
  // @ts-expect-error the path is there already
  await open('data', { path: 'data' });
  // @ts-expect-error it needs to know what to work out
  await db.series.aggregate({ prefix: 'sensor' });
  await open({ memory: true, kvTtlMs: 'never', seriesRetentionMs: 5, seriesRetentionByPrefix: [{ prefix: 'a', ms: 5, bucketMs: 60_000 }, { prefix: Buffer.from('b'), ms: 'never' }], logger: { error() {}, warn() {}, info() {}, debug() {} } });
  // @ts-expect-error a unit is missing
  await open({ memory: true, kvTtl: 5 });
  // @ts-expect-error a number is not a key
  await db.kv.get(1);
  await db.close();
  return sum;
}

export async function following(db: Database): Promise<import('flowdb').Point[]> {
  const page = await db.series.scan({ key: 'oven', limit: 100 }).all();
  const { ts } = page.at(-1)!;
  const before = await db.series.scan({ key: 'oven', to: ts, reverse: true, limit: 100 }).all();
  return [...before, ...await db.series.scan({ key: 'oven', from: BigInt(ts) + 1n, limit: 100 }).all()];
}

export function holder(error: unknown): number | undefined {
  return error instanceof FlowDBError && error.code === 'FLOWDB_LOCKED' ? error.holder : undefined;
}

export function wanted(error: unknown): string | undefined {
  return error instanceof FlowDBError && error.code === 'FLOWDB_NO_BINARY' ? error.package : undefined;
}

export const factories = [indexedDB, new IDBFactory(), new IDBFactory({ path: 'data' }), new IDBFactory({ path: new URL('file:///data') })];
// @ts-expect-error a path is a string or a URL
factories.push(new IDBFactory({ path: 1 }));
// @ts-expect-error: a factory in memory is one without options
factories.push(new IDBFactory({ path: undefined }));
export const alias: IDBFactory = new FDBFactory();
export const range = IDBKeyRange.bound(1, 2);
`;

// The default is the factory: of an ES module its default export, in CommonJS the property of that name.
const IMPORTED = `
import factory, { indexedDB } from 'flowdb';
export const same: typeof indexedDB[] = [factory];
// @ts-expect-error a factory has no records
factory.kv;
`;
const REQUIRED = `
import flowdb = require('flowdb');
export const same: typeof flowdb.indexedDB[] = [flowdb.default];
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

test('the program above calls every method that is declared, and all of them are there', async () => {
  const file = path.join(ROOT, 'index.d.ts');
  const source = ts.createSourceFile(file, fs.readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022);
  const { Database, open } = require('../../index.js');
  const db = await open({ memory: true });
  const objects = { Kv: [db.kv, 'db.kv'], Series: [db.series, 'db.series'], Database: [db, 'db'] };
  for (const [name, [object, expression]] of Object.entries(objects)) {
    const declared = new Set(source.statements.filter((statement) => statement.name?.text === name).flatMap(({ members }) => members)
      .filter((member) => ts.isMethodSignature(member) || (ts.isMethodDeclaration(member) && !member.modifiers))
      .filter((member) => ts.isIdentifier(member.name)).map((member) => member.name.text));
    const own = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object)));
    const present = own.filter(([method, { value }]) => method !== 'constructor' && typeof value === 'function').map(([method]) => method);
    assert.deepEqual(present.sort(), [...declared].sort(), name);
    assert.deepEqual(present.filter((method) => !COMMON.match(new RegExp(`${expression}\\.${method}[<(]`))), [], name);
  }
  for (const method of ['verify', 'repair', 'destroy']) assert.ok(typeof Database[method] === 'function' && COMMON.includes(`Database.${method}(`));
  await db.close();
});

test('the default of an ES module', () => assert.deepEqual(compile('default.mts', IMPORTED, { lib: DOM, ...NODENEXT }), []));
test('the default of a bundled module', () => assert.deepEqual(compile('default.ts', IMPORTED, { lib: DOM, ...BUNDLER }), []));
test('the default in CommonJS', () => assert.deepEqual(compile('default.cts', REQUIRED, { lib: DOM, ...NODENEXT }), []));
test('without lib.dom', () => assert.deepEqual(compile('plain.mts', COMMON, { lib: NO_DOM, ...NODENEXT }), []));
test('without lib.dom, as CommonJS', () => assert.deepEqual(compile('plain.cts', COMMON, { lib: NO_DOM, ...NODENEXT }), []));
test('with lib.dom', () => assert.deepEqual(compile('dom.mts', WITH_DOM, { lib: DOM, ...NODENEXT }), []));
test('with lib.dom and a bundler', () => assert.deepEqual(compile('dom.ts', WITH_DOM, { lib: DOM, ...BUNDLER }), []));
// What compilers make of `import factory from` in CommonJS: the property `default`, where the module is marked, and else all of the module.
const COMPILED = `
import factory, { IDBFactory, indexedDB } from 'flowdb';
import * as all from 'flowdb';
import Factory from 'flowdb/lib/FDBFactory';
console.log([factory === indexedDB, factory instanceof IDBFactory, all.open === require('flowdb').open, all.default === factory, Factory === IDBFactory].join());
`;

/** @type {[string, () => string][]} */
const COMPILERS = [
  ['TypeScript', () => ts.transpileModule(COMPILED, { compilerOptions: { module: ts.ModuleKind.CommonJS, esModuleInterop: true } }).outputText],
  ['esbuild', () => esbuild.transformSync(COMPILED, { format: 'cjs', platform: 'node' }).code],
  ['esbuild, as a bundle', () => esbuild.buildSync({
    stdin: { contents: COMPILED, resolveDir: installation.project }, bundle: true, format: 'cjs', platform: 'node', packages: 'external', write: false,
  }).outputFiles[0].text],
];
for (const [name, program] of COMPILERS) {
  test(`the default import, compiled to CommonJS by ${name}, is the factory`, () => {
    assert.equal(installation.run('compiled.cjs', program()).trim(), 'true,true,true,true,true');
  });
}

test('an ES module that imports the default of CommonJS, and a program that requires it, have what they had', () => {
  const imported = `
    import factory, { IDBFactory, open } from 'flowdb';
    import { createRequire } from 'node:module';
    const required = createRequire(import.meta.url)('flowdb');
    console.log([factory === required.default, factory instanceof IDBFactory, open === required.open, Object.keys(required).includes('__esModule')].join());`;
  assert.equal(installation.run('imported.mjs', imported).trim(), 'true,true,true,false');
});

test('the test can fail', () => {
  assert.notDeepEqual(compile('wrong.mts', `import { nothing } from 'flowdb'; nothing();`, { lib: NO_DOM, ...NODENEXT }), []);
});

/// <reference types="node" />

// ---------------------------------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A key: a well-formed string (stored as UTF-8) or bytes, from none to 512 KiB. All keys have one order, that of their bytes; a string and its
 * UTF-8 bytes are the same key.
 */
export type Key = string | Uint8Array;

/** Microseconds since the epoch as a safe integer or BigInt (64 bits, signed), or a Date. */
export type Timestamp = number | bigint | Date;

/**
 * What values are, going in and coming out. At most 512 MiB as stored (else `FLOWDB_TOO_LARGE`).
 *
 * | | `put` takes | `get` gives |
 * |---|---|---|
 * | `'any'` (default) | everything that can be cloned, except `undefined`, Blob and File | what was put; a Buffer for a Uint8Array |
 * | `'utf8'` | well-formed strings | a string |
 * | `'buffer'` | Uint8Array | a Buffer |
 * | `'json'` | what JSON can hold | what `JSON.parse` makes of it |
 *
 * Bytes and text can be read as `'utf8'`, `'buffer'` and `'json'`, whichever they were put as; with `'utf8'`, bytes that are not UTF-8 become U+FFFD.
 * What only `'any'` can hold, or what is not JSON where `'json'` is asked for, is an error (`FLOWDB_INVALID_ARGUMENT`).
 */
export type ValueEncoding = 'any' | 'utf8' | 'buffer' | 'json';

/** How keys come out of scans. `'utf8'` (default): as strings, and as Buffers where they are not UTF-8. `'buffer'`: as Buffers. */
export type KeyEncoding = 'utf8' | 'buffer';

/**
 * When a write counts as done, and what can be lost of what was done. What survives is always a prefix of all commits, in the order in which they
 * were made. The option `sync` of a write makes it, and all before it, as safe as `'always'` does.
 *
 * | | done when | a killed process loses | a power cut loses |
 * |---|---|---|---|
 * | `'os'` (default) | the operating system has it | nothing | what the system has not written back, typically up to 30 seconds |
 * | `{ intervalMs }` (1 to 3 600 000) | the operating system has it | nothing | what was written in the last interval, and during its sync |
 * | `'always'` | it is on stable storage | nothing | nothing |
 *
 * A database in memory is gone with its process, whatever the mode.
 */
export type SyncMode = 'os' | 'always' | { intervalMs: number };

export interface OpenOptions {
  /** Directory of the database; directories above it are created too. Either this or `memory`. */
  path?: string;
  /** A new database in memory, gone when it is closed. Default false. */
  memory?: boolean;
  /** Create the directory and the database if there is none (else `FLOWDB_NOT_FOUND`). Default true. */
  createIfMissing?: boolean;
  /** What a crash can cost, and what a write. Default `'os'`, or what the directory is open with in this process. */
  sync?: SyncMode;
  /** Decompressed blocks of tables kept in memory, in bytes, for all who share the directory. Default 32 MiB, from 0 to 1 TiB. */
  cacheBytes?: number;
  /**
   * Recent writes kept in memory before they go to a table, in bytes, for each of `kv`, `series` and IndexedDB. About three
   * times as much is held at most while the disk is behind; then writes wait.
   * Default 16 MiB (1 MiB with `memory`), from 64 KiB to 1 GiB.
   */
  writeBufferBytes?: number;
  /** For calls that name no other. Default `'any'`. */
  valueEncoding?: ValueEncoding;
  /** For scans that name no other. Default `'utf8'`. */
  keyEncoding?: KeyEncoding;
}

/**
 * Opens a database, and creates it if there is none.
 *
 * A directory is open in one process at a time. Within the process, all who open it (worker threads, `IDBFactory`
 * with the same path) share one engine; `sync`, `cacheBytes` and `writeBufferBytes` that differ from those it was
 * opened with are an error (`FLOWDB_INVALID_ARGUMENT`); those that are not given are taken over.
 *
 * Rejects with a {@link FlowDBError}: `FLOWDB_LOCKED` (another process has it; `holder` is its process id),
 * `FLOWDB_NOT_FOUND`, `FLOWDB_CORRUPTION`, `FLOWDB_UNSUPPORTED`, `FLOWDB_INVALID_ARGUMENT`, `FLOWDB_NO_SPACE`,
 * `FLOWDB_IO`.
 *
 * @example
 * const db = await open('data');
 * await db.put('greeting', 'hello', { ttl: 60_000 });
 * console.log(await db.get('greeting'));
 * await db.close();
 */
export function open(target: string | OpenOptions): Promise<Database>;

export interface SyncOptions {
  /** Done only once it is on stable storage, whatever the database's sync mode. Default false: as the mode says. */
  sync?: boolean;
}

export interface ExpiryOptions {
  /**
   * Milliseconds until it expires: from the write in `kv`, from `ts` in `series`. Positive, fractions down to a microsecond. Not
   * together with `expiresAt`. Default: never. What has expired is not read any more; its space comes back with compaction.
   */
  ttl?: number;
  /** When it expires: milliseconds since the epoch, or a Date; what is in the past expires at once. Instead of `ttl`. */
  expiresAt?: number | Date;
}

export interface ValueEncodingOptions {
  /** Default: the database's. */
  valueEncoding?: ValueEncoding;
}

export interface PutOptions extends SyncOptions, ExpiryOptions, ValueEncodingOptions {}

export interface SeriesPutOptions extends PutOptions {
  /** The timestamp of the value. Default: now, made unique among those that the process gave out. */
  ts?: Timestamp;
}

export interface RangeOptions {
  /** Keys that begin with this. Not together with the bounds below. */
  prefix?: Key;
  /** Keys above this. Not together with `gte`. */
  gt?: Key;
  /** This key and those above it. */
  gte?: Key;
  /** Keys below this. Not together with `lte`. */
  lt?: Key;
  /** This key and those below it. */
  lte?: Key;
  /** From the largest to the smallest. Default false. */
  reverse?: boolean;
  /** At most so many entries, from 0. Default: all. */
  limit?: number;
  /** Default: the database's. */
  keyEncoding?: KeyEncoding;
  /** Default: the database's. */
  valueEncoding?: ValueEncoding;
}

export interface ScanOptions extends RangeOptions {
  /** False for values only. Default true. At least one of `keys` and `values` is true. */
  keys?: boolean;
  /** False for keys only. Default true. */
  values?: boolean;
}

export interface SeriesScanOptions extends RangeOptions {
  /** One series only. Not together with `prefix` or bounds. */
  key?: Key;
  /** Earliest timestamp, included. Default: the beginning of time. */
  from?: Timestamp;
  /** Latest timestamp, not included. Default: the end of time. */
  to?: Timestamp;
}

/** An entry of a scan over `kv`. */
export interface Entry<V = any> {
  /** A string, or a Buffer: see {@link KeyEncoding}. */
  key: any;
  value: V;
}

/** A point of a scan over `series`. */
export interface Point<V = any> extends Entry<V> {
  /** Microseconds since the epoch; a BigInt beyond the safe integers. */
  ts: number | bigint;
}

/**
 * Entries in order, read as they are asked for. Nothing is read before the first step; from then on the scan sees the
 * database as it was at that moment, and what it sees takes up space on disk until it ends. Leaving a loop early lets go of what it holds.
 * Each iteration is a new scan. Steps reject with `FLOWDB_CLOSED` once the database was closed, with `FLOWDB_CORRUPTION` and `FLOWDB_IO` where the
 * disk fails, and with `FLOWDB_INVALID_ARGUMENT` at a value that `valueEncoding` cannot express.
 */
export interface Scan<E> extends AsyncIterable<E> {
  /** All entries, in one array. */
  all(): Promise<E[]>;
  /** Entries in arrays, as they are read: first one, then more and more up to 512 entries or about 64 KiB. */
  batches(): AsyncIterable<E[]>;
}

/**
 * Cache entries: one value for each key. Writes of one turn of the event loop share a commit, in order, up to 64 KiB.
 * Promises settle in the order of the writes. Reads see all writes made before them by the same handle.
 *
 * Writes reject with `FLOWDB_INVALID_ARGUMENT`, `FLOWDB_TOO_LARGE` and `FLOWDB_CLOSED`, and then nothing was written; with `FLOWDB_NO_SPACE`,
 * and then nothing was written either; with `FLOWDB_IO` and `FLOWDB_POISONED`, and then the outcome is unknown until the database is opened again.
 * They reject with `FLOWDB_OVERLOADED` if more than 64 MiB of writes of the handle would wait for the disk: await earlier ones. A single
 * larger one is taken while no other waits. A batch of more than 1 GiB is `FLOWDB_TOO_LARGE`.
 *
 * Reads reject with `FLOWDB_INVALID_ARGUMENT`, `FLOWDB_TOO_LARGE`, `FLOWDB_CLOSED`, `FLOWDB_CORRUPTION` and `FLOWDB_IO`; `getSync` throws them.
 */
export interface Kv {
  /** Gives `key` a value. */
  put(key: Key, value: any, options?: PutOptions): Promise<void>;
  /** The value of `key`; `undefined` if there is none, or if it has expired. */
  get<V = any>(key: Key, options?: ValueEncodingOptions): Promise<V | undefined>;
  /** As `get`, at once: blocks the thread where memory does not have the answer. Sees all writes that were acknowledged. */
  getSync<V = any>(key: Key, options?: ValueEncodingOptions): V | undefined;
  /** True if `key` has a value. */
  has(key: Key): Promise<boolean>;
  /** Takes the value of `key` away, if it has one. */
  delete(key: Key, options?: SyncOptions): Promise<void>;
  /** Entries in order of their keys. */
  scan(options: ScanOptions & { values: false }): Scan<any>;
  scan<V = any>(options: ScanOptions & { keys: false }): Scan<V>;
  scan<V = any>(options?: ScanOptions): Scan<Entry<V>>;
}

/**
 * Time series: values by key and timestamp, ordered by key, then timestamp. Writing to the same key and timestamp
 * again overwrites. Writes, reads and their errors are as in {@link Kv}.
 */
export interface Series {
  /** Gives the series `key` a value at `ts`. One that expired before it was written is not there. */
  put(key: Key, value: any, options?: SeriesPutOptions): Promise<void>;
  /** The value at exactly `ts`. */
  get<V = any>(key: Key, options: { ts: Timestamp } & ValueEncodingOptions): Promise<V | undefined>;
  /** As `get`, at once: may block the thread for the disk. */
  getSync<V = any>(key: Key, options: { ts: Timestamp } & ValueEncodingOptions): V | undefined;
  /** The value with the highest timestamp. */
  latest<V = any>(key: Key, options?: ValueEncodingOptions): Promise<Point<V> | undefined>;
  /** Takes the value at `ts` away, or the whole series if no `ts` is given. */
  delete(key: Key, options?: { ts?: Timestamp } & SyncOptions): Promise<void>;
  /** Points in order of key and timestamp. A window of time is sought in each series: what lies outside it is not read. */
  scan<V = any>(options?: SeriesScanOptions): Scan<Point<V>>;
}

/** Numbers about one kind of records. With `memory`, the memory that stands for a disk counts as one. */
export interface TreeStats {
  /** Recent writes in memory, in bytes. */
  memoryBytes: number;
  /** Tables on disk. */
  tables: number;
  /** Size of them, in bytes. */
  tableBytes: number;
  /** Entries in them, with overwritten and deleted ones that were not compacted yet. */
  tableEntries: number;
}

/** Numbers about a directory, whoever wrote to it. */
export interface Stats {
  /** Number of the last operation. */
  sequence: number;
  /** Log segments kept. */
  logSegments: number;
  trees: { kv: TreeStats; series: TreeStats; documents: TreeStats };
}

/** One write of a batch. With `ts` it is one of `series`, without of `kv`. */
export type BatchOperation =
  | ({ type: 'put'; key: Key; value: any; ts?: Timestamp } & ExpiryOptions & ValueEncodingOptions)
  | { type: 'delete'; key: Key; ts?: Timestamp };

/**
 * An open database: one handle. Close it, or let it be collected as garbage; the last handle of a directory closes
 * the engine. An open database that does nothing does not keep the process alive.
 *
 * The methods besides `kv` and `series` are shortcuts: an option `ts`, `from` or `to` makes them a call of `series`,
 * else they are one of `kv`.
 */
export class Database {
  private constructor();
  /** Cache entries. */
  readonly kv: Kv;
  /** Time series. */
  readonly series: Series;
  /** `series.put` if there is a `ts`, else `kv.put`. */
  put(key: Key, value: any, options?: SeriesPutOptions): Promise<void>;
  /** `series.get` if there is a `ts`, else `kv.get`. */
  get<V = any>(key: Key, options?: { ts?: Timestamp } & ValueEncodingOptions): Promise<V | undefined>;
  /** `series.getSync` if there is a `ts`, else `kv.getSync`. */
  getSync<V = any>(key: Key, options?: { ts?: Timestamp } & ValueEncodingOptions): V | undefined;
  /** `series.delete` if there is a `ts`, else `kv.delete`. */
  delete(key: Key, options?: { ts?: Timestamp } & SyncOptions): Promise<void>;
  /** `series.scan` if there is a `from` or `to`, else `kv.scan`. */
  scan<V = any>(options: SeriesScanOptions & ({ from: Timestamp } | { to: Timestamp })): Scan<Point<V>>;
  scan(options: ScanOptions & { values: false }): Scan<any>;
  scan<V = any>(options: ScanOptions & { keys: false }): Scan<V>;
  scan<V = any>(options?: ScanOptions): Scan<Entry<V>>;
  /** Writes that land whole or not at all, in order. `sync: true` covers all of them. None is needed: an empty array does nothing. */
  batch(operations: BatchOperation[], options?: SyncOptions): Promise<void>;
  /** Writes what is in memory to tables, IndexedDB included. Not needed for safety: the log has it. */
  flush(): Promise<void>;
  /** Numbers about the directory. */
  stats(): Promise<Stats>;
  /**
   * Waits for calls in flight, then gives the handle back. Later calls fail with `FLOWDB_CLOSED`; closing again gives
   * the same promise. What this handle had written and not synced is synced when the last handle is closed.
   */
  close(): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * | code | what to do |
 * |---|---|
 * | `FLOWDB_INVALID_ARGUMENT` | fix the call; the message names the argument |
 * | `FLOWDB_TOO_LARGE` | key or value above the limit |
 * | `FLOWDB_CLOSED` | the database was closed |
 * | `FLOWDB_OVERLOADED` | await earlier writes, then write again |
 * | `FLOWDB_NO_SPACE` | the write was rejected; try again once there is space |
 * | `FLOWDB_READ_ONLY` | reserved for databases opened to read only: nothing fails with it yet |
 * | `FLOWDB_CONFLICT` | reserved for conditional writes: nothing fails with it yet |
 * | `FLOWDB_NOT_FOUND` | there is no such database |
 * | `FLOWDB_LOCKED` | another process, or another copy of flowdb, has the directory open: `holder` |
 * | `FLOWDB_POISONED` | an earlier write failed and its outcome is unknown: close and open again; reads go on |
 * | `FLOWDB_IO` | the operating system failed: see the message and `file` |
 * | `FLOWDB_CORRUPTION` | a file does not hold what was written: `file`, `offset`; restore from a backup |
 * | `FLOWDB_UNSUPPORTED` | written by a newer version, which can open it; nothing was touched |
 * | `FLOWDB_NO_BINARY` | (a plain Error) no native library for this platform: install the package it names in `package` |
 */
export type FlowDBErrorCode =
  | 'FLOWDB_INVALID_ARGUMENT'
  | 'FLOWDB_TOO_LARGE'
  | 'FLOWDB_CLOSED'
  | 'FLOWDB_OVERLOADED'
  | 'FLOWDB_NO_SPACE'
  | 'FLOWDB_READ_ONLY'
  | 'FLOWDB_CONFLICT'
  | 'FLOWDB_NOT_FOUND'
  | 'FLOWDB_LOCKED'
  | 'FLOWDB_POISONED'
  | 'FLOWDB_IO'
  | 'FLOWDB_CORRUPTION'
  | 'FLOWDB_UNSUPPORTED'
  | 'FLOWDB_NO_BINARY';

/** What the record API rejects with and throws. `code` is stable, the message is not. */
export class FlowDBError extends Error {
  constructor(
    code: FlowDBErrorCode,
    message: string,
    details?: { file?: string; offset?: number; holder?: number; cause?: unknown },
  );
  readonly code: FlowDBErrorCode;
  /** The file concerned. */
  readonly file?: string;
  /** Where in the file, in bytes. */
  readonly offset?: number;
  /** Process id of the one that has the directory open (`FLOWDB_LOCKED`). */
  readonly holder?: number;
}

// ---------------------------------------------------------------------------------------------------------------------
// IndexedDB: the standard's interfaces, as lib.dom declares them where it is there, and loosely where it is not
// ---------------------------------------------------------------------------------------------------------------------

/** The constructor that the global of this name has; `Loose` without lib.dom. */
type Global<Name extends string, Loose> = typeof globalThis extends { [K in Name]: infer Constructor } ? Constructor : Loose;
/** The instances of a constructor. */
type Instance<Constructor> = Constructor extends { prototype: infer Instance } ? Instance : any;
/** A constructor of objects that are not described further. */
type AnyConstructor = { new (...args: any[]): any; prototype: any; [member: string]: any };

export const IDBCursor: Global<'IDBCursor', AnyConstructor>;
export type IDBCursor = Instance<Global<'IDBCursor', AnyConstructor>>;
export const IDBCursorWithValue: Global<'IDBCursorWithValue', AnyConstructor>;
export type IDBCursorWithValue = Instance<Global<'IDBCursorWithValue', AnyConstructor>>;
export const IDBDatabase: Global<'IDBDatabase', AnyConstructor>;
export type IDBDatabase = Instance<Global<'IDBDatabase', AnyConstructor>>;
export const IDBIndex: Global<'IDBIndex', AnyConstructor>;
export type IDBIndex = Instance<Global<'IDBIndex', AnyConstructor>>;
export const IDBKeyRange: Global<'IDBKeyRange', AnyConstructor>;
export type IDBKeyRange = Instance<Global<'IDBKeyRange', AnyConstructor>>;
export const IDBObjectStore: Global<'IDBObjectStore', AnyConstructor>;
export type IDBObjectStore = Instance<Global<'IDBObjectStore', AnyConstructor>>;
export const IDBOpenDBRequest: Global<'IDBOpenDBRequest', AnyConstructor>;
export type IDBOpenDBRequest = Instance<Global<'IDBOpenDBRequest', AnyConstructor>>;
export const IDBRecord: Global<'IDBRecord', AnyConstructor>;
export type IDBRecord = Instance<Global<'IDBRecord', AnyConstructor>>;
export const IDBRequest: Global<'IDBRequest', AnyConstructor>;
export type IDBRequest = Instance<Global<'IDBRequest', AnyConstructor>>;
export const IDBTransaction: Global<'IDBTransaction', AnyConstructor>;
export type IDBTransaction = Instance<Global<'IDBTransaction', AnyConstructor>>;
export const IDBVersionChangeEvent: Global<'IDBVersionChangeEvent', AnyConstructor>;
export type IDBVersionChangeEvent = Instance<Global<'IDBVersionChangeEvent', AnyConstructor>>;

/** A factory of databases: a world of its own. */
export type IDBFactory = Instance<Global<'IDBFactory', AnyConstructor>> & {
  /**
   * An extension: closes all connections, waits for their transactions, and gives the directory back. Afterwards another process can open it,
   * unless someone else in this one still has it open. Opens that are still waiting fail with `AbortError`, later ones with `UnknownError`.
   * Rejects with an error that has a `code` if the directory could not be closed in order; what was committed is there all the same.
   */
  close(): Promise<void>;
};
export const IDBFactory: {
  /**
   * Without `path` a fresh, empty world in memory, freed when it is unreachable; with it, what is in the directory, which is created if there is
   * none, shared by all of the process that name the same one. The directory is opened in the background: a failure is the `error` of the
   * requests, an `UnknownError`.
   *
   * What a crash can cost depends on the `durability` of a transaction: `'strict'` is on stable storage before `complete` is fired, as every version change is;
   * `'relaxed'` and `'default'` are as the directory's {@link SyncMode} says, which is `'os'` unless `open` was called with another.
   */
  new (options?: { path?: string }): IDBFactory;
  prototype: IDBFactory;
};

/** Closes a connection as if it had been closed abnormally: its transactions are aborted, and it gets a `close` event. */
export function forceCloseDatabase(database: IDBDatabase): void;

/** A world in memory, one for each thread, as `flowdb/auto` installs it. */
export const indexedDB: IDBFactory;
export default indexedDB;

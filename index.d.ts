/// <reference types="node" />

// ---------------------------------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A key: a well-formed string (stored as UTF-8) or bytes, 0 to 512 KiB. All keys have one order, that of their bytes; a
 * string and its UTF-8 bytes are the same key.
 */
export type Key = string | Uint8Array;

/**
 * A moment: microseconds since the epoch as a safe integer or BigInt (64 bits, signed), or a Date. `Date.now()` counts
 * milliseconds, so give `Date.now() * 1000` or `new Date()`; what comes out is microseconds too, a number or, where
 * that would not be exact, a BigInt, of which `new Date(Number(ts) / 1000)` makes a Date. Milliseconds passed by
 * mistake mean a moment in January 1970, which a database with a retention will not even return. Durations (`ttl`,
 * `window`, all that end in `Ms`) are milliseconds.
 *
 * @example
 * await db.series.put('oven', 181.5, { ts: Date.now() * 1000 }); // or { ts: new Date() }
 * const { ts } = (await db.series.latest('oven'))!;
 * console.log(new Date(Number(ts) / 1000));
 */
export type Timestamp = number | bigint | Date;

/**
 * What values are, going in and coming out. At most 512 MiB each as stored (else `FLOWDB_TOO_LARGE`).
 *
 * | | `put` takes | `get` gives |
 * |---|---|---|
 * | `'any'` (default) | everything that can be cloned, except `undefined`, Blob and File | what was put; a Buffer for a Uint8Array |
 * | `'utf8'` | well-formed strings | a string |
 * | `'buffer'` | Uint8Array | a Buffer |
 * | `'json'` | what `JSON.stringify` makes something of | what `JSON.parse` makes of it |
 *
 * `'json'` stores text: read with `'any'` such a value is the string of its JSON, so give the encoding to `open`, or to
 * both calls. What is nested in it is as `JSON.stringify` has it (`NaN` becomes null, functions and `undefined` are
 * left out); where nothing but null would be left of a value itself, as of `NaN`, infinities and invalid Dates, `put`
 * refuses it (`FLOWDB_INVALID_ARGUMENT`).
 *
 * Bytes and text can be read as `'utf8'`, `'buffer'` and `'json'`, however they were put; with `'utf8'`, bytes that are
 * not UTF-8 become U+FFFD. Reading what only `'any'` can hold as something else, or what is not JSON as `'json'`, is an
 * error (`FLOWDB_INVALID_ARGUMENT`).
 *
 * Small Buffers may be parts of a larger piece of memory, as those of `Buffer.from` are: up to 16 KiB of neighbours
 * that `get` gave from memory, up to 80 KiB of those that a scan, `getMany` or a `get` from disk gave. Copy one that
 * you keep for much longer than its neighbours. Their memory cannot be transferred to another thread either: Node 20
 * sends a copy in its place, later versions throw a `DataCloneError`.
 */
export type ValueEncoding = 'any' | 'utf8' | 'buffer' | 'json';

/**
 * How keys come out of scans. `'utf8'` (default): as strings, and as Buffers where they are not UTF-8. `'buffer'`: as
 * Buffers.
 */
export type KeyEncoding = 'utf8' | 'buffer';

/**
 * When a write counts as done, and what a crash can then still lose. What survives is always a prefix of all commits,
 * in the order in which they were made. The option `sync` of a write makes it, and all before it, as safe as `'always'`
 * does.
 *
 * | | done when | a crash of the process loses | a power cut loses |
 * |---|---|---|---|
 * | `'os'` (default) | the operating system has it | nothing | what the system has not written back, typically up to 30 seconds |
 * | `{ intervalMs }` (1 to 3 600 000) | the operating system has it | nothing | what was written in the last interval, and during its sync |
 * | `'always'` | it is on stable storage | nothing | nothing |
 *
 * A database in memory is gone with its process, whatever the mode.
 */
export type SyncMode = 'os' | 'always' | { intervalMs: number };

/** What a database is opened with: `path` or `memory`, and settings. */
export type OpenOptions = OpenSettings & (
  | {
    /**
     * Directory of the database, a path or a `file:` URL; directories above it are created too. Either this or
     * `memory`.
     */
    path: string | URL;
    memory?: false | undefined;
  }
  | {
    /** A new database in memory, gone when it is closed. Default false. */
    memory: true;
    path?: undefined;
    readOnly?: false | undefined;
    logSegmentBytes?: undefined;
    logBytesMax?: undefined;
  }
);

/** None of these settings is stored in the directory: each opening sets them again. */
export interface OpenSettings {
  /** Create the directory and the database if there is none (else `FLOWDB_NOT_FOUND`). Default true. */
  createIfMissing?: boolean | undefined;
  /**
   * Open what is there and change nothing. Several processes may have a directory open this way at once; none can open
   * it for writing meanwhile. Writes, `flush`, `compact` and `checkpoint` fail with `FLOWDB_READ_ONLY`. Default false.
   * Not with `memory`.
   */
  readOnly?: boolean | undefined;
  /**
   * What a crash can lose, and what a write costs. Default `'os'`, or what the directory is open with in this process.
   */
  sync?: SyncMode | undefined;
  /**
   * Memory for decompressed blocks of tables, in bytes, for all who share the directory: what is in it is read again
   * without the disk. It does not limit what is stored; the size of `kv` on disk is limited by `kvBytesMax`. Default 32
   * MiB, from 0 to 1 TiB.
   */
  blockCacheBytes?: number | undefined;
  /**
   * Recent writes kept in memory before they go to a table, in bytes, for each of `kv`, `series` and IndexedDB. At most
   * about three times as much is held while the disk falls behind; then writes wait. Default 16 MiB (32 MiB with
   * `memory`), from 64 KiB to 1 GiB.
   */
  writeBufferBytes?: number | undefined;
  /** Full write buffers of each kind that may wait for the disk before writes wait. Default 2, from 1 to 16. */
  frozenWriteBuffersMax?: number | undefined;
  /** Size at which a block of a table is closed, in bytes before compression. Default 4 KiB, from 512 B to 1 MiB. */
  blockBytes?: number | undefined;
  /** Compression of blocks, where it saves an eighth. Default `'lz4'` (`'none'` with `memory`). */
  compression?: 'lz4' | 'none' | undefined;
  /**
   * Memory and disk for filters, which save reads of keys that are not there, in bits per key. Default 10, from 0
   * (none) to 32.
   */
  filterBitsPerKey?: number | undefined;
  /**
   * Size at which a segment of the log is followed by the next, in bytes. Default 64 MiB, from 64 KiB to 4 GiB. Not
   * with `memory`, which has no log.
   */
  logSegmentBytes?: number | undefined;
  /** Log kept at most, in bytes. Default 256 MiB, from one segment to 1 TiB. Not with `memory`. */
  logBytesMax?: number | undefined;
  /** Size at which compaction closes a table, in bytes. Default 32 MiB, from 64 KiB to 1 GiB. */
  tableBytesMax?: number | undefined;
  /**
   * Size at which `kv` drops the records that were written longest ago, in bytes on disk as `tableBytes` and
   * `valueFileBytes` in `stats().trees.kv` tell them, from 256 KiB: the limit of a cache. Up to one write buffer (an
   * eighth of this at most) comes on top. Whole tables go at a time. Only writes count: what is read often goes too,
   * unless it is put again. Memory is another matter: `blockCacheBytes`, `writeBufferBytes`. Default: nothing is
   * forgotten.
   */
  kvBytesMax?: number | undefined;
  /**
   * Time to live of `kv` records that are put without one, in milliseconds, from 1 to 1000 years; `'never'` (default):
   * they do not expire.
   */
  kvTtlMs?: number | 'never' | undefined;
  /**
   * Time to live of points that are put without one, in milliseconds from their timestamp, from 1 to 1000 years;
   * `'never'` (default): they do not expire.
   */
  seriesTtlMs?: number | 'never' | undefined;
  /**
   * Age from which points of all series are gone, whatever their time to live; in milliseconds, from 1 to 1000 years. A
   * point that is older when it is put is not seen. Points are kept apart by time, so that old ones go without being
   * read or rewritten, which a time to live does not give. An opening without it, or with a longer one, sees what was
   * not dropped yet. Default: they stay.
   */
  seriesRetentionMs?: number | undefined;
  /**
   * Time span whose points are dropped together, in milliseconds; only with `seriesRetentionMs`. Default a tenth of
   * that, at least an hour; from a minute, at least a 256th of `seriesRetentionMs`. A shorter one gives space back
   * sooner; with a longer one, reads of long windows look at fewer tables.
   */
  seriesBucketMs?: number | undefined;
  /**
   * For series whose keys begin with a prefix, in the place of `seriesRetentionMs`; the longest prefix of a key counts.
   * Default: none. The rules are not stored: each opening sets them again. What has been dropped stays dropped. At most
   * 256 prefixes, each once; their order does not matter.
   */
  seriesRetentionByPrefix?: readonly SeriesRetention[] | undefined;
  /**
   * Receives what the library logs while the database is open: for all databases of the process, each line once,
   * however many of them were opened with it. Fields come first, then the message, as pino expects them; winston
   * expects the opposite and would lose the message. Each line has the field `component: 'flowdb'`. Below `info` only
   * if `isLevelEnabled('debug')` says so. Default: nothing is logged anywhere.
   */
  logger?: Logger | undefined;
  /** For calls that do not name one. Default `'any'`. */
  valueEncoding?: ValueEncoding | undefined;
  /** For scans that do not name one. Default `'utf8'`. */
  keyEncoding?: KeyEncoding | undefined;
}

/** How long series whose keys begin with a prefix are kept: see {@link OpenSettings.seriesRetentionByPrefix}. */
export interface SeriesRetention {
  /** What the keys begin with; at most 512 bytes. */
  prefix: Key;
  /**
   * Age from which their points are gone, in milliseconds, from 1 to 1000 years; or `'never'`, as an exception to
   * `seriesRetentionMs` or a shorter prefix.
   */
  ms: number | 'never';
  /**
   * Time span whose points are dropped together, in milliseconds. Default and range as for `seriesBucketMs`, relative
   * to `ms`; not with `'never'`.
   */
  bucketMs?: number | undefined;
}

/** What pino and similar loggers implement. */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  trace?(fields: object, message: string): void;
  isLevelEnabled?(level: string): boolean;
}

/**
 * Opens a database, and creates it if there is none.
 *
 * A directory is open in one process at a time. Within the process, all who open it (worker threads, `IDBFactory` with
 * the same path) share one engine. Settings that you leave out keep the values it is already open with; ones that
 * differ from those are an error (`FLOWDB_INVALID_ARGUMENT`), other than `createIfMissing`, the encodings and the
 * `logger`.
 *
 * Rejects with a {@link FlowDBError}: `FLOWDB_LOCKED` (another process has it; `holder` is its process id, if it may
 * write), `FLOWDB_NOT_FOUND`, `FLOWDB_CORRUPTION`, `FLOWDB_UNSUPPORTED`, `FLOWDB_INVALID_ARGUMENT`, `FLOWDB_NO_SPACE`,
 * `FLOWDB_IO`.
 *
 * @example
 * const db = await open('data');
 * await db.put('greeting', 'hello', { ttl: 60_000 });
 * console.log(await db.get('greeting'));
 * await db.close();
 */
export function open(path: string | URL, options?: OpenSettings): Promise<Database>;
export function open(options: OpenOptions): Promise<Database>;

/**
 * The same options, of which each that is given must have a value: where something is deleted, `undefined` is no bound.
 */
type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

export interface SyncOptions {
  /**
   * The write is done only once it is on stable storage, whatever the database's sync mode. Default false: as the mode
   * says.
   */
  sync?: boolean | undefined;
}

export interface ExpiryOptions {
  /**
   * Milliseconds until it expires: from the write in `kv`, from `ts` in `series`. Positive, fractions down to a
   * microsecond, at most 1000 years; or `'never'`. Not together with `expiresAt`. Default: `kvTtlMs` or `seriesTtlMs`
   * of the database, which default to never. What has expired is no longer read; compaction frees its space.
   */
  ttl?: number | 'never' | undefined;
  /**
   * When it expires by the machine's clock: milliseconds (not microseconds) since the epoch, or a Date, up to the year
   * 9999; a moment in the past means at once. Instead of `ttl`.
   */
  expiresAt?: number | Date | undefined;
}

export interface ValueEncodingOptions {
  /** Default: the database's. */
  valueEncoding?: ValueEncoding | undefined;
}

export interface IncrementEncodingOptions {
  /** How the number is stored. Default: the database's, which has to be one of these. */
  valueEncoding?: 'any' | 'json' | undefined;
}

export interface PutOptions extends SyncOptions, ExpiryOptions, ValueEncodingOptions {}

/** One moment of a database, for reads: `{ snapshot }`. */
export interface Snapshot {
  /**
   * Releases it, as closing the database does; further reads with it fail with `FLOWDB_CLOSED`. Closing again does
   * nothing.
   */
  close(): void;
  /** `close()`, for `using`. */
  [Symbol.dispose](): void;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SnapshotOptions {
  /**
   * Read what was there at that moment. What has expired since may be gone, once its space was taken back. Default:
   * what is there now.
   */
  snapshot?: Snapshot | undefined;
}

export interface SignalOptions {
  /**
   * Ends the call with `FLOWDB_ABORTED`, whose `cause` is the reason. A read of the disk that has begun is finished
   * first, and the steps of a scan still give what was read already, up to 512 entries.
   */
  signal?: AbortSignal | undefined;
}

export interface SeriesPutOptions extends PutOptions {
  /**
   * The timestamp of the value: microseconds since the epoch (`Date.now() * 1000`), or a Date. Default: now, made
   * unique among those that the process gave out; pass one if you need to know it.
   */
  ts?: Timestamp | undefined;
  /**
   * What happens if the series already has a value at `ts`: `'last'` (default) replaces it; `'first'` keeps it, and the
   * promise resolves to whether the new one was written; `'error'` keeps it and rejects with `FLOWDB_CONFLICT`.
   */
  duplicates?: 'last' | 'first' | 'error' | undefined;
}

/**
 * Which keys: those that are within all that is given. For pages, go on behind the last key of the page before:
 * `{ prefix, gt: last, limit }`, or backward `{ prefix, lt: last, limit, reverse: true }`.
 */
export interface KeyRangeOptions {
  /** Keys that begin with this. */
  prefix?: Key | undefined;
  /** Keys above this. Not together with `gte`. */
  gt?: Key | undefined;
  /** This key and those above it. */
  gte?: Key | undefined;
  /** Keys below this. Not together with `lte`. */
  lt?: Key | undefined;
  /** This key and those below it. */
  lte?: Key | undefined;
}

export interface RangeOptions extends KeyRangeOptions, SnapshotOptions, SignalOptions {
  /** From the largest to the smallest. Default false. */
  reverse?: boolean | undefined;
  /** At most this many entries, from 0. Default: Infinity, all. */
  limit?: number | undefined;
  /** Default: the database's. */
  keyEncoding?: KeyEncoding | undefined;
  /** Default: the database's. */
  valueEncoding?: ValueEncoding | undefined;
}

export interface ScanOptions extends RangeOptions {
  /** False for values only. Default true. At least one of `keys` and `values` is true. */
  keys?: boolean | undefined;
  /** False for keys only. Default true. */
  values?: boolean | undefined;
}

/**
 * Which points. A page that ends within a series goes on behind its last point: `{ key, from: BigInt(ts) + 1n }`, or
 * backward `{ key, to: ts, reverse: true }`.
 */
export interface SeriesRangeOptions extends KeyRangeOptions {
  /** One series only. Not together with `prefix` or bounds. */
  key?: Key | undefined;
  /** Earliest timestamp, included: microseconds since the epoch, or a Date. Default: the beginning of time. */
  from?: Timestamp | undefined;
  /** Latest timestamp, not included: microseconds since the epoch, or a Date. Default: the end of time. */
  to?: Timestamp | undefined;
}

export interface SeriesScanOptions extends RangeOptions, SeriesRangeOptions {
  /** False for points without `value`, whose values are not read. Default true. */
  values?: boolean | undefined;
}

export interface LatestOfEachOptions extends KeyRangeOptions, SnapshotOptions, SignalOptions, ValueEncodingOptions {
  /** One series only. Not together with `prefix` or bounds. */
  key?: Key | undefined;
  /** The newest point at or before this: microseconds since the epoch, or a Date. Default: the newest of all. */
  at?: Timestamp | undefined;
  /** From the last key to the first. Default false. */
  reverse?: boolean | undefined;
  /** At most this many series, from 0. Default: Infinity, all. */
  limit?: number | undefined;
  /** Default: the database's. */
  keyEncoding?: KeyEncoding | undefined;
}

/** `count` of the numbers, their `sum`, `avg`, `min` and `max`, and the `first` and `last` in time. */
export type AggregateFunction = 'count' | 'sum' | 'avg' | 'min' | 'max' | 'first' | 'last';

export interface AggregateOptions<F extends AggregateFunction = AggregateFunction>
  extends SeriesRangeOptions, SnapshotOptions, SignalOptions, ValueEncodingOptions {
  /** What to compute. At least one. */
  agg: readonly F[] | F;
  /**
   * Milliseconds: a row for each window of this length that has numbers in it. Windows begin at multiples of it since
   * the epoch (UTC midnights for a day), so the first and the last may lie partly outside `from` and `to`. From 0.001,
   * a microsecond, to 9 007 199 254 740 (285 years), rounded to whole microseconds. Default: one row for each series.
   */
  window?: number | undefined;
  /** Where in a value the number is: names of properties, joined by periods. Default: the value is the number. */
  field?: string | undefined;
  /** Default: the database's. */
  keyEncoding?: KeyEncoding | undefined;
}

/** About one series, or one window of it. */
export type AggregateRow<F extends AggregateFunction = AggregateFunction, K = string> = {
  key: K;
  /** Where the window begins, microseconds since the epoch; only with `window`. */
  ts?: number | bigint;
} & { [name in F]: number };

/**
 * An entry of a scan over `kv`. The type of its key is `string`, and `Buffer` where the call says
 * `keyEncoding: 'buffer'`. What a compiler cannot know: keys that are not UTF-8 are Buffers all the same, and so are
 * all keys where `keyEncoding` was `'buffer'` in `open`.
 */
export interface Entry<V = any, K = string> {
  key: K;
  value: V;
}

/** A point of a scan over `series`. */
export interface Point<V = any, K = string> extends Entry<V, K> {
  /** Microseconds since the epoch; a BigInt beyond the safe integers. */
  ts: number | bigint;
}

/**
 * Entries in order, read on demand. Nothing is read before the first step; from then on the scan sees the database as
 * it was at that moment, and what it sees takes up space on disk until it ends. Leaving a loop early releases what it
 * holds. Each iteration is a new scan. `scan` itself never throws: the first step rejects with
 * `FLOWDB_INVALID_ARGUMENT` for a wrong option, and with `FLOWDB_ABORTED` where the `signal` is aborted already. Steps
 * reject with `FLOWDB_CLOSED` once the database was closed (after what was read already, up to 512 entries), with
 * `FLOWDB_CORRUPTION` and `FLOWDB_IO` where the disk fails, and with `FLOWDB_INVALID_ARGUMENT` at a value that
 * `valueEncoding` cannot express, once those before it were given.
 */
export interface Scan<E> extends AsyncIterable<E> {
  /** All entries, in one array. */
  all(): Promise<E[]>;
  /** Entries in arrays, as they are read: first one, then more and more up to 512 entries or about 64 KiB. */
  batches(): AsyncIterable<E[]>;
}

/**
 * Key-value records, with expiry if you like: one value for each key. Writes of one turn of the event loop share a
 * commit, in order, up to 64 KiB. Writes settle in the order in which they were made, though reactions to different
 * calls may interleave within a turn; writes of one commit may share a promise. Reads see all writes made before them
 * by the same handle, and none that it makes after them; only a `get` that has to ask the disk may find what was
 * written meanwhile.
 *
 * Writes reject with `FLOWDB_INVALID_ARGUMENT`, `FLOWDB_TOO_LARGE`, `FLOWDB_READ_ONLY` and `FLOWDB_CLOSED`, and then
 * nothing was written; with `FLOWDB_NO_SPACE`, and then nothing was written either; with `FLOWDB_IO` and
 * `FLOWDB_POISONED`, and then the outcome is unknown until the database is opened again. They reject with
 * `FLOWDB_OVERLOADED` if more than 64 MiB of writes of the handle would wait for the disk: await earlier ones. A single
 * larger one is accepted while no other waits. A batch of more than 1 GiB is `FLOWDB_TOO_LARGE`.
 *
 * Reads reject with `FLOWDB_INVALID_ARGUMENT`, `FLOWDB_TOO_LARGE`, `FLOWDB_CLOSED`, `FLOWDB_CORRUPTION` and
 * `FLOWDB_IO`; `getSync` throws them.
 */
export interface Kv {
  /** Gives `key` a value. */
  put(key: Key, value: any, options?: PutOptions & { ifAbsent?: false | undefined }): Promise<void>;
  /** Gives `key` a value if it has none, or one that has expired. Resolves to true if it was written. */
  put(key: Key, value: any, options: PutOptions & { ifAbsent: true }): Promise<boolean>;
  put(key: Key, value: any, options: PutOptions & { ifAbsent?: boolean | undefined }): Promise<boolean | undefined>;
  /** The value of `key`; `undefined` if there is none, or if it has expired. */
  get(key: Key, options: { valueEncoding: 'buffer' } & SnapshotOptions): Promise<Buffer | undefined>;
  get(key: Key, options: { valueEncoding: 'utf8' } & SnapshotOptions): Promise<string | undefined>;
  get<V = any>(key: Key, options?: ValueEncodingOptions & SnapshotOptions): Promise<V | undefined>;
  /**
   * `get`, synchronously: blocks the thread where the answer is not in memory. Sees all writes that were acknowledged.
   */
  getSync(key: Key, options: { valueEncoding: 'buffer' } & SnapshotOptions): Buffer | undefined;
  getSync(key: Key, options: { valueEncoding: 'utf8' } & SnapshotOptions): string | undefined;
  getSync<V = any>(key: Key, options?: ValueEncodingOptions & SnapshotOptions): V | undefined;
  /**
   * The values of many keys, in their order, all as of one moment: of what a batch writes, all or nothing is seen.
   * `undefined` for each that has none, and an empty array for none.
   */
  getMany(keys: readonly Key[], options: { valueEncoding: 'buffer' } & SnapshotOptions): Promise<(Buffer | undefined)[]>;
  getMany(keys: readonly Key[], options: { valueEncoding: 'utf8' } & SnapshotOptions): Promise<(string | undefined)[]>;
  getMany<V = any>(keys: readonly Key[], options?: ValueEncodingOptions & SnapshotOptions): Promise<(V | undefined)[]>;
  /** True if `key` has a value. */
  has(key: Key, options?: SnapshotOptions): Promise<boolean>;
  /** Deletes the value of `key`, if it has one. */
  delete(key: Key, options?: SyncOptions): Promise<void>;
  /**
   * Deletes all values in a range of keys, at the cost of one write. At least one bound is needed; a bound that is
   * `undefined` and an empty `prefix` are errors, as they would delete more than was meant. Without an upper bound,
   * keys that begin with 64 bytes of ff may stay if others put them meanwhile.
   */
  deleteRange(options: Given<KeyRangeOptions> & SyncOptions): Promise<void>;
  /** Deletes all values. Series and IndexedDB stay. */
  clear(options?: SyncOptions): Promise<void>;
  /**
   * Changes a value, atomically against all other writers, and resolves to the new one. It keeps its expiry unless
   * there is a new one.
   *
   * With fields: they are set in the plain object that is there, and deleted where they are undefined
   * (`FLOWDB_INVALID_ARGUMENT` if it is something else). Where nothing is there nothing is written, and it resolves to
   * `undefined`. Without any field only the expiry changes: `patch(key, {}, { ttl })` prolongs a session.
   *
   * With a function: it is given the value, or `undefined`, and returns the new one, or `undefined` to leave it as it
   * is. It must not be asynchronous, and is called again where someone else wrote meanwhile. What it throws, the
   * promise rejects with.
   *
   * Rejects with `FLOWDB_CONFLICT` if others wrote during each of 1000 attempts.
   */
  patch<V = any>(key: Key, changes: Record<string, any> | ((current: V | undefined) => V | undefined), options?: PutOptions): Promise<V | undefined>;
  /**
   * Gives `key` the value (`undefined`: deletes it) if it has the expected one (`undefined`: none), atomically.
   * Resolves to true if it did. Values are compared as they are stored: objects are equal if they have the same
   * properties in the same order. The expiry is that of a put. Both have to be given.
   */
  compareAndSet(key: Key, expected: any, value: any, options?: PutOptions): Promise<boolean>;
  /**
   * Adds to a number, atomically, and resolves to the sum. `delta` is 1 by default, and may be a BigInt, as the value
   * is then. Where there is no value it starts from zero and expires by `ttl` or `expiresAt`; an existing value keeps
   * its expiry. Rejects with `FLOWDB_INVALID_ARGUMENT`, and changes nothing, if the value is not a number (or not of
   * `delta`'s type), or the sum out of range: beyond 2^53 - 1 for integers and for numbers that were within, beyond 64
   * bits for BigInts, infinite.
   *
   * The number is one that `put` and `get` with the same `valueEncoding` write and read: with `'any'` a number or
   * BigInt, with `'json'` a number as JSON text. `'utf8'` and `'buffer'` cannot express one
   * (`FLOWDB_INVALID_ARGUMENT`): in a database with such a default, say which of the two it is to be, here and in
   * `get`.
   */
  increment(key: Key, delta?: number, options?: SyncOptions & ExpiryOptions & IncrementEncodingOptions): Promise<number>;
  increment(key: Key, delta: bigint, options?: SyncOptions & ExpiryOptions & IncrementEncodingOptions): Promise<bigint>;
  /**
   * The value of `key`, or else what `loader` returns, which is then put. Concurrent calls of this handle for a key
   * share one load: only the loader of the first is called, and each caller gets its own copy of the result. What
   * someone else puts meanwhile stays, and is what they get. `undefined` is not put. If the loader fails, all of them
   * reject with its error and nothing is put.
   *
   * Any write after the beginning of a load wins: if the key is deleted while its loader runs (by `delete`,
   * `deleteRange`, `clear`), those who wait get what is loaded, but it is not put; and a call made after the delete
   * starts a load of its own. A load that never ends holds a snapshot, and with it space on disk, as long as someone
   * waits for it.
   *
   * What is put has the `ttl`, `expiresAt`, `sync` and `valueEncoding` of the call whose loader runs; those that share
   * its load bring only their own `signal`, and the encoding that they read with. A loader must not wait for a
   * `getOrSet` of its own key, by whatever way: it would wait for itself, until a `signal` ends that.
   *
   * `signal` ends the waiting of this call; the loader's own `signal` is aborted once nobody waits any more, and when
   * the database is closed: calls whose loader is still running then reject with `FLOWDB_CLOSED`. What a loader returns
   * after its signal was aborted is not put.
   */
  getOrSet<V = any>(
    key: Key, loader: (context: { signal: AbortSignal }) => V | Promise<V>, options?: PutOptions & SignalOptions,
  ): Promise<V>;
  /** The number of keys, in all or in a range. Reads all of these keys, but no values. */
  count(options?: KeyRangeOptions & SnapshotOptions & SignalOptions): Promise<number>;
  /** Entries in order of their keys. */
  scan(options: ScanOptions & { values: false; keyEncoding: 'buffer' }): Scan<Buffer>;
  scan(options: ScanOptions & { values: false }): Scan<string>;
  scan<V = any>(options: ScanOptions & { keys: false }): Scan<V>;
  scan<V = any>(options: ScanOptions & { keyEncoding: 'buffer' }): Scan<Entry<V, Buffer>>;
  scan<V = any>(options?: ScanOptions): Scan<Entry<V>>;
}

/**
 * Time series: values by key and timestamp, ordered by key, then timestamp. Writing to the same key and timestamp
 * again overwrites. Writes, reads and their errors are as in {@link Kv}.
 */
export interface Series {
  /** Gives the series `key` a value at `ts`. One that expired before it was written is not there. */
  put(key: Key, value: any, options: SeriesPutOptions & { duplicates: 'first' }): Promise<boolean>;
  put(key: Key, value: any, options?: SeriesPutOptions & { duplicates?: 'last' | 'error' | undefined }): Promise<void>;
  put(key: Key, value: any, options: SeriesPutOptions): Promise<boolean | undefined>;
  /** The value at exactly `ts`. */
  get(key: Key, options: { ts: Timestamp; valueEncoding: 'buffer' } & SnapshotOptions): Promise<Buffer | undefined>;
  get(key: Key, options: { ts: Timestamp; valueEncoding: 'utf8' } & SnapshotOptions): Promise<string | undefined>;
  get<V = any>(key: Key, options: Timestamp | ({ ts: Timestamp } & ValueEncodingOptions & SnapshotOptions)): Promise<V | undefined>;
  /** `get`, synchronously: may block the thread for the disk. */
  getSync(key: Key, options: { ts: Timestamp; valueEncoding: 'buffer' } & SnapshotOptions): Buffer | undefined;
  getSync(key: Key, options: { ts: Timestamp; valueEncoding: 'utf8' } & SnapshotOptions): string | undefined;
  getSync<V = any>(key: Key, options: Timestamp | ({ ts: Timestamp } & ValueEncodingOptions & SnapshotOptions)): V | undefined;
  /** The value with the highest timestamp, or with the highest at or before `at`. */
  latest<V = any>(
    key: Key, options: { at?: Timestamp | undefined; keyEncoding: 'buffer' } & ValueEncodingOptions & SnapshotOptions,
  ): Promise<Point<V, Buffer> | undefined>;
  latest<V = any>(
    key: Key, options?: { at?: Timestamp | undefined; keyEncoding?: KeyEncoding | undefined } & ValueEncodingOptions & SnapshotOptions,
  ): Promise<Point<V> | undefined>;
  /**
   * The newest point of every series, of all or of a range, in order of keys; looked up by worker threads, a few
   * hundred at a time. Costs three seeks for each series, however many points it has.
   *
   * For pages, give `limit`, and from the second page on the last key of the one before as `gt` (with `reverse`: `lt`);
   * with the same `snapshot`, all pages are of one moment.
   *
   * @example
   * const first = await db.series.latestOfEach({ prefix: 'room/', limit: 100 });
   * const second = await db.series.latestOfEach({ prefix: 'room/', gt: first.at(-1)!.key, limit: 100 });
   */
  latestOfEach<V = any>(options: LatestOfEachOptions & { keyEncoding: 'buffer' }): Promise<Point<V, Buffer>[]>;
  latestOfEach<V = any>(options?: LatestOfEachOptions): Promise<Point<V>[]>;
  /**
   * Deletes values of one series: the one at `ts`, those from `from` (included) to `to` (not included), or all of them
   * if none of these is given; also those that a retention hides. Giving one of them as `undefined` is an error.
   */
  delete(key: Key, options?: ({ ts?: Timestamp } | { from?: Timestamp; to?: Timestamp }) & SyncOptions): Promise<void>;
  /**
   * Deletes the values of many series, all or those of a window of time, also those that a retention hides. A bound
   * that is `undefined` and an empty `prefix` are errors. Costs one write for each series with a window, else one.
   */
  deleteRange(options: Given<SeriesRangeOptions> & SyncOptions): Promise<void>;
  /** Deletes all series. */
  clear(options?: SyncOptions): Promise<void>;
  /**
   * Points in order of key and timestamp. A window of time is sought in each series: what lies outside it is not read.
   */
  scan(options: SeriesScanOptions & { values: false; keyEncoding: 'buffer' }): Scan<Omit<Point<any, Buffer>, 'value'>>;
  scan(options: SeriesScanOptions & { values: false }): Scan<Omit<Point, 'value'>>;
  scan<V = any>(options: SeriesScanOptions & { keyEncoding: 'buffer' }): Scan<Point<V, Buffer>>;
  scan<V = any>(options?: SeriesScanOptions): Scan<Point<V>>;
  /** The number of points, in all or in a range and window. Reads all of their keys, but no values. */
  count(options?: SeriesRangeOptions & SnapshotOptions & SignalOptions): Promise<number>;
  /**
   * Numbers about the points of each series, computed natively while they are scanned, off the JS thread: a row for
   * each series, or for each `window` of each, in order of key and time. Values that are not numbers (or have none at
   * `field`) and NaN are skipped, and windows and series without numbers have no row. BigInts count as the nearest
   * number. With `valueEncoding: 'json'`, numbers are also found in JSON text. Sums are compensated, so their order
   * hardly matters, unless one leaves the doubles on its way: from there on it is infinite, or NaN, even if later
   * numbers would bring it back.
   *
   * What counts as a number differs a little from what a program that reads the values would find: Number objects do;
   * `field` goes to properties of objects and to the `length` of strings and arrays, not to elements of arrays, and in
   * JSON text to properties of objects only; bytes are not read as JSON, though `get` does; in JSON text nothing counts
   * that is nested more than 127 deep, or beyond the doubles (`1e400`, which `JSON.parse` makes Infinity).
   *
   * @example
   * const hours = await db.series.aggregate({ prefix: 'oven/', from: yesterday, window: 3_600_000, agg: ['avg', 'max'], field: 'celsius' });
   * // [{ key: 'oven/1', ts: 1767265200000000, avg: 181.2, max: 190 }, ...]
   */
  aggregate<F extends AggregateFunction>(options: AggregateOptions<F> & { keyEncoding: 'buffer' }): Promise<AggregateRow<F, Buffer>[]>;
  aggregate<F extends AggregateFunction>(options: AggregateOptions<F>): Promise<AggregateRow<F>[]>;
}

/**
 * Statistics of one kind of records. Of a database in memory, "on disk" means the memory that takes the disk's place.
 */
export interface TreeStats {
  /** Recent writes in memory, in bytes. */
  memoryBytes: number;
  /** Tables on disk. */
  tables: number;
  /** Their size, in bytes. */
  tableBytes: number;
  /** Entries in them, with overwritten and deleted ones that were not compacted yet. */
  tableEntries: number;
  /** The part of `tableBytes` that compaction would probably free. */
  garbageBytes: number;
  /** Size of the values that are kept in files of their own, in bytes. */
  valueFileBytes: number;
  /**
   * Entries dropped with whole tables since the directory was opened, because of `kvBytesMax` or a retention; old
   * versions count too.
   */
  evictedEntries: number;
}

/** How long one kind of work took, in milliseconds, to within an eighth. */
export interface LatencyStats {
  count: number;
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/**
 * Work in the background. `flush`, `log-segment`, `compaction` and `log-release` (emptying a large log when nobody
 * writes) are retried automatically; a failure of another kind ends all writes until the directory is opened again.
 * `log-release` stops no writes.
 */
export type BackgroundWork = 'flush' | 'log-segment' | 'compaction' | 'log-release' | 'log-write' | 'log-sync' | 'manifest' | 'directory';

/** A failure in the background. */
export interface BackgroundFailure {
  /** What fails. `flowdb:resumed` has the same word. */
  work: BackgroundWork;
  code: FlowDBErrorCode;
  /** What fails and why, in words. */
  message: string;
  /** When it failed first, milliseconds since the epoch. */
  since: number;
  /** True if it is retried automatically; false if the database has to be opened again. */
  resumes: boolean;
}

/** Numbers about a directory, whoever wrote to it. */
export interface Stats {
  /** Number of the last operation. */
  sequence: number;
  /** Since the directory was opened, as all counters below are. */
  uptimeMs: number;
  /** Log segments that are kept. */
  logSegments: number;
  /** Bytes in them. */
  logBytes: number;
  /** Writers that wait for maintenance. */
  stalledWriters: number;
  /** How long the oldest snapshot or scan has been held; 0 without one. */
  oldestSnapshotMs: number;
  /**
   * `kv` as a cache: gets that found a value, gets that did not (reads of snapshots and scans do not count), entries
   * dropped because of `kvBytesMax`.
   */
  kv: { hits: number; misses: number; evictions: number };
  /** Decompressed blocks of tables in memory. */
  blockCache: { hits: number; misses: number; blocks: number; bytes: number; capacityBytes: number };
  /** What was done since the directory was opened; IndexedDB counts too. */
  totals: {
    /** Commits: each holds one write, or several that were made together. */
    commits: number;
    /** Puts, deletes and range deletes in them. */
    recordsWritten: number;
    /** Bytes that they took in the log. */
    bytesWritten: number;
    /**
     * Commits that failed: no space, an error of the operating system, or a database that takes no more writes. Failed
     * syncs count among `backgroundErrors`.
     */
    writeErrors: number;
    /** Look-ups of one key, whether or not it was found; one that memory could not answer counts twice. */
    gets: number;
    /** Times that a scan or a range read looked for its beginning. */
    seeks: number;
    /** Entries that gets and scans answered with. */
    recordsRead: number;
    /** Expired entries that reads met and passed over, each time. */
    recordsExpired: number;
    /** Expired entries whose space was freed. */
    recordsPurged: number;
    /** Times that a write buffer was written to a table. */
    flushes: number;
    /** Bytes of these tables. */
    flushBytesWritten: number;
    compactions: number;
    /** Bytes of the tables that compactions replaced. */
    compactionBytesRead: number;
    /** Bytes of the tables that they wrote. */
    compactionBytesWritten: number;
    /** Times that a writer had to wait because flushes or compactions had fallen behind. */
    stalls: number;
    /** How long writers waited for that, in milliseconds; of several that waited together, each counts. */
    stallMs: number;
    /** Failures in the background, repeated ones included. */
    backgroundErrors: number;
  };
  /** Only a sample of the writes and reads is measured. */
  latencies: { write: LatencyStats; read: LatencyStats; flush: LatencyStats; compaction: LatencyStats; sync: LatencyStats };
  /** What failed in the background and still does, for instance while there is no space. */
  backgroundError?: BackgroundFailure;
  trees: { kv: TreeStats; series: TreeStats; documents: TreeStats };
}

/** What {@link Database.checkpoint} made. */
export interface CheckpointReport {
  /** Number of the last operation in it. */
  sequence: number;
  /** Files that share their bytes with the database (hard links). */
  filesLinked: number;
  /**
   * Files that were copied: the segment of the log that is being written, and all others where they cannot be linked,
   * as on another disk.
   */
  filesCopied: number;
  /** Their size, in bytes. */
  bytesCopied: number;
}

/** Damage in a directory. */
export interface DirectoryProblem {
  file: string;
  /** Where in it, in bytes. */
  offset: number;
  code: FlowDBErrorCode;
  message: string;
  /** What it concerns, as far as that is known. */
  tree?: string;
  /** First and last key, as they are stored, in hex. */
  keys?: string[];
  /** First and last number of the operations. */
  sequences?: number[];
}

/** What a crash may leave behind, and the next opening cleans up. */
export interface DirectoryNote {
  file: string;
  offset: number;
  message: string;
}

/** What {@link Database.verify} found, and how much it read. */
export interface VerifyReport {
  /** True if there are no problems. */
  isClean: boolean;
  /** Damage. */
  problems: DirectoryProblem[];
  /**
   * What a crash may leave behind. After anything but a crash look here too: a write that was cut off looks like one
   * that was damaged later.
   */
  notes: DirectoryNote[];
  /** Tables read. */
  tables: number;
  /** Files of large values read. */
  valueFiles: number;
  /** Blocks of entries read. */
  blocks: number;
  /** Entries read, overwritten and deleted ones included. */
  entries: number;
  /** Segments of the log read. */
  logSegments: number;
  /** Commits read from the log. */
  commits: number;
  /** Bytes read. */
  bytesRead: number;
}

/** What {@link Database.repair} saved, and what it could not save. */
export interface RepairReport {
  /** True if everything that was found to have been written was saved. */
  isComplete: boolean;
  /**
   * What entries were ordered by. With `'sequences'`, because the manifest could not be read, deleted entries may be
   * back.
   */
  order: 'manifest' | 'sequences';
  /** What could not be saved. Of a key whose newest version was lost, an older one may show. */
  lost: DirectoryProblem[];
  /** Damage that cost nothing. */
  mended: DirectoryProblem[];
  /** What a crash may have left behind. */
  notes: DirectoryNote[];
  /** Sound tables that share their bytes with the damaged directory (hard links). */
  tablesLinked: number;
  /** Sound tables that were copied. */
  tablesCopied: number;
  /** Tables that were written anew, with what could be saved of damaged ones. */
  tablesRewritten: number;
  /** Entries in them. */
  entriesRewritten: number;
  /** Operations that were saved from the log. */
  operations: number;
  /** Number of the last operation: `sequence` of the statistics goes on from there. */
  lastSequence: number;
}

/** One write of a batch. With `ts` it is one of `series`, without of `kv`; a `ts` that is `undefined` is an error. */
export type BatchOperation =
  | ({ type: 'put'; key: Key; value: any; ts?: Timestamp } & ExpiryOptions & ValueEncodingOptions)
  | { type: 'delete'; key: Key; ts?: Timestamp };

/**
 * An open database: one handle. Close it, or let it be garbage collected; the last handle of a directory closes
 * the engine. An idle open database does not keep the process alive.
 *
 * `put`, `get`, `getSync`, `delete` and `scan` are shortcuts: an option `ts`, `from` or `to` makes them a call of
 * `series`, else they are one of `kv`. Where one of these is there but `undefined`, and none of them is defined, they
 * fail with `FLOWDB_INVALID_ARGUMENT`: a value that was meant for a series does not go to `kv` because a property was
 * misspelt.
 *
 * Events are published on channels of `node:diagnostics_channel`; each message has the `path`, undefined in memory:
 * `flowdb:open`, `flowdb:close`; `flowdb:write` for each commit (`writes`, `bytes`, `error` if it failed, or if one of
 * the changes in it did that depend on what they find: the first such error); `flowdb:read` for reads that have to go
 * to the disk (`reads`); `flowdb:flush` (`tree`, `bytesWritten`, `durationMs`), `flowdb:compaction` (also `bytesRead`);
 * `flowdb:stall-began`, `flowdb:stall-ended`; `flowdb:background-error` ({@link BackgroundFailure}), `flowdb:resumed`
 * (`work`); `flowdb:corruption` (`code`, `message`).
 */
export class Database {
  private constructor();
  /**
   * Checks every byte of a directory that nobody, this process included, has open for writing. Changes nothing. Damage
   * is in the report; rejects with `FLOWDB_LOCKED`, `FLOWDB_NOT_FOUND` and `FLOWDB_IO` where it cannot read.
   */
  static verify(directory: string | URL): Promise<VerifyReport>;
  /**
   * Saves what is readable of a damaged directory into a new one, `into`, which must be empty or not exist, and not lie
   * inside the old one. The old one stays as it is. Rejects with `FLOWDB_LOCKED`, `FLOWDB_NOT_FOUND`,
   * `FLOWDB_CORRUPTION` (nothing says what it was), `FLOWDB_UNSUPPORTED`, `FLOWDB_INVALID_ARGUMENT` and `FLOWDB_IO`.
   */
  static repair(directory: string | URL, into: string | URL): Promise<RepairReport>;
  /**
   * Removes a database: its files, and the directory if nothing else is in it. Rejects with `FLOWDB_LOCKED` while
   * anyone has it open, this process included, `FLOWDB_NOT_FOUND` if there is none, and `FLOWDB_IO`.
   */
  static destroy(directory: string | URL): Promise<void>;
  /** Key-value records, with expiry if you like. */
  readonly kv: Kv;
  /** Time series. */
  readonly series: Series;
  /** `series.put` if there is a `ts`, else `kv.put`. */
  put(key: Key, value: any, options: SeriesPutOptions & { ts: Timestamp; duplicates: 'first' }): Promise<boolean>;
  put(key: Key, value: any, options: SeriesPutOptions & { ts: Timestamp; duplicates?: 'last' | 'error' | undefined }): Promise<void>;
  put(key: Key, value: any, options: SeriesPutOptions & { ts: Timestamp }): Promise<boolean | undefined>;
  put(key: Key, value: any, options: PutOptions & { ifAbsent: true }): Promise<boolean>;
  put(key: Key, value: any, options?: PutOptions & { ts?: Timestamp; ifAbsent?: false | undefined }): Promise<void>;
  put(key: Key, value: any, options: PutOptions & { ifAbsent?: boolean | undefined }): Promise<boolean | undefined>;
  /** `series.get` if there is a `ts`, else `kv.get`. */
  get(key: Key, options: { ts?: Timestamp; valueEncoding: 'buffer' } & SnapshotOptions): Promise<Buffer | undefined>;
  get(key: Key, options: { ts?: Timestamp; valueEncoding: 'utf8' } & SnapshotOptions): Promise<string | undefined>;
  get<V = any>(key: Key, options?: { ts?: Timestamp } & ValueEncodingOptions & SnapshotOptions): Promise<V | undefined>;
  /** `series.getSync` if there is a `ts`, else `kv.getSync`. */
  getSync(key: Key, options: { ts?: Timestamp; valueEncoding: 'buffer' } & SnapshotOptions): Buffer | undefined;
  getSync(key: Key, options: { ts?: Timestamp; valueEncoding: 'utf8' } & SnapshotOptions): string | undefined;
  getSync<V = any>(key: Key, options?: { ts?: Timestamp } & ValueEncodingOptions & SnapshotOptions): V | undefined;
  /** `series.delete` if there is a `ts`, `from` or `to`, else `kv.delete`. */
  delete(key: Key, options?: ({ ts?: Timestamp } | { from?: Timestamp; to?: Timestamp }) & SyncOptions): Promise<void>;
  /** `series.scan` if there is a `from` or `to`, else `kv.scan`. */
  scan<V = any>(options: SeriesScanOptions & ({ from: Timestamp } | { to: Timestamp }) & { keyEncoding: 'buffer' }): Scan<Point<V, Buffer>>;
  scan<V = any>(options: SeriesScanOptions & ({ from: Timestamp } | { to: Timestamp })): Scan<Point<V>>;
  scan(options: ScanOptions & { values: false; keyEncoding: 'buffer' }): Scan<Buffer>;
  scan(options: ScanOptions & { values: false }): Scan<string>;
  scan<V = any>(options: ScanOptions & { keys: false }): Scan<V>;
  scan<V = any>(options: ScanOptions & { keyEncoding: 'buffer' }): Scan<Entry<V, Buffer>>;
  scan<V = any>(options?: ScanOptions): Scan<Entry<V>>;
  /** Writes that are applied atomically, in order. `sync: true` covers all of them. An empty array does nothing. */
  batch(operations: BatchOperation[], options?: SyncOptions): Promise<void>;
  /** Writes what is in memory to tables, IndexedDB included. Not needed for durability: the log has it. */
  flush(): Promise<void>;
  /**
   * Flushes, and rewrites everything until nothing superfluous is left but what snapshots hold. Takes long, and is not
   * needed, as it is done bit by bit anyway. `signal` ends it with `FLOWDB_ABORTED`, and closing this handle with
   * `FLOWDB_CLOSED`, within tens of milliseconds: what was rewritten by then counts, and nothing is lost. Reads and
   * writes go on meanwhile; but what they write is only flushed, not compacted, so a program that writes more than
   * about twenty write buffers (320 MiB by default) of `kv` or of series while a large database is rewritten has to
   * wait until it ends. Best called when little is written.
   */
  compact(options?: SignalOptions): Promise<void>;
  /**
   * Deletes all of `kv` and all series; IndexedDB stays. These are two changes: a crash in between, or a failure of
   * one, may leave the other's data, and a reader may see one done and the other not.
   */
  clear(options?: SyncOptions): Promise<void>;
  /**
   * The present state, for reads, with all writes made before this call. What it sees takes up space on disk until it
   * is closed.
   */
  snapshot(): Promise<Snapshot>;
  /**
   * A copy of the database as it is now, IndexedDB included, in a directory that is empty or does not exist: a backup
   * that opens as a database of its own. Reads and writes go on meanwhile. Files that are never written again are
   * hard-linked where the file system supports it, so it costs little. Rejects with `FLOWDB_INVALID_ARGUMENT` (there
   * are files; in memory), `FLOWDB_LOCKED`, `FLOWDB_NO_SPACE`, `FLOWDB_IO`, `FLOWDB_CLOSED`, `FLOWDB_POISONED`,
   * `FLOWDB_READ_ONLY`.
   */
  checkpoint(directory: string | URL): Promise<CheckpointReport>;
  /** Retries at once what fails in the background; rejects if it fails again. */
  resume(): Promise<void>;
  /** Statistics of the directory. */
  stats(): Promise<Stats>;
  /** The same as text for Prometheus. */
  metricsText(): Promise<string>;
  /**
   * Waits for calls in flight, then closes the handle. Later calls fail with `FLOWDB_CLOSED`, as do a `compact` in
   * flight, a `getOrSet` whose loader is still running and a `patch` that has not sent its write yet (nothing of it is
   * written); closing again returns the same promise. Snapshots of this handle and scans of it that have not come to
   * their end let go of what they hold, even if others keep the directory open; the data of a database in memory is
   * gone. What this handle wrote without syncing is synced when the last handle is closed.
   */
  close(): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * | code | what to do |
 * |---|---|
 * | `FLOWDB_INVALID_ARGUMENT` | fix the call: `argument` |
 * | `FLOWDB_TOO_LARGE` | key or value above the limit |
 * | `FLOWDB_CLOSED` | the database was closed |
 * | `FLOWDB_OVERLOADED` | await earlier writes, then write again |
 * | `FLOWDB_NO_SPACE` | the write was rejected; try again once there is space |
 * | `FLOWDB_READ_ONLY` | the database was opened with `readOnly` |
 * | `FLOWDB_CONFLICT` | another write is in the way: `duplicates: 'error'`, or a `patch` that lost again and again |
 * | `FLOWDB_ABORTED` | the `signal` of the call was aborted: `cause` |
 * | `FLOWDB_NOT_FOUND` | there is no such database |
 * | `FLOWDB_LOCKED` | another process, or another copy of flowdb, has the directory open: `holder`, unless all who have it open only read |
 * | `FLOWDB_POISONED` | an earlier write failed and its outcome is unknown: close and open again; reads go on |
 * | `FLOWDB_IO` | the operating system failed: see the message and `file` |
 * | `FLOWDB_CORRUPTION` | a file does not hold what was written: `file`, `offset`; restore from a backup |
 * | `FLOWDB_UNSUPPORTED` | written by a newer version, which can open it; nothing was touched |
 * | `FLOWDB_NO_BINARY` | at the first use: no native library for this platform, or one that does not load; install what `package` names, or see `cause` |
 */
export type FlowDBErrorCode =
  | 'FLOWDB_INVALID_ARGUMENT'
  | 'FLOWDB_TOO_LARGE'
  | 'FLOWDB_CLOSED'
  | 'FLOWDB_OVERLOADED'
  | 'FLOWDB_NO_SPACE'
  | 'FLOWDB_READ_ONLY'
  | 'FLOWDB_CONFLICT'
  | 'FLOWDB_ABORTED'
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
    details?: { argument?: string; file?: string; offset?: number; holder?: number; package?: string; cause?: unknown },
  );
  readonly code: FlowDBErrorCode;
  /** The argument or option that was refused, with the way to it: `ttl`, `operations[1].key`. */
  readonly argument?: string;
  /** The file concerned. */
  readonly file?: string;
  /** Where in the file, in bytes. */
  readonly offset?: number;
  /**
   * Process id of the process that has the directory open (`FLOWDB_LOCKED`). Undefined where it is not known, as where
   * that process has it open with `readOnly`. Of a process in a container it is the id inside that container.
   */
  readonly holder?: number;
  /** The npm package that was looked for (`FLOWDB_NO_BINARY`). */
  readonly package?: string;
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

/** A factory of databases. Two factories in memory share nothing; two on the same directory share everything. */
export type IDBFactory = Instance<Global<'IDBFactory', AnyConstructor>> & {
  /**
   * An extension: closes all connections, waits for their transactions, and gives the directory back. Afterwards
   * another process can open it, unless someone else in this one still has it open. Opens and deletions that are still
   * waiting fail with `AbortError`, later ones with `InvalidStateError`. Rejects with an error that has a `code` if the
   * directory could not be closed properly; what was committed is there all the same.
   */
  close(): Promise<void>;
};
export const IDBFactory: {
  /**
   * Without `path` a fresh, empty factory in memory, freed when it is unreachable; with it, a path or a `file:` URL,
   * what is in the directory, which is created if there is none, shared by all of the process that name the same one.
   * An unknown option, a `path` that is undefined, and what cannot be a directory's name are a `TypeError` with `code`
   * and `argument`: nothing that was meant for the disk goes to memory. The directory is opened in the background: a
   * failure is the `error` of the requests, an `UnknownError` whose `cause` is a {@link FlowDBError} with `code`,
   * `file` and `holder`.
   *
   * What a crash can cost depends on the `durability` of a transaction: `'strict'` is on stable storage before
   * `complete` is fired, as every version change is; `'relaxed'` and `'default'` are as the directory's
   * {@link SyncMode} says, which is `'os'` unless `open` was called with another.
   */
  new (options?: { path: string | URL }): IDBFactory;
  prototype: IDBFactory;
};

/**
 * Closes a connection as if it had been closed abnormally: its transactions are aborted, and it gets a `close` event.
 */
export function forceCloseDatabase(database: IDBDatabase): void;

/** A factory in memory, one for each thread, as `flowdb/auto` installs it. */
export const indexedDB: IDBFactory;
export default indexedDB;

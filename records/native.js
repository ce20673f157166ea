'use strict';

/**
 * The native side as the record API sees it, and the only place there that loads it. Requests and answers are packed as its modules say.
 *
 * @typedef {(operations: Buffer, length: number, sync: boolean) => number} TryWrite 0: done; negative: it would block; else the number of a sync under way
 * @typedef {(scratch: Buffer, offset: number, length: number, mayBlock: boolean) => number} Get the length of the answer, or why there is none
 *
 * @typedef {{
 *   writer(): TryWrite,
 *   writeLater(operations: Buffer, sync: boolean): number,
 *   takeOutcomes(): { number: number, error?: Error, isLast: boolean }[],
 *   changeLater(changes: Buffer): Promise<(Buffer | Error)[]>,
 *   syncChanges(sync: boolean): number,
 *   reader(): NativeReader,
 *   snapshot(): NativeReader,
 *   stats(): NativeStats,
 *   metricsText(): string,
 *   listen(onNotice: () => void): void,
 *   takeNotices(): Notice[],
 *   compaction(): { run(): Promise<'done' | 'more' | 'stopped'>, stop(): void },
 *   beginLoad(): number,
 *   isLoadCurrent(number: number, key: Buffer): boolean | null,
 *   isLoadCurrentLater(number: number, key: Buffer): Promise<boolean>,
 *   endLoad(number: number): void,
 *   resume(): Promise<void>,
 *   checkpoint(directory: string): Promise<import('../index.js').CheckpointReport>,
 *   flush(): Promise<void>,
 *   close(): Promise<void>,
 * }} NativeStore
 *
 * @typedef {Omit<import('../index.js').Stats, 'trees'> & { trees: (import('../index.js').TreeStats & { name: string })[] }} NativeStats
 *
 * @typedef {{
 *   getter(): Get,
 *   takeLong(): Buffer,
 *   getMany(requests: Buffer): Buffer | null,
 *   takeMoment(): NativeReader,
 *   getLater(requests: Buffer): Promise<Buffer>,
 *   scan(request: Buffer): NativeScan,
 *   newestOfEach(request: Buffer): NativeScan,
 *   aggregate(request: Buffer, step: number | undefined, field: string, isJson: boolean): NativeAggregation,
 *   close(): void,
 * }} NativeReader
 *
 * @typedef {{
 *   next(count: number, bytes: number): Buffer | null,
 *   nextLater(count: number, bytes: number): Promise<Buffer>,
 *   readAhead(count: number, bytes: number): void,
 *   countLater(count: number): Promise<Buffer>,
 *   close(): void,
 * }} NativeScan
 *
 * @typedef {{ nextLater(points: number): Promise<Buffer>, close(): void }} NativeAggregation
 *
 * @typedef {{ type: import('./diagnostics.js').Name } & Record<string, unknown>} Notice
 * @typedef {{ level: string, message: string, fields: Record<string, string | number> }} LogLine
 * @typedef {{ take(): LogLine[], close(): void }} LogListener
 *
 * @typedef {{
 *   RecordStore: { open(options: ReturnType<typeof import('./open_options.js').checkOpen>['native'], onOutcome: () => void): Promise<NativeStore> },
 *   LogListener: new (onLine: () => void, isVerbose: boolean) => LogListener,
 *   verifyDirectory(directory: string): Promise<import('../index.js').VerifyReport>,
 *   repairDirectory(directory: string, into: string): Promise<import('../index.js').RepairReport>,
 *   destroyDirectory(directory: string): Promise<void>,
 * }} NativeModule
 */

/**
 * Loaded when it is needed first: a missing library is what `open` rejects with, and can be caught there.
 *
 * @returns {NativeModule}
 */
function native() {
  return /** @type {NativeModule} */ (require('../binding.js'));
}

module.exports = { native };

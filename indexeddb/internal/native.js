'use strict';

/**
 * The native side as the facade sees it, and the only place that loads it.
 *
 * @typedef {{
 *   databases(): { name: string, version: number }[],
 *   openDatabase(name: string, version: number): number,
 *   deleteDatabase(name: string): number,
 *   withdrawRequests(): number[],
 *   versionChangeDelivered(request: number, connection: number): void,
 *   closeConnection(connection: number): void,
 *   beginTransaction(connection: number, stores: Uint32Array, readwrite: boolean): number,
 *   executor(): Execute,
 *   transactor(): Transact,
 *   takeResponses(): Uint8Array,
 *   executeAsync(transaction: number, request: Uint8Array): Promise<Uint8Array>,
 *   commit(transaction: number, strict: boolean): number,
 *   abort(transaction: number): void,
 *   drain(): NativeEvent[],
 *   hold(yes: boolean): void,
 *   dispose(): Promise<void>,
 * }} DocumentClient
 *
 * @typedef {(transaction: number, requests: Uint8Array, start: number, end: number, scratch: Uint8Array) => number} Execute
 * @typedef {(connection: number, store: number, flags: number, requests: Uint8Array, start: number, end: number, scratch: Uint8Array) => number} Transact
 *
 * @typedef {{ type: 'started', transaction: number }
 *   | { type: 'committed', transaction: number }
 *   | { type: 'commitFailed', transaction: number, name: string, message: string, code?: string, file?: string, offset?: number }
 *   | { type: 'versionchange', request: number, connection: number, oldVersion: number, newVersion: number }
 *   | { type: 'blocked', request: number, oldVersion: number, newVersion: number }
 *   | { type: 'upgrade', request: number, connection: number, transaction: number, oldVersion: number,
 *       newVersion: number, schema: Uint8Array }
 *   | { type: 'opened', request: number, connection: number, version: number, schema: Uint8Array }
 *   | { type: 'deleted', request: number, oldVersion: number }
 *   | { type: 'failed', request: number, name: string, message: string, code?: string, file?: string, offset?: number }} NativeEvent
 *
 * @typedef {{
 *   DocumentClient: {
 *     openMemory(wake: () => void): DocumentClient,
 *     open(path: string, wake: () => void): Promise<DocumentClient>,
 *   },
 *   extractKey(value: Uint8Array, keyPath: Uint8Array, multiEntry: boolean): Uint8Array,
 *   canInjectKey(value: Uint8Array, keyPath: Uint8Array): boolean,
 * }} NativeModule
 */

/** @type {NativeModule | undefined} */
let loaded;

/**
 * Loads it when it is needed first: a failure is then the error of a request. An ES module that imports a CommonJS module which
 * throws ends the process in Node 20, even where the import is in a `try`.
 *
 * @returns {NativeModule}
 */
function native() {
  loaded ??= /** @type {NativeModule} */ (require('../../binding.js'));
  return loaded;
}

module.exports = { native };

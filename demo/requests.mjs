// IndexedDB's events as promises; as much as the demo needs.

/**
 * @template T
 * @param {{ result: T, error: any, onsuccess: any, onerror: any }} request
 * @returns {Promise<T>}
 */
export function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {import('flowdb').IDBTransaction} transaction
 * @returns {Promise<void>} settles when the transaction has: rejects with its error, also when it was aborted
 */
export function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
}

/**
 * @param {import('flowdb').IDBFactory} factory
 * @param {string} name
 * @param {number} version
 * @param {(connection: import('flowdb').IDBDatabase) => void} upgrade
 * @returns {Promise<import('flowdb').IDBDatabase>}
 */
export function openDatabase(factory, name, version, upgrade) {
  const request = factory.open(name, version);
  request.onupgradeneeded = () => upgrade(request.result);
  return resultOf(request);
}

/**
 * Follows a cursor to its end, or until `visit` returns false.
 *
 * @param {import('flowdb').IDBRequest} request
 * @param {(cursor: import('flowdb').IDBCursorWithValue) => boolean | void} visit
 * @returns {Promise<void>}
 */
export function walk(request, visit) {
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor === null || visit(cursor) === false) resolve();
      else cursor.continue();
    };
  });
}

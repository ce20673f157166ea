'use strict';

/* global FileReader -- of jsdom; Node has none */

/**
 * What a Blob holds. Those of jsdom have no `arrayBuffer()`; their FileReader is on the global object beside them.
 * @param {Blob} blob
 * @returns {Promise<Uint8Array>}
 */
async function blobContent(blob) {
  const hasMethod = typeof blob.arrayBuffer === 'function';
  return new Uint8Array(hasMethod ? await blob.arrayBuffer() : await readBlob(blob));
}

/**
 * @param {Blob} blob
 * @returns {Promise<ArrayBuffer>}
 */
function readBlob(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(/** @type {ArrayBuffer} */ (reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(blob);
  });
}

module.exports = { blobContent };

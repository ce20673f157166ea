export * from './index.js';
export { indexedDB as default } from './index.js';

import { IDBObjectStore } from '../index.js';

export = IDBObjectStore;

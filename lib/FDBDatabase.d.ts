import { IDBDatabase } from '../index.js';

export = IDBDatabase;

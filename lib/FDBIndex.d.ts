import { IDBIndex } from '../index.js';

export = IDBIndex;

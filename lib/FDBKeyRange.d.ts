import { IDBKeyRange } from '../index.js';

export = IDBKeyRange;

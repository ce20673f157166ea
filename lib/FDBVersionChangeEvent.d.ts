import { IDBVersionChangeEvent } from '../index.js';

export = IDBVersionChangeEvent;

import { IDBRequest } from '../index.js';

export = IDBRequest;

import { IDBOpenDBRequest } from '../index.js';

export = IDBOpenDBRequest;

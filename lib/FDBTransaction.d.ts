import { IDBTransaction } from '../index.js';

export = IDBTransaction;

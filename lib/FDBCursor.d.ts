import { IDBCursor } from '../index.js';

export = IDBCursor;

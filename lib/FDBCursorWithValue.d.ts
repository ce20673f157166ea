import { IDBCursorWithValue } from '../index.js';

export = IDBCursorWithValue;

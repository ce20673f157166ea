import { IDBFactory } from '../index.js';

export = IDBFactory;

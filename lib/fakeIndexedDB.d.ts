import { indexedDB } from '../index.js';

export = indexedDB;

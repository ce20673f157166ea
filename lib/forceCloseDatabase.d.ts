import { forceCloseDatabase } from '../index.js';

export = forceCloseDatabase;

'use strict';

// The main process of an Electron app: one instance, one directory, IndexedDB and records in it, and windows that ask for them.
//
// To start it, in this folder, with Electron 29 or newer: `npm install --no-save electron flowdb`, then `npm start`. While flowdb is not on npm, install
// the two tarballs that the README says how to make instead.

const path = require('node:path');
const { app, BrowserWindow, ipcMain } = require('electron');
const { open } = require('flowdb');

/** @type {import('flowdb').Database} */
let db;
/** @type {Promise<void> | undefined} */
let closing;
let isClosed = false;

async function start() {
  await app.whenReady();
  db = await open(path.join(app.getPath('userData'), 'data'));
  // Only what the windows need, under names of its own: a window is not handed the database.
  ipcMain.handle('settings:get', (_event, name) => db.kv.get(`settings:${name}`));
  ipcMain.handle('settings:set', (_event, name, value) => db.kv.put(`settings:${name}`, value, { sync: true }));
  const window = new BrowserWindow({ webPreferences: { preload: path.join(__dirname, 'preload.js') } });
  await window.loadFile(path.join(__dirname, 'index.html'));
}

// Electron does not wait for promises when it quits: leave once the database is closed. Who asks again meanwhile waits for the same.
function quitOnceClosed(event) {
  if (!db || isClosed) return;
  event.preventDefault();
  closing ??= db.close().then(() => {
    isClosed = true;
    app.quit();
  }, (error) => {
    console.error(error);
    app.exit(1);
  });
}

// A second instance would be refused the directory (FLOWDB_LOCKED); it hands over to the first instead.
if (app.requestSingleInstanceLock()) {
  app.on('second-instance', () => BrowserWindow.getAllWindows()[0]?.focus());
  app.on('before-quit', quitOnceClosed);
  start().catch((error) => {
    console.error(error);
    app.exit(1);
  });
} else {
  app.quit();
}

'use strict';

const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('settings', {
  get: (name) => ipcRenderer.invoke('settings:get', name),
  set: (name, value) => ipcRenderer.invoke('settings:set', name, value),
});

'use strict';

(async () => {
  const { settings } = globalThis;
  const count = (await settings.get('starts') ?? 0) + 1;
  await settings.set('starts', count);
  globalThis.document.querySelector('#count').textContent = String(count);
})();

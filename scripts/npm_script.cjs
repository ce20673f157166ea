'use strict';

const { existsSync, realpathSync } = require('node:fs');
const path = require('node:path');

const SCRIPT = path.join('node_modules', 'npm', 'bin', 'npm-cli.js');

/**
 * Where npm's own script is, to be run by Node: on Windows npm is a `npm.cmd`, which cannot be started without a shell.
 *
 * @returns {string | undefined} that of the npm that runs this, else the one that came with Node, else the first in the PATH
 */
function npmScript() {
  const { npm_execpath: running = '', PATH = '' } = process.env;
  const ofNode = path.dirname(process.execPath);
  const candidates = [running, path.join(ofNode, SCRIPT), path.join(ofNode, '..', 'lib', SCRIPT),
    ...PATH.split(path.delimiter).flatMap((folder) => [path.join(folder, 'npm'), path.join(folder, SCRIPT)])];
  // Another package manager names itself in the same variable.
  const found = candidates.find((file) => existsSync(file) && path.basename(realpathSync(file)) === 'npm-cli.js');
  return found && realpathSync(found);
}

module.exports = { npmScript };

// Do the tests notice when the code is wrong? Breaks JavaScript files in one place at a time and runs tests against each.
//
//     node scripts/mutate.mjs indexeddb/internal/dispatch.js        every place in that file
//     node scripts/mutate.mjs --every 5 indexeddb indexeddb/internal common values  each fifth place in the files of these folders
//
// Prints the places whose change no test in __test__/indexeddb noticed; some of them change nothing that can be observed.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { Failure } from './failure.mjs';
import { ROOT } from './platform.mjs';
import { main } from './run.mjs';

const { SyntaxKind } = ts;
const TESTS = path.join('__test__', 'indexeddb');
/** What tests bytes of values and keys, much data, or a process that is killed is slow: it is asked last. */
const SLOW = ['keys.test.js', 'value_format.test.js', 'large.test.js', 'kill.test.js'];
/** Fewer random programs than by default; but a hundred killed processes take minutes. */
const seedsOf = (/** @type {string} */ test) => (path.basename(test) === 'kill.test.js' ? '1' : '100');
/** A broken queue may wait for ever, or never. */
const MILLISECONDS_MAX = 60_000;

/** @typedef {{ start: number, end: number, text: string, line: number }} Mutation */

const SWAPPED = new Map([
  [SyntaxKind.EqualsEqualsEqualsToken, '!=='], [SyntaxKind.ExclamationEqualsEqualsToken, '==='], [SyntaxKind.AmpersandAmpersandToken, '||'],
  [SyntaxKind.BarBarToken, '&&'], [SyntaxKind.LessThanToken, '<='], [SyntaxKind.LessThanEqualsToken, '<'], [SyntaxKind.GreaterThanToken, '>='],
  [SyntaxKind.GreaterThanEqualsToken, '>'], [SyntaxKind.PlusToken, '-'], [SyntaxKind.MinusToken, '+'], [SyntaxKind.PlusEqualsToken, '-='],
]);

/**
 * What a node becomes when it is broken, if it is one that we break.
 * @param {ts.Node} node
 */
function broken(node) {
  if (ts.isExpressionStatement(node) && !isDirective(node)) return ';';
  if (ts.isIfStatement(node)) return undefined; // its condition is
  if (node.parent !== undefined && ts.isIfStatement(node.parent) && node.parent.expression === node) return `!(${node.getText()})`;
  if (node.kind === SyntaxKind.TrueKeyword) return 'false';
  if (node.kind === SyntaxKind.FalseKeyword) return 'true';
  if (node.parent !== undefined && ts.isBinaryExpression(node.parent) && node.parent.operatorToken === node) return SWAPPED.get(node.kind);
  return undefined;
}

/** @param {ts.ExpressionStatement} statement */
function isDirective({ expression }) {
  return ts.isStringLiteral(expression) || /^(module\.)?exports\b|^super\(/.test(expression.getText());
}

/** @param {string} source */
function mutationsOf(source) {
  const file = ts.createSourceFile('file.js', source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  /** @type {Mutation[]} */
  const found = [];
  const visit = (/** @type {ts.Node} */ node) => {
    const text = broken(node);
    const start = node.getStart();
    if (text !== undefined) found.push({ start, end: node.getEnd(), text, line: file.getLineAndCharacterOfPosition(start).line + 1 });
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** A copy of what the tests need, for the files in it to be broken. */
function workspace() {
  const directory = mkdtempSync(path.join(tmpdir(), 'flowdb-mutate-'));
  for (const name of readdirSync(ROOT)) {
    if (/^(indexeddb|__test__|auto|lib|records|scripts|package\.json|binding\.js|index\.(m?js|d\.m?ts))$|\.node$/.test(name)) {
      cpSync(path.join(ROOT, name), path.join(directory, name), { recursive: true });
    }
  }
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(directory, 'node_modules'));
  return directory;
}

/**
 * @param {string} directory
 * @param {string} test
 * @returns {Promise<boolean>} whether it passed
 */
function passes(directory, test) {
  return new Promise((resolve, reject) => {
    const options = { cwd: directory, stdio: /** @type {const} */ ('ignore'), timeout: MILLISECONDS_MAX, killSignal: /** @type {const} */ ('SIGKILL') };
    const child = spawn(process.execPath, [test], { ...options, env: { ...process.env, FLOWDB_SEEDS: seedsOf(test) } });
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0));
  });
}

/**
 * @param {string} directory
 * @param {string[]} tests moves the one that noticed to the front: it will notice the neighbours, too
 * @returns {Promise<string | null>} which one
 */
async function noticed(directory, tests) {
  for (const [index, test] of tests.entries()) {
    if (await passes(directory, test)) continue;
    if (!SLOW.includes(path.basename(test))) tests.unshift(...tests.splice(index, 1));
    return test;
  }
  return null;
}

/** @param {string[]} args */
function parse(args) {
  const every = args[0] === '--every' ? Number(args.splice(0, 2)[1]) : 1;
  if (!(every >= 1) || args.length === 0) throw new Failure('usage: node scripts/mutate.mjs [--every <count>] <file or folder>...');
  const files = args.flatMap((name) => (statSync(path.join(ROOT, name)).isDirectory() ? filesIn(name) : [name]));
  return { every, files };
}

/** @param {string} folder */
function filesIn(folder) {
  return readdirSync(path.join(ROOT, folder)).filter((name) => name.endsWith('.js')).map((name) => path.join(folder, name));
}

await main(async () => {
  const { every, files } = parse(process.argv.slice(2));
  const directory = workspace();
  const tests = readdirSync(path.join(directory, TESTS)).filter((name) => name.endsWith('.test.js'))
    .sort((a, b) => Number(SLOW.includes(a)) - Number(SLOW.includes(b))).map((name) => path.join(TESTS, name));
  const total = { tried: 0, survived: 0 };
  try {
    const failing = await noticed(directory, tests);
    if (failing !== null) throw new Failure(`${failing} fails already without a change`);
    for (const file of files) {
      const source = readFileSync(path.join(ROOT, file), 'utf8');
      const before = { ...total };
      for (const { start, end, text, line } of mutationsOf(source).filter((_, index) => index % every === 0)) {
        writeFileSync(path.join(directory, file), source.slice(0, start) + text + source.slice(end));
        total.tried += 1;
        if ((await noticed(directory, tests)) !== null) continue;
        total.survived += 1;
        console.log(`${file}:${line}: ${source.slice(start, end).split('\n')[0]} -> ${text}`);
      }
      writeFileSync(path.join(directory, file), source);
      console.log(`${file}: ${total.survived - before.survived} of ${total.tried - before.tried} changes were not noticed`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  console.log(`in all: ${total.survived} of ${total.tried}`);
});

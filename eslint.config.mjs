// What the linter asks beyond its recommended set, and why. Layout is not its business.
import js from '@eslint/js';
import globals from 'globals';

const LIBRARY = ['index.{js,mjs}', 'binding.js', 'common/**/*.js', 'values/**/*.js', 'records/**/*.js', 'indexeddb/**/*.js', 'auto/**/*.{js,mjs}', 'lib/**/*.js'];

/** Test runners load the library where the global object is a browser's (jsdom): these are missing there, or are not Node's. */
const OF_NODE_ONLY = [
  'BroadcastChannel', 'CompressionStream', 'DecompressionStream', 'MessageChannel', 'MessagePort', 'ReadableStream', 'Request', 'Response',
  'TextDecoder', 'TextDecoderStream', 'TextEncoder', 'TextEncoderStream', 'TransformStream', 'WritableStream', 'clearImmediate',
  'clearInterval', 'clearTimeout', 'fetch', 'performance', 'queueMicrotask', 'setImmediate', 'setInterval', 'setTimeout', 'structuredClone',
];

export default [
  { ignores: ['target/', 'node_modules/', 'npm/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, globals: globals.nodeBuiltin },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-throw-literal': 'error',
      'no-unused-vars': ['error', { args: 'after-used', argsIgnorePattern: '^_', caughtErrors: 'none', ignoreRestSiblings: true }],
      'no-warning-comments': ['error', { terms: ['todo', 'xxx'], location: 'start' }],
      'array-callback-return': 'error',
      'object-shorthand': 'error',
    },
  },
  {
    files: ['**/*.js'],
    languageOptions: { sourceType: 'commonjs', globals: globals.node },
    rules: { strict: ['error', 'global'] },
  },
  {
    // The library prints nothing and never ends its host's process.
    files: LIBRARY,
    rules: { 'no-console': 'error', 'no-restricted-properties': [
      'error',
      { object: 'process', property: 'exit', message: 'A library does not end the process it lives in.' },
    ], 'no-restricted-globals': ['error', ...OF_NODE_ONLY] },
  },
  {
    // A setter that must not be reached is written as an arrow that fails; arrays with holes are among the values tested.
    files: ['__test__/**'],
    rules: { 'no-setter-return': 'off', 'no-sparse-arrays': 'off' },
  },
];

// Runs the fuzz targets one after the other: `npm run fuzz -- [seconds for each] [target...]`. What it finds stays in fuzz/artifacts, what it
// learns in fuzz/corpus. Needs cargo-fuzz (`cargo install cargo-fuzz`).

import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [first = '60', ...rest] = process.argv.slice(2)
const seconds = Number(first)
if (!Number.isInteger(seconds) || seconds < 1) {
  console.error(`seconds: a whole number is expected, not ${first}`)
  process.exit(2)
}
// A sanitizer is an unstable option of the compiler, which the stable one knows all the same.
const options = { cwd: root, env: { ...process.env, RUSTC_BOOTSTRAP: '1' } }

/** @returns {string[]} */
function allTargets() {
  return execFileSync('cargo', ['fuzz', 'list'], { ...options, encoding: 'utf8' }).split('\n').filter(Boolean)
}

for (const target of rest.length > 0 ? rest : allTargets()) {
  console.log(`fuzzing ${target} for ${seconds} s`)
  const limits = [`-max_total_time=${seconds}`, '-rss_limit_mb=2048', '-timeout=10', '-print_final_stats=1']
  const { status } = spawnSync('cargo', ['fuzz', 'run', target, '--', ...limits], { ...options, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

// Runs the fuzz targets one after the other: `npm run fuzz -- [seconds for each] [target...]`. What it finds stays in fuzz/artifacts, what it
// learns in fuzz/corpus. Needs cargo-fuzz (`cargo install cargo-fuzz`).
import { Failure } from './failure.mjs';
import { main, run } from './run.mjs';

/** @returns {Promise<string[]>} */
async function allTargets() {
  let text = '';
  await run('cargo', ['fuzz', 'list'], { quiet: true, onText: (more) => { text += more; } });
  return text.split('\n').filter(Boolean);
}

await main(async () => {
  const [first = '60', ...named] = process.argv.slice(2);
  const seconds = Number(first);
  if (!Number.isInteger(seconds) || seconds < 1) throw new Failure(`seconds: expected a whole number, got ${first}`);
  // A sanitizer is an unstable option of the compiler, which the stable one knows all the same.
  process.env.RUSTC_BOOTSTRAP = '1';
  for (const target of named.length > 0 ? named : await allTargets()) {
    console.log(`fuzzing ${target} for ${seconds} s`);
    const limits = [`-max_total_time=${seconds}`, '-rss_limit_mb=2048', '-timeout=10', '-print_final_stats=1'];
    await run('cargo', ['fuzz', 'run', target, '--', ...limits]);
  }
});

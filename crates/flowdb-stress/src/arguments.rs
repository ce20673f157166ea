//! What the command line asks for.

use flowdb_engine::{Compression, SyncMode};
use flowdb_store::StoreOptions;
use lexopt::prelude::{Long, Short, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Puts a flowdb store under load, and checks its answers.

usage: flowdb-stress [options]

  --dir DIR            where the data goes; must be empty or missing, and is kept.
                       Default: a directory of its own, removed at the end
  --scenario NAME      full: writes in sequence and by 1 to 16 threads, flush, queries, concurrent reads,
                       mixed work, compaction, queries again (default);
                       mixed: reads and writes of cache entries only
  --records N          size of the largest step; the others are in proportion. Default 50000
  --value-bytes N      size of the values of mixed work. Default 256
  --batch N            records for each commit of mixed work. Default 1
  --threads N          threads of mixed work. Default 4
  --mix PERCENT        share of writes in mixed work. Default in the full scenario: 20, then 50, then 80; else 50
  --seconds N          how long mixed work goes on. Default: until as many operations are done as --records says
  --sync MODE          always (default), interval:MS or os: when a commit counts as done
  --cache BYTES        block cache. Default 32 MiB
  --write-buffer BYTES memtable size. Default 4 MiB
  --compression NAME   lz4 (default) or none
  --seed N             begins the random numbers. Default 1
  --help

Exit code: 0 if every answer was right, 1 if one was wrong or an error came up, 2 if the options are not understood.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Full,
    Mixed,
}

#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) dir: Option<PathBuf>,
    pub(crate) scenario: Scenario,
    pub(crate) records: u64,
    pub(crate) value_bytes: usize,
    pub(crate) batch: u64,
    pub(crate) threads: u64,
    pub(crate) mix: Option<u64>,
    pub(crate) time: Option<Duration>,
    pub(crate) seed: u64,
    pub(crate) options: StoreOptions,
}

impl Default for Arguments {
    fn default() -> Self {
        let options = StoreOptions {
            sync: Some(SyncMode::Always),
            write_buffer_bytes: Some(4 << 20),
            ..StoreOptions::default()
        };
        Arguments {
            dir: None,
            scenario: Scenario::Full,
            records: 50_000,
            value_bytes: 256,
            batch: 1,
            threads: 4,
            mix: None,
            time: None,
            seed: 1,
            options,
        }
    }
}

impl Arguments {
    /// Reads the command line; `None` if help is asked for.
    pub(crate) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, lexopt::Error> {
        let mut parser = lexopt::Parser::from_iter(line);
        let mut arguments = Arguments::default();
        while let Some(argument) = parser.next()? {
            let name = match argument {
                Short('h') | Long("help") => return Ok(None),
                Long(name) => name.to_owned(),
                other => return Err(other.unexpected()),
            };
            arguments.set(&name, &mut parser)?;
        }
        arguments.options.validate().map_err(|error| error.message().to_owned())?;
        Ok(Some(arguments))
    }

    fn set(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        match name {
            "dir" => self.dir = Some(parser.value()?.into()),
            "scenario" => {
                self.scenario = match parser.value()?.string()?.as_str() {
                    "full" => Scenario::Full,
                    "mixed" => Scenario::Mixed,
                    other => return Err(format!("--scenario is {other}; it is full or mixed").into()),
                }
            }
            "records" => self.records = number(parser, name, 1, 1_000_000_000)?,
            "value-bytes" => {
                let bytes = number(parser, name, 0, 64 << 20)?;
                self.value_bytes = usize::try_from(bytes).map_err(|error| error.to_string())?;
            }
            "batch" => self.batch = number(parser, name, 1, 1_000_000)?,
            "threads" => self.threads = number(parser, name, 1, 256)?,
            "mix" => self.mix = Some(number(parser, name, 0, 100)?),
            "seconds" => self.time = Some(Duration::from_secs(number(parser, name, 1, 604_800)?)),
            "seed" => self.seed = number(parser, name, 0, u64::MAX)?,
            "sync" => self.options.sync = Some(sync(&parser.value()?.string()?)?),
            "cache" => self.options.cache_bytes = Some(number(parser, name, 0, 1 << 40)?),
            "write-buffer" => {
                let bytes = number(parser, name, 64 << 10, 1 << 30)?;
                self.options.write_buffer_bytes =
                    Some(usize::try_from(bytes).map_err(|error| error.to_string())?);
            }
            "compression" => {
                self.options.compression = Some(match parser.value()?.string()?.as_str() {
                    "lz4" => Compression::Lz4,
                    "none" => Compression::None,
                    other => return Err(format!("--compression is {other}; it is lz4 or none").into()),
                })
            }
            _ => return Err(format!("there is no option --{name}").into()),
        }
        Ok(())
    }
}

fn number(parser: &mut lexopt::Parser, name: &str, min: u64, max: u64) -> Result<u64, lexopt::Error> {
    let number: u64 = parser.value()?.parse()?;
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(format!("--{name} is {number}; allowed are {min} to {max}").into())
}

fn sync(text: &str) -> Result<SyncMode, String> {
    match text {
        "always" => Ok(SyncMode::Always),
        "os" => Ok(SyncMode::Os),
        _ => {
            let ms = text.strip_prefix("interval:").and_then(|ms| ms.parse().ok());
            ms.map(|ms| SyncMode::Interval(Duration::from_millis(ms)))
                .ok_or_else(|| format!("--sync is {text}; it is always, interval:MS or os"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Arguments>, lexopt::Error> {
        Arguments::parse(std::iter::once("flowdb-stress").chain(line.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn options_are_read() {
        let read =
            parse("--dir d --sync interval:9 --cache 0 --mix=80 --seconds 2 --compression none").unwrap();
        let read = read.unwrap();
        assert_eq!(read.dir, Some(PathBuf::from("d")));
        assert_eq!(read.options.sync, Some(SyncMode::Interval(Duration::from_millis(9))));
        assert_eq!((read.options.cache_bytes, read.options.compression), (Some(0), Some(Compression::None)));
        assert_eq!((read.mix, read.time, read.records), (Some(80), Some(Duration::from_secs(2)), 50_000));
        assert!(parse("--records 5 --help").unwrap().is_none());
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (line, name) in [
            ("--mix 101", "--mix"),
            ("--sync sometimes", "--sync"),
            ("--sync interval:0", "sync.intervalMs"),
            ("--scenario all", "--scenario"),
            ("--threads", "--threads"),
            ("--nothing 1", "--nothing"),
            ("stray", "stray"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(name), "{line}: {message}");
        }
    }
}

//! How long records live.

use flowdb_engine::format::NEVER;
use flowdb_engine::{Error, Result};

/// Longest time to live, in milliseconds: 1000 years. More is a mistake in the unit.
pub const TTL_MS_MAX: u64 = 1_000 * 365 * 24 * 60 * 60 * 1_000;

/// Time to live of a record: of a cache entry from its write on, of a point from its timestamp on.
///
/// A record's own comes first, then that of its batch, then the store's default for the shape; without any of
/// them a record never expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// It never expires, whatever batch and store say.
    Never,
    /// Milliseconds, from 1 to [`TTL_MS_MAX`].
    Milliseconds(u64),
    /// Up to this moment, microseconds since the epoch, wherever it begins; one in the past hides the former
    /// record. Not for defaults.
    Until(i64),
}

impl Ttl {
    /// Refuses what is out of range; `name` is the setting or argument that the message names.
    pub fn check(self, name: &str) -> Result<()> {
        match self {
            Ttl::Milliseconds(ms) if !(1..=TTL_MS_MAX).contains(&ms) => {
                Err(Error::invalid(format!("{name} is {ms} ms; allowed are 1 to {TTL_MS_MAX}, or never")))
            }
            _ => Ok(()),
        }
    }

    /// The same for a default, by which records of different moments live.
    pub(crate) fn check_default(self, name: &str) -> Result<()> {
        match self {
            Ttl::Until(_) => Err(Error::invalid(format!("{name} is a moment; expected is a length of time"))),
            ttl => ttl.check(name),
        }
    }

    /// When it ends if it counts from `start`, both in microseconds since the epoch.
    pub fn expiry_from(self, start: i64) -> i64 {
        match self {
            Ttl::Never => NEVER,
            Ttl::Until(expiry) => expiry,
            // What lies behind the end of time is never.
            Ttl::Milliseconds(ms) => {
                i64::try_from(ms.saturating_mul(1_000)).map_or(NEVER, |ttl| start.saturating_add(ttl))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_checked() {
        for ttl in [Ttl::Never, Ttl::Milliseconds(1), Ttl::Milliseconds(TTL_MS_MAX)] {
            ttl.check("ttl").unwrap();
        }
        for ms in [0, TTL_MS_MAX + 1, u64::MAX] {
            let error = Ttl::Milliseconds(ms).check("kvTtlMs").unwrap_err();
            assert!(error.message().starts_with("kvTtlMs is "), "{error}");
        }
    }

    #[test]
    fn an_expiry_counts_from_its_start_and_stays_in_range() {
        assert_eq!(Ttl::Milliseconds(2).expiry_from(-5_000), -3_000);
        assert_eq!(Ttl::Milliseconds(TTL_MS_MAX).expiry_from(i64::MAX - 1), NEVER);
        assert_eq!(Ttl::Never.expiry_from(0), NEVER);
        assert_eq!(Ttl::Until(-7).expiry_from(1_000), -7);
    }

    #[test]
    fn a_moment_is_no_default() {
        Ttl::Until(5).check("ttl").unwrap();
        assert!(Ttl::Until(5).check_default("kvTtlMs").is_err());
        assert!(Ttl::Milliseconds(0).check_default("kvTtlMs").is_err());
        Ttl::Never.check_default("kvTtlMs").unwrap();
    }
}

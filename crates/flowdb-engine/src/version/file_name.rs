//! Names of the files in a database directory.

/// Which files are live.
pub(crate) const MANIFEST: &str = "MANIFEST";
/// A manifest being rewritten.
pub(crate) const MANIFEST_NEW: &str = "MANIFEST.new";
/// The operating system's lock is held on it while the database is open.
pub(crate) const LOCK: &str = "LOCK";
/// Process id of the last opener; only for messages.
pub(crate) const LOCK_HOLDER: &str = "LOCK.holder";

/// A numbered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberedFile {
    Log(u64),
    Table(u64),
    Value(u64),
}

/// Name of the log segment `id`.
pub(crate) fn log_name(id: u64) -> String {
    format!("{id:010}.log")
}

/// Name of the table `id`.
pub(crate) fn table_name(id: u64) -> String {
    format!("{id:010}.table")
}

/// Name of the value file `id`.
pub(crate) fn value_file_name(id: u64) -> String {
    format!("{id:010}.value")
}

/// The numbered file that has exactly this name; `None` for any other name, which is to be left alone.
pub(crate) fn parse_name(name: &str) -> Option<NumberedFile> {
    let (number, extension) = name.split_once('.')?;
    let id = number.parse().ok()?;
    let (file, canonical) = match extension {
        "log" => (NumberedFile::Log(id), log_name(id)),
        "table" => (NumberedFile::Table(id), table_name(id)),
        "value" => (NumberedFile::Value(id), value_file_name(id)),
        _ => return None,
    };
    (canonical == name).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_we_would_give_are_ours() {
        assert_eq!(log_name(7), "0000000007.log");
        assert_eq!(parse_name("0000000007.log"), Some(NumberedFile::Log(7)));
        for id in [1, 9_999_999_999, 10_000_000_000, u64::MAX] {
            assert_eq!(parse_name(&table_name(id)), Some(NumberedFile::Table(id)));
            assert_eq!(parse_name(&value_file_name(id)), Some(NumberedFile::Value(id)));
        }
        for name in [
            "7.log",
            "00000000007.log",
            "+000000007.log",
            "0000000007.LOG",
            "0000000007.log.bak",
            "log",
            MANIFEST,
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
        assert_eq!(parse_name("99999999999999999999.log"), None);
    }
}

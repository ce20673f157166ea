//! What the operating system knows about this process and about a directory. Linux.

use crate::engine::Result;
use std::path::Path;

const MIB: f64 = 1_048_576.0;

/// The most memory this process ever had, in MiB.
pub(crate) fn peak_memory_mib() -> Result<f64> {
    let kib = number_after(&std::fs::read_to_string("/proc/self/status")?, "VmHWM:")?;
    Ok(kib * 1024.0 / MIB)
}

/// Bytes that this process has caused to be written to the storage so far.
pub(crate) fn written_bytes() -> Result<f64> {
    number_after(&std::fs::read_to_string("/proc/self/io")?, "write_bytes:")
}

fn number_after(text: &str, label: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or_else(|| format!("/proc has no {label}"))?.parse()?)
}

/// Space that the files of a directory take on the disk, in MiB.
pub(crate) fn disk_mib(dir: &Path) -> Result<f64> {
    Ok(blocks(dir)? as f64 * 512.0 / MIB)
}

fn blocks(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { blocks(&entry.path())? } else { metadata.blocks() };
    }
    Ok(sum)
}

/// Has everything written so far taken to the disk, so that no run pays for the one before.
pub(crate) fn settle() {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::sync() }
}

/// Ends the process as a kill would: nothing is closed, no destructor runs.
pub(crate) fn die() -> ! {
    // SAFETY: never returns; no state of this process is used afterwards.
    unsafe { libc::_exit(0) }
}

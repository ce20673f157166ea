//! What stores in memory take, told to V8: it sees only the small JavaScript side of them, and would collect
//! forgotten ones late.

use napi::Env;
use std::sync::atomic::{AtomicI64, Ordering};

/// Smaller changes are not worth a call.
const TOLD_BYTES_MIN: u64 = 256 << 10;

/// What V8 was told of one store.
#[derive(Debug, Default)]
pub(crate) struct ExternalMemory {
    told_bytes: AtomicI64,
}

impl ExternalMemory {
    /// The store takes `bytes` now; 0 takes back what was told. On the JS thread.
    pub(crate) fn tell(&self, env: &Env, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let difference = bytes - self.told_bytes.load(Ordering::Relaxed);
        if bytes != 0 && difference.unsigned_abs() < TOLD_BYTES_MIN {
            return;
        }
        if difference != 0 && env.adjust_external_memory(difference).is_ok() {
            self.told_bytes.store(bytes, Ordering::Relaxed);
        }
    }
}

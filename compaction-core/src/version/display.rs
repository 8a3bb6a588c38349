//! A tree in text: one line a run, newest first, for logs and failing tests.

use super::Version;
use core::fmt;

impl<K: fmt::Debug> fmt::Display for Version<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, run) in self.runs.iter().enumerate().rev() {
            write!(f, "L{} run {at}, {} B:", run.level(), run.bytes())?;
            for table in self.run_tables(at) {
                write!(f, " {}[{:?}..{:?}]={}", table.id, table.min, table.max, table.bytes)?;
            }
            writeln!(f, "{}", if self.is_busy(at) { " busy" } else { "" })?;
        }
        Ok(())
    }
}

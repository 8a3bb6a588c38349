//! Options checked as a whole.

use crate::error::{Error, Result};
use crate::options::{Options, SyncPolicy};
use crate::strategy;

impl Options {
    pub(super) fn check(&self) -> Result<()> {
        let within = |name, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let why = format!("must be {min} to {max}").into();
            Err(Error::BadOptions { name, value: value.to_string(), why })
        };
        within("memtable_bytes", self.memtable_bytes, 1 << 10, 1 << 40)?;
        within("log_segment_bytes", self.log_segment_bytes, 0, 1 << 40)?;
        within("frozen_memtables_max", self.frozen_memtables_max as u64, 1, 1 << 10)?;
        within("table_bytes", self.table_bytes, 1 << 10, 1 << 40)?;
        within("open_files_max", self.open_files_max as u64, 1, 1 << 20)?;
        within("block_bytes", self.block_bytes as u64, 128, 1 << 20)?;
        within("filter_bits", u64::from(self.filter_bits), 0, 32)?;
        within("workers", self.workers as u64, 1, 256)?;
        if self.mapped_reads && self.direct_reads {
            let why = "what is read past the system's cache cannot be mapped: not together with direct_reads".into();
            return Err(Error::BadOptions { name: "mapped_reads", value: "true".into(), why });
        }
        if let Some(bytes) = self.debt_bytes_max {
            within("debt_bytes_max", bytes, 1, u64::MAX)?;
        }
        if let SyncPolicy::Interval(interval) = self.sync {
            let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
            within("sync interval in milliseconds", millis, 1, 3_600_000)?;
        }
        if let Some(settings) = &self.strategy {
            strategy::start(settings)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn writers_are_slowed_by_as_many_memtables_of_debt_however_small_these_are() {
        assert_eq!(Options::new().memtable_bytes(64 << 10).debt_limit(), 4 << 20);
        assert_eq!(Options::new().memtable_bytes(64 << 10).debt_bytes_max(9).debt_limit(), 9);
    }

    #[test]
    fn a_senseless_option_is_named_before_anything_is_touched() {
        let name = |options: Options| match options.check() {
            Err(Error::BadOptions { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(Options::new().memtable_bytes(0)), "memtable_bytes");
        assert_eq!(name(Options::new().frozen_memtables_max(0)), "frozen_memtables_max");
        assert_eq!(name(Options::new().workers(0)), "workers");
        assert_eq!(name(Options::new().direct_reads(true).mapped_reads(true)), "mapped_reads");
        assert_eq!(name(Options::new().sync(SyncPolicy::Interval(Duration::ZERO))), "sync interval in milliseconds");
        assert!(Options::new().check().is_ok());
    }
}

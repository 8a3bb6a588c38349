//! One number for all decisions: FNV-1a over 32-bit words.

use compaction_core::{Choice, Decision, Job, Place, Version, Work};

use crate::Key;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

pub struct Checksum(u64);

impl Checksum {
    pub const fn new() -> Self {
        Self(OFFSET)
    }

    pub fn value(&self) -> u64 {
        self.0
    }

    pub fn word(&mut self, word: u32) {
        self.0 = (self.0 ^ u64::from(word)).wrapping_mul(PRIME);
    }

    pub fn number(&mut self, number: u64) {
        self.word(number as u32);
        self.word((number >> 32) as u32);
    }

    /// Takes in all that a decision says.
    #[inline(never)]
    pub fn decision(&mut self, version: &Version<'_, Key>, decision: &Decision, debt_bytes: u64) {
        for byte in decision.reason.rule.name().bytes() {
            self.word(u32::from(byte));
        }
        self.number(decision.reason.bytes);
        self.number(decision.reason.bytes_max);
        self.number(debt_bytes);
        match decision.choice {
            Choice::Wait { until_ms } => self.number(until_ms.unwrap_or(u64::MAX)),
            Choice::Merge(job) | Choice::Move(job) | Choice::Drop(job) => self.job(version, &job),
        }
    }

    fn job(&mut self, version: &Version<'_, Key>, job: &Job) {
        self.word(match job.work() {
            Work::Merge => 1,
            Work::Move => 2,
            Work::Drop => 3,
        });
        self.word(u32::from(job.level()));
        self.word(u32::from(job.bottommost()));
        self.word(u32::from(job.place() == Place::Join));
        self.number(job.table_bytes_max());
        for span in version.inputs(job) {
            self.word(span.run as u32);
            for table in version.tables().get(span.range()).unwrap_or(&[]) {
                self.number(table.id);
            }
        }
    }
}

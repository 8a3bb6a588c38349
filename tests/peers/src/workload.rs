//! What is done to an engine.

use clap::ValueEnum;

/// The workloads, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// New keys in order.
    FillSeq,
    /// New keys in no order.
    FillRandom,
    /// New keys in no order, many at a time.
    Batch,
    /// New keys in no order, each durable when its call returns.
    SyncWrite,
    /// Keys that are there, all alike.
    Overwrite,
    /// Keys that are there, by Zipf's law.
    OverwriteZipf,
    /// Reads that find.
    ReadRandom,
    /// Reads that find, in the order of the keys.
    ReadSeq,
    /// Reads that find nothing.
    ReadMissing,
    /// All pairs in order.
    ScanFull,
    /// Fifty pairs from somewhere on.
    ScanShort,
    /// Half reads, half updates.
    YcsbA,
    /// 95 % reads, 5 % updates.
    YcsbB,
    /// Reads alone.
    YcsbC,
    /// 95 % reads of what is newest, 5 % inserts.
    YcsbD,
    /// 95 % scans of up to a hundred pairs, 5 % inserts.
    YcsbE,
    /// Half reads, half a read and an update of the same key.
    YcsbF,
    /// Writes, reads, scans, and writes again.
    Shift,
}

/// Which key an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// All alike.
    Uniform,
    /// One after the other.
    InOrder,
    /// By Zipf's law, the ranks scattered over the keys.
    Zipf,
    /// By Zipf's law, the newest first.
    Latest,
}

/// Shares of operations in hundredths. What is left of 100 reads a key and updates it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    pub insert: u64,
    pub update: u64,
    pub read: u64,
    pub miss: u64,
    pub scan: u64,
}

/// A stretch of operations of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    pub mix: Mix,
    pub skew: Skew,
    /// Operations for a hundred keys.
    pub percent: u64,
    /// A scan shows up to so many pairs; 0 means all there are.
    pub scan_pairs: u64,
    /// Pairs a call.
    pub batch: usize,
}

impl Workload {
    /// Whether the keys are written before anything is timed.
    pub fn is_loaded(self) -> bool {
        !matches!(self, Self::FillSeq | Self::FillRandom | Self::Batch | Self::SyncWrite)
    }

    /// Whether new keys come in order.
    pub fn is_in_order(self) -> bool {
        self == Self::FillSeq
    }

    /// The stretches of it, one after the other. `batch` pairs a call are written where there are several.
    pub fn phases(self, batch: usize) -> Vec<Phase> {
        let phase = |mix, skew| Phase { mix, skew, percent: 100, scan_pairs: 50, batch: 1 };
        let none = Mix::default();
        let insert = Mix { insert: 100, ..none };
        let update = Mix { update: 100, ..none };
        let zipf = |mix| vec![phase(mix, Skew::Zipf)];
        match self {
            Self::FillSeq | Self::FillRandom => vec![phase(insert, Skew::Uniform)],
            Self::SyncWrite => vec![Phase { percent: 2, ..phase(insert, Skew::Uniform) }],
            Self::Batch => vec![Phase { batch, ..phase(insert, Skew::Uniform) }],
            Self::Overwrite => vec![phase(update, Skew::Uniform)],
            Self::OverwriteZipf => zipf(update),
            Self::ReadRandom => vec![phase(Mix { read: 100, ..none }, Skew::Uniform)],
            Self::ReadSeq => vec![phase(Mix { read: 100, ..none }, Skew::InOrder)],
            Self::ReadMissing => vec![phase(Mix { miss: 100, ..none }, Skew::Uniform)],
            Self::ScanFull => vec![Phase { scan_pairs: 0, ..phase(Mix { scan: 100, ..none }, Skew::Uniform) }],
            Self::ScanShort => vec![Phase { percent: 10, ..phase(Mix { scan: 100, ..none }, Skew::Uniform) }],
            Self::YcsbA => zipf(Mix { read: 50, update: 50, ..none }),
            Self::YcsbB => zipf(Mix { read: 95, update: 5, ..none }),
            Self::YcsbC => zipf(Mix { read: 100, ..none }),
            Self::YcsbD => vec![phase(Mix { read: 95, insert: 5, ..none }, Skew::Latest)],
            Self::YcsbE => {
                let mix = Mix { scan: 95, insert: 5, ..none };
                vec![Phase { percent: 20, scan_pairs: 100, ..phase(mix, Skew::Zipf) }]
            }
            Self::YcsbF => zipf(Mix { read: 50, ..none }),
            Self::Shift => {
                let writes = Phase { percent: 25, ..phase(Mix { update: 90, read: 10, ..none }, Skew::Zipf) };
                let reads = Phase { percent: 25, ..phase(Mix { update: 5, read: 95, ..none }, Skew::Zipf) };
                let scans = Phase { percent: 5, ..phase(Mix { update: 5, scan: 95, ..none }, Skew::Zipf) };
                vec![writes, reads, scans, writes]
            }
        }
    }
}

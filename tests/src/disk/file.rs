//! One file: what was written to it, and what of that is durable.

use compaction_core::sim::SplitMix;

use super::Left;

/// The unit in which a device writes: the whole of it or nothing, in any order.
pub const SECTOR_BYTES: usize = lsm_std::fs::SECTOR_BYTES as usize;

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// What readers find.
    pub live: Vec<u8>,
    /// How many names it has.
    pub names: u32,
    /// What a power cut leaves whatever happens.
    durable: Vec<u8>,
    /// What was done to it since the last sync, in order.
    steps: Vec<Step>,
    /// A sync has failed: readers find what is not on disk.
    is_lost: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

impl Step {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => write(image, *at, bytes),
            Self::Cut(len) => image.truncate(*len),
        }
    }
}

fn write(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}

impl File {
    /// Writes at `at`, not durably.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        write(&mut self.live, at, bytes);
        self.steps.push(Step::Write { at, bytes: bytes.to_vec() });
    }

    /// The same through memory shared with the system: what lies within one sector in pieces in any order, of which the disk may see
    /// some, the first byte last; so does what reaches into the next one, not up to its end, if the `head` lies in the first; all else
    /// at once.
    pub fn write_mapped(&mut self, at: usize, bytes: &[u8], head: usize, rng: &mut SplitMix) {
        let rest = bytes.len().saturating_sub(1);
        let (first, last, end) = (at / SECTOR_BYTES, (at + rest) / SECTOR_BYTES, at + bytes.len());
        let is_headed = last == first + 1 && (at + head).div_ceil(SECTOR_BYTES) == last && end % SECTOR_BYTES > 0;
        if bytes.is_empty() || first != last && !is_headed {
            return self.write(at, bytes);
        }
        let split = 1 + rng.below(rest as u64 + 1) as usize;
        let mut pieces = [1..split, split..bytes.len()];
        if rng.below(2) == 0 {
            pieces.reverse();
        }
        for piece in pieces.into_iter().chain(std::iter::once(0..1)).filter(|piece| !piece.is_empty()) {
            self.write(at + piece.start, &bytes[piece]);
        }
    }

    /// Cuts the file to `len` bytes, not durably.
    pub fn cut(&mut self, len: usize) {
        self.live.truncate(len);
        self.steps.push(Step::Cut(len));
    }

    /// Makes all steps durable, and the length as readers see it: that is one number, also if a failed sync has lost what made it so.
    pub fn sync(&mut self) {
        for step in self.steps.drain(..) {
            step.apply(&mut self.durable);
        }
        self.durable.resize(self.live.len(), 0);
    }

    /// Bytes of the last step, if it was a write that is not durable.
    pub fn last_write(&self) -> Option<usize> {
        match self.steps.last()? {
            Step::Write { bytes, .. } => Some(bytes.len()),
            Step::Cut(_) => None,
        }
    }

    /// Steps that are not durable, and sectors.
    pub fn writes(&self) -> (usize, usize) {
        (self.steps.len(), self.live.len().div_ceil(SECTOR_BYTES))
    }

    /// A sync has failed: some of the steps have reached the disk, the others never will. Readers go on finding what was
    /// written, or, if `evict`, what is on disk.
    pub fn lose(&mut self, rng: &mut SplitMix, evict: bool) {
        self.durable = self.left(Left::Random, false, rng);
        self.steps.clear();
        self.is_lost = true;
        if evict {
            self.evict();
        }
    }

    /// After a sync that failed: from now on readers find what is on disk, and what was written since.
    fn evict(&mut self) {
        if std::mem::take(&mut self.is_lost) {
            self.live = self.up_to(self.steps.len(), 0);
        }
    }

    /// A new process starts: what a failed sync has lost may be found still, or no more.
    pub fn boot(&mut self, rng: &mut SplitMix) {
        if self.is_lost && rng.below(2) == 0 {
            self.evict();
        }
    }

    /// The power has gone. `is_last`: the last write before that was to this file.
    pub fn survive(&mut self, left: Left, is_last: bool, rng: &mut SplitMix) {
        if !self.steps.is_empty() {
            self.durable = self.left(left, is_last, rng);
            self.steps.clear();
        }
        self.is_lost = false;
        self.live.clone_from(&self.durable);
    }

    /// Flips a bit on disk, seen by readers too.
    pub fn flip(&mut self, bit: usize) {
        for bytes in [&mut self.live, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn left(&self, left: Left, is_last: bool, rng: &mut SplitMix) -> Vec<u8> {
        let all = self.steps.len();
        match left {
            Left::Nothing => self.durable.clone(),
            Left::Torn(bytes) if is_last => self.up_to(all.saturating_sub(1), bytes),
            Left::Late { sector, writes } if is_last => {
                let len = self.up_to(all, 0).len();
                self.mixed(len, |at| if at == sector { writes.min(all) } else { all })
            }
            Left::Everything | Left::Torn(_) | Left::Late { .. } => self.up_to(all, 0),
            Left::Alternating => {
                let len = self.up_to(all, 0).len();
                self.mixed(len, |sector| if sector % 2 == 1 { all } else { 0 })
            }
            Left::Random => self.random(rng),
        }
    }

    fn random(&self, rng: &mut SplitMix) -> Vec<u8> {
        let all = self.steps.len();
        match rng.below(10) {
            0 => self.durable.clone(),
            1 => self.up_to(all, 0),
            // The last steps in order, the very last torn at any byte.
            way @ 2..=4 => {
                let whole = if way == 2 { rng.below(all as u64 + 1) as usize } else { all.saturating_sub(1) };
                let torn = match self.steps.get(whole) {
                    Some(Step::Write { bytes, .. }) => rng.below(bytes.len() as u64 + 1) as usize,
                    _ => 0,
                };
                self.up_to(whole, torn)
            }
            // The length without the bytes.
            5 => {
                let len = self.up_to(all, 0).len();
                self.mixed(len, |_| 0)
            }
            // Each sector, or one of them, as it was at some moment, and so the length.
            way => {
                let sectors = self.live.len().max(self.durable.len()) / SECTOR_BYTES + 1;
                let mut times: Vec<_> = (0..sectors).map(|_| rng.below(all as u64 + 1) as usize).collect();
                if way >= 8 {
                    let late = rng.below(sectors as u64) as usize;
                    times.iter_mut().enumerate().filter(|(at, _)| *at != late).for_each(|(_, time)| *time = all);
                }
                let (short, long) = (self.durable.len(), self.live.len());
                let len = match rng.below(3) {
                    0 => long,
                    1 => self.up_to(rng.below(all as u64 + 1) as usize, 0).len(),
                    _ => short.min(long) + rng.below(short.abs_diff(long) as u64 + 1) as usize,
                };
                self.mixed(len, |sector| times.get(sector).copied().unwrap_or(0))
            }
        }
    }

    /// The file after its first `whole` steps, and after the first `torn` bytes of the next one, if that is a write.
    fn up_to(&self, whole: usize, torn: usize) -> Vec<u8> {
        let mut image = self.durable.clone();
        self.steps.iter().take(whole).for_each(|step| step.apply(&mut image));
        if let Some(Step::Write { at, bytes }) = self.steps.get(whole) {
            let torn = torn.min(bytes.len());
            if torn > 0 {
                write(&mut image, *at, &bytes[..torn]);
            }
        }
        image
    }

    /// `len` bytes, each sector of them as it was after so many steps as `time` says. What was not there then is zeros.
    fn mixed(&self, len: usize, time: impl Fn(usize) -> usize) -> Vec<u8> {
        let mut mixed = vec![0; len];
        let mut image = self.durable.clone();
        for done in 0..=self.steps.len() {
            for sector in (0..len.div_ceil(SECTOR_BYTES)).filter(|sector| time(*sector) == done) {
                let start = sector * SECTOR_BYTES;
                let end = (start + SECTOR_BYTES).min(len).min(image.len());
                if start < end {
                    mixed[start..end].copy_from_slice(&image[start..end]);
                }
            }
            if let Some(step) = self.steps.get(done) {
                step.apply(&mut image);
            }
        }
        mixed
    }
}

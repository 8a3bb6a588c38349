//! Layouts of a slot: how many runs it keeps, and which of them it merges when a new one comes.
//!
//! Sizes are seen in units of the slot's base, the bytes of a piece as flushes bring it. The oldest piece, the bottom, stands
//! apart; the others belong to classes by their size, each class `ratio` times as large as the one before. A class that holds
//! more pieces than its layout allows is emptied whole, with all that is newer, into the next. A leveled bottom is merged when all
//! pieces above it together have reached a share of it, a tiered one when room is short. A pile merges nothing until room or
//! reads ask for it, then everything at once: what is never read is written once more for each time that it has been replaced.
//!
//! Sources: Dayan and Idreos, "Dostoevsky", SIGMOD 2018 (between tiering and leveling); O'Neil et al., "The LSM-tree", 1996,
//! theorem 3.1 (equal ratios between neighbours).

use crate::config::ConfigError;

/// How the pieces of a slot are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// One run: whatever comes is merged into it. Stored name `one`.
    One,
    /// So many classes of one run each above the bottom, all ratios equal. Stored names `leveled1` to `leveled3`.
    Leveled(u8),
    /// Classes of up to so many runs less one; the bottom is merged when room is short. Stored names `tiered2`, `tiered3`,
    /// `tiered4` and `tiered8`.
    Tiered(u8),
    /// Whatever comes lies there until room is short, reads pay for a merge, or the slot has more runs than any may have. Stored
    /// name `pile`.
    Pile,
}

impl Layout {
    /// All of them, those with fewest runs first.
    pub const ALL: [Self; 9] = [
        Self::One,
        Self::Leveled(1),
        Self::Leveled(2),
        Self::Leveled(3),
        Self::Tiered(2),
        Self::Tiered(3),
        Self::Tiered(4),
        Self::Tiered(8),
        Self::Pile,
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Leveled(1) => "leveled1",
            Self::Leveled(2) => "leveled2",
            Self::Leveled(_) => "leveled3",
            Self::Tiered(2) => "tiered2",
            Self::Tiered(3) => "tiered3",
            Self::Tiered(4) => "tiered4",
            Self::Tiered(_) => "tiered8",
            Self::Pile => "pile",
        }
    }

    /// The one with this stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// Refuses what is not one of [`ALL`](Self::ALL).
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Leveled(classes) => ConfigError::within("layout leveled", classes.into(), 1, 3),
            Self::Tiered(width) if width != 8 => ConfigError::within("layout tiered", width.into(), 2, 4),
            Self::One | Self::Tiered(_) | Self::Pile => Ok(()),
        }
    }
}

/// What merges of a pile that has too many runs have made is merged again with what is newer when there are so many of it.
#[cfg(feature = "bandit")]
pub(crate) const BUNCHES: f64 = 8.0;

#[cfg(feature = "bandit")]
impl Layout {
    /// The ratio between neighbouring classes when the bottom holds `bottom` base sizes.
    fn ratio(self, bottom: f64) -> f64 {
        match self {
            Self::One | Self::Pile => 1.0,
            Self::Leveled(classes) => libm::pow(2.0 * bottom.max(1.0), 1.0 / (f64::from(classes) + 1.0)).max(2.0),
            Self::Tiered(width) => f64::from(width),
        }
    }

    /// How many of the newest of `sizes`, newest first and in base sizes, are to be merged into one; 0 for none.
    pub(crate) fn newest(self, sizes: &[f64]) -> usize {
        let Some((bottom, above)) = sizes.split_last().filter(|(_, above)| !above.is_empty()) else { return 0 };
        if self == Self::Pile {
            return 0;
        }
        let ratio = self.ratio(*bottom);
        let sum: f64 = above.iter().sum();
        let full = match self {
            Self::One => 0.0,
            Self::Leveled(classes) => libm::pow(ratio, f64::from(classes)).min(*bottom),
            Self::Tiered(_) | Self::Pile => f64::INFINITY,
        };
        if sum >= full * 0.9999 { sizes.len() } else { self.overfull(above, ratio) }
    }

    /// As `newest`, of the pieces above the bottom: those of the largest class that is overfull, what the emptying of smaller
    /// ones brings counted, and all newer ones.
    fn overfull(self, above: &[f64], ratio: f64) -> usize {
        let (allowed, border) = match self {
            Self::Tiered(width) => (usize::from(width).saturating_sub(1), libm::sqrt(ratio)),
            _ => (1, ratio),
        };
        let (mut bound, mut taken, mut taken_sum) = (border * 1.000_001, 0usize, 0.0);
        let mut end = above.iter().position(|size| *size > bound).unwrap_or(above.len());
        loop {
            let fresh = above.get(taken..end).unwrap_or(&[]);
            // Those of this very class; smaller ones among them go along uncounted.
            let own = fresh.iter().filter(|size| **size > bound / ratio || bound <= border * 1.1).count();
            let brought = usize::from(taken_sum > bound / ratio);
            if own.saturating_add(brought) > allowed {
                taken_sum += fresh.iter().sum::<f64>();
                taken = end;
            }
            if end >= above.len() {
                return taken;
            }
            bound *= ratio;
            end = above.iter().position(|size| *size > bound).unwrap_or(above.len()).max(end);
        }
    }

    /// What the layout costs a slot of `size` base sizes: bytes that its merges read and write for each byte that comes, and
    /// the runs beyond the first that a read meets on average. A tiered bottom is merged when `bloat` times as much has come, a
    /// pile also when there are more than `runs_max` runs.
    ///
    /// Fitted to what [`newest`](Self::newest) does with entries spread evenly that replace older ones; the test below says
    /// how well.
    pub(crate) fn price(self, size: f64, bloat: f64, runs_max: f64) -> (f64, f64) {
        // What comes replaces itself: with more than four times the bottom there is little more to be won. Below one the price
        // was not fitted.
        let (size, bloat) = (size.max(1.0), bloat.clamp(1.0, 4.0));
        match self {
            Self::One => (2.0 * size + 1.0, 0.0),
            Self::Leveled(classes) => {
                let (count, ratio) = (f64::from(classes), self.ratio(size));
                ((count + 1.0) * ratio * 0.98 - 0.9, count * (1.0 - 0.95 / ratio))
            }
            Self::Pile => {
                let (come, runs_max) = (size * bloat, runs_max.max(2.0));
                let (mut moved, mut bunch) = (1.0 + 2.0 / bloat, runs_max);
                // What is merged for the count alone comes on top: once as the newest runs, once more each time there are eight
                // such bunches.
                while bunch < come {
                    moved += 2.0 * (1.0 - bunch / come);
                    bunch *= BUNCHES;
                }
                let full = libm::floor(come / runs_max) * runs_max;
                (moved, 0.5 * (full * runs_max + (come - full) * (come - full)) / come)
            }
            Self::Tiered(width) => {
                let width = f64::from(width);
                let classes = libm::log(size * bloat) / libm::log(width);
                (
                    1.0 + 2.0 / bloat + 2.0 * (1.0 - 1.0 / width) * (classes - 1.0).max(0.0),
                    0.475 * (width - 1.0) * classes,
                )
            }
        }
    }
}

#[cfg(all(test, feature = "bandit"))]
mod tests {
    use super::*;
    use std::vec;

    /// The most runs of a pile.
    const RUNS_MAX: usize = 80;

    /// What a layout costs a slot of `size` base sizes when it is played through, entries spread evenly, room being short when the
    /// newer pieces weigh `bloat` times the bottom.
    fn played(layout: Layout, size: f64, bloat: f64) -> (f64, f64) {
        let union = |a: f64, b: f64| size * (1.0 - (1.0 - a.min(size) / size) * (1.0 - b.min(size) / size));
        let (mut pieces, mut moved, mut runs) = (vec![size], 0.0, 0usize);
        let rounds = ((6.0 * size) as usize).clamp(60, 20_000);
        for _ in 0..rounds {
            pieces.insert(0, 1.0);
            let is_full = pieces.iter().sum::<f64>() > (bloat + 1.0) * pieces.last().unwrap();
            let merged = match layout {
                _ if is_full => pieces.len(),
                Layout::Pile if pieces.len() > RUNS_MAX => {
                    let large = pieces[..pieces.len() - 1].iter().sum::<f64>() / BUNCHES;
                    pieces.iter().position(|piece| *piece > large).unwrap()
                }
                _ => layout.newest(&pieces),
            };
            let merged: vec::Vec<f64> = pieces.drain(..merged).collect();
            if !merged.is_empty() {
                let out = merged.iter().fold(0.0, |out, piece| union(out, *piece));
                moved += merged.iter().sum::<f64>() + out;
                pieces.insert(0, out);
            }
            runs += pieces.len() - 1;
        }
        (moved / rounds as f64, runs as f64 / rounds as f64)
    }

    #[test]
    fn the_price_is_what_a_slot_that_is_played_through_comes_to() {
        let (mut worst, mut sum, mut count) = (0.0f64, 0.0, 0.0);
        for (size, bloat) in
            [8.0, 32.0, 64.0, 128.0, 500.0, 2_000.0].into_iter().flat_map(|size| [(size, 1.0), (size, 2.0)])
        {
            for layout in Layout::ALL {
                let ((moved, runs), (found_moved, found_runs)) =
                    (layout.price(size, bloat, RUNS_MAX as f64), played(layout, size, bloat));
                // Weighed as they enter a choice: an extra run against a few rewrites.
                for weight in [0.5, 2.0, 8.0] {
                    let (told, found) = (moved + weight * runs, found_moved + weight * found_runs);
                    let off = (told / found - 1.0).abs();
                    (worst, sum, count) = (worst.max(off), sum + off, count + 1.0);
                    let what = (moved, runs, found_moved, found_runs);
                    assert!(off < 0.25, "{layout:?} of {size}, {bloat}: {what:?}");
                }
            }
        }
        assert!(sum / count < 0.08, "mean error {}, worst {worst}", sum / count);
    }

    #[test]
    fn one_run_merges_whatever_comes_and_a_single_piece_rests() {
        assert_eq!(Layout::One.newest(&[1.0, 100.0]), 2);
        for layout in Layout::ALL {
            assert_eq!((layout.newest(&[]), layout.newest(&[7.0])), (0, 0), "{layout:?}");
        }
    }

    #[test]
    fn a_leveled_slot_keeps_one_run_a_class_and_a_tiered_one_several() {
        // 2 x 50 = 100: two classes have a ratio of 4.64, one has 10.
        assert_eq!(Layout::Leveled(1).newest(&[1.0, 50.0]), 0);
        assert_eq!(Layout::Leveled(1).newest(&[1.0, 8.0, 50.0]), 2);
        assert_eq!(Layout::Leveled(1).newest(&[1.0, 9.0, 50.0]), 3, "10 are enough for the bottom");
        assert_eq!(Layout::Leveled(2).newest(&[1.0, 9.0, 50.0]), 0);
        assert_eq!(Layout::Leveled(2).newest(&[1.0, 4.0, 9.0, 50.0]), 3, "5 leave the smallest class");
        assert_eq!(Layout::Tiered(4).newest(&[1.0, 1.0, 1.0, 50.0]), 0);
        assert_eq!(Layout::Tiered(4).newest(&[1.0, 1.0, 1.0, 1.0, 50.0]), 4);
        assert_eq!(Layout::Tiered(4).newest(&[1.0, 1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 50.0]), 7);
        assert_eq!(Layout::Tiered(8).newest(&[10.0, 20.0, 20.0, 50.0]), 0, "as much as the bottom, but there is room");
        assert_eq!(Layout::Leveled(2).newest(&[10.0, 20.0, 20.0, 50.0]), 4, "as much as the bottom");
    }

    #[test]
    fn pieces_count_for_their_own_class_and_the_smallest_class_has_no_lower_end() {
        // Of ratio 4: up to 2, to 8, to 32.
        assert_eq!(Layout::Tiered(4).newest(&[0.3, 0.3, 0.3, 0.3, 50.0]), 4, "all of these are in the smallest");
        assert_eq!(
            Layout::Tiered(4).newest(&[1.0, 1.0, 5.0, 5.0, 5.0, 50.0]),
            0,
            "three of the second, and smaller ones"
        );
        assert_eq!(Layout::Tiered(4).newest(&[1.0, 1.0, 5.0, 5.0, 5.0, 5.0, 50.0]), 6, "smaller ones go along");
        assert_eq!(Layout::Tiered(4).newest(&[5.0, 1.0, 1.0, 1.0, 1.0, 50.0]), 0, "an older small one is no reason");
        assert_eq!(Layout::Tiered(4).newest(&[1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 50.0]), 7, "4 come to the second");
        assert_eq!(Layout::Tiered(4).newest(&[0.4, 0.4, 0.4, 0.4, 3.0, 3.0, 3.0, 50.0]), 4, "1.6 stay in the smallest");
        assert_eq!(
            Layout::Tiered(4).newest(&[1.0, 1.0, 1.0, 1.0, 20.0, 20.0, 20.0, 50.0]),
            4,
            "4 are not of the third"
        );
        assert_eq!(
            Layout::Tiered(4).newest(&[1.0, 1.0, 20.0, 20.0, 20.0, 20.0, 50.0]),
            6,
            "past a class that is empty"
        );
    }

    #[test]
    fn a_layout_without_a_name_is_refused() {
        for layout in Layout::ALL {
            assert_eq!(layout.check(), Ok(()), "{layout:?}");
        }
        for (layout, name, value, max) in [
            (Layout::Tiered(0), "layout tiered", 0, 4),
            (Layout::Tiered(1), "layout tiered", 1, 4),
            (Layout::Tiered(9), "layout tiered", 9, 4),
            (Layout::Leveled(0), "layout leveled", 0, 3),
            (Layout::Leveled(4), "layout leveled", 4, 3),
        ] {
            let min = if name == "layout tiered" { 2 } else { 1 };
            assert_eq!(layout.check(), Err(ConfigError::OutOfRange { name, value, min, max }));
        }
    }

    #[test]
    fn every_layout_is_found_by_its_name() {
        for layout in Layout::ALL {
            assert_eq!(Layout::from_name(layout.name()), Some(layout));
        }
        assert_eq!(Layout::from_name("auto"), None);
    }
}

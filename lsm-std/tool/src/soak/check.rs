//! What a killed process must have left behind.

use lsm_std::Db;

use super::child::{WRITERS, batches_of};
use super::work::{Model, prefix};
use crate::Failure;

/// What is known of the writers from round to round.
#[derive(Clone, Debug)]
pub struct Known {
    seed: u64,
    /// Batches of each writer that were acknowledged.
    pub acknowledged: [u64; WRITERS],
    models: [Model; WRITERS],
}

impl Known {
    /// Before the first round.
    pub fn new(seed: u64) -> Self {
        Self { seed, acknowledged: [0; WRITERS], models: Default::default() }
    }

    /// Takes a line of the process: each writer says first what it has found, then what was acknowledged.
    ///
    /// # Errors
    /// A line that makes no sense; batches that were acknowledged before and are not there, or that nobody wrote.
    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        let wrong = || Failure::Wrong(format!("the process said {line:?}"));
        let (writer, batches) = line.split_once(' ').ok_or_else(wrong)?;
        let (writer, batches) = writer.parse::<usize>().ok().zip(batches.parse().ok()).ok_or_else(wrong)?;
        self.reached(writer, batches)
    }

    /// Writer `writer` has so many batches in the store: those acknowledged, and perhaps the one that was under way.
    fn reached(&mut self, writer: usize, batches: u64) -> Result<(), Failure> {
        let acknowledged =
            self.acknowledged.get_mut(writer).ok_or_else(|| Failure::Wrong(format!("writer {writer}")))?;
        if batches < *acknowledged || batches > *acknowledged + 1 {
            let what = format!("writer {writer}: {acknowledged} batches were acknowledged, {batches} are there");
            return Err(Failure::Wrong(what));
        }
        *acknowledged = batches;
        Ok(())
    }

    /// Holds the store against what it must hold: of each writer a prefix of its batches, with all that were acknowledged, and
    /// no other key.
    ///
    /// # Errors
    /// What is missing, wrong or too much, with the key.
    pub fn compare(&mut self, db: &Db) -> Result<(), Failure> {
        db.verify()?;
        let mut keys = 0;
        for writer in 0..WRITERS {
            let batches = batches_of(db, writer)?;
            self.reached(writer, batches)?;
            let model = &mut self.models[writer];
            model.advance(self.seed, writer, batches);
            keys += model.pairs.len();
            let mut expected = model.pairs.iter();
            for pair in db.prefix(&prefix(writer)) {
                let (key, value) = pair?;
                if expected.next() != Some((&key.to_vec(), &value.to_vec())) {
                    let key = key.escape_ascii();
                    return Err(Failure::Wrong(format!(
                        "{key} is wrong or too much after batch {batches} of writer {writer}"
                    )));
                }
                if db.get(&key)?.as_deref() != Some(&value[..]) {
                    return Err(Failure::Wrong(format!("{} is read otherwise than listed", key.escape_ascii())));
                }
            }
            if let Some((key, _)) = expected.next() {
                let key = key.escape_ascii();
                return Err(Failure::Wrong(format!("{key} is missing after batch {batches} of writer {writer}")));
            }
        }
        let held = db.iter().try_fold(0, |count, pair| pair.map(|_| count + 1))?;
        if held == keys { Ok(()) } else { Err(Failure::Wrong(format!("{held} keys instead of {keys}"))) }
    }
}

#[cfg(test)]
mod tests {
    use lsm_std::Options;

    use super::super::work::{batch, encoded};
    use super::*;

    const SEED: u64 = 5;

    fn store(batches: &[u64]) -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let db = Options::new().sync(lsm_std::SyncPolicy::Never).open(dir.path()).expect("a new store");
        for &index in batches {
            db.write(encoded(&batch(SEED, 0, index))).expect("a write");
        }
        (dir, db)
    }

    fn said(known: &mut Known, db: &Db) -> String {
        known.compare(db).err().map_or_else(String::new, |failure| failure.to_string())
    }

    #[test]
    fn what_was_acknowledged_or_under_way_passes() {
        let (_dir, db) = store(&[0, 1, 2]);
        for acknowledged in [2, 3] {
            let mut known = Known::new(SEED);
            (0..=acknowledged).for_each(|batches| known.line(&format!("0 {batches}")).expect("in order"));
            assert_eq!(said(&mut known, &db), "");
            assert_eq!(known.acknowledged[0], 3);
        }
    }

    #[test]
    fn a_lost_batch_is_told() {
        let (_dir, db) = store(&[0, 1, 2]);
        let mut known = Known::new(SEED);
        (0..=4).for_each(|batches| known.line(&format!("0 {batches}")).expect("in order"));
        assert_eq!(said(&mut known, &db), "writer 0: 4 batches were acknowledged, 3 are there");
        assert!(known.line("0 3").is_err() && known.line("0 6").is_err() && known.line("").is_err());
        assert!(known.line("9 1").is_err());
    }

    #[test]
    fn a_lost_write_of_a_batch_and_one_too_much_are_told() {
        let known = || {
            let mut known = Known::new(SEED);
            (0..=3).for_each(|batches| known.line(&format!("0 {batches}")).expect("in order"));
            known
        };
        let (_dir, db) = store(&[0, 2]);
        assert!(said(&mut known(), &db).contains("batch 3 of writer 0"));
        let (_dir, db) = store(&[0, 1, 2]);
        db.put(b"zzz", b"1").expect("a write");
        assert!(said(&mut known(), &db).contains("keys instead of"));
    }
}

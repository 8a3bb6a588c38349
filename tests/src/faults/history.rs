//! What a store must hold: all batches so far, of which some may be lost to a power cut, the newest first.

use std::collections::BTreeMap;

/// What a store holds.
pub type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A batch: keys and what they become, `None` for nothing.
pub type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The batches of one store.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What the store holds with all acknowledged batches.
    pub map: Map,
    seqno: u64,
    /// The batches since it was opened.
    done: Vec<Done>,
    /// So many of them survive whatever happens.
    durable: usize,
    /// So many of them survive what has happened to the process, or to the power.
    left: usize,
    /// A batch of which it is not known whether it was written.
    doubt: Option<Writes>,
}

#[derive(Clone, Debug)]
struct Done {
    /// The last sequence number before it.
    before: u64,
    /// What its keys were before it, in reverse order.
    undo: Writes,
}

impl History {
    /// Notes an acknowledged batch.
    pub fn acknowledged(&mut self, writes: Writes) {
        let before = self.seqno;
        self.seqno += writes.len() as u64;
        let mut undo = Writes::new();
        for (key, value) in writes {
            let old = match value {
                Some(value) => self.map.insert(key.clone(), value),
                None => self.map.remove(&key),
            };
            undo.push((key, old));
        }
        undo.reverse();
        self.done.push(Done { before, undo });
    }

    /// Notes a batch that failed, but may be there after a restart. Nothing is acknowledged after it.
    pub fn doubted(&mut self, writes: Writes) {
        self.doubt.get_or_insert(writes);
    }

    /// Everything acknowledged survives whatever happens from now on.
    pub fn all_durable(&mut self) {
        self.durable = self.done.len();
    }

    /// The process has died, nothing else: everything acknowledged is there when it starts again, if the power stays.
    pub fn killed(&mut self) {
        self.left = self.done.len();
    }

    /// The power has gone.
    pub fn cut(&mut self) {
        self.left = self.durable;
    }

    /// Number of batches acknowledged since the store was opened, and how many of them survive whatever happens.
    #[must_use]
    pub fn batches(&self) -> (usize, usize) {
        (self.done.len(), self.durable)
    }

    /// The store was opened and has this last sequence number: what it then must hold. All of it is durable. Answers with the
    /// number of batches lost.
    ///
    /// # Errors
    /// What should have survived did not, or a batch did in part.
    pub fn opened(&mut self, seqno: u64) -> Result<usize, String> {
        if let Some(writes) = self.doubt.take() {
            self.acknowledged(writes);
        }
        let (all, last) = (self.done.len(), self.seqno);
        while self.seqno > seqno {
            let Some(done) = self.done.pop() else { break };
            if self.done.len() < self.left {
                let what = format!("batch {} of {all} is lost, {} were safe", self.done.len() + 1, self.left);
                return Err(format!("{what}: the store ends at {seqno}, batches at {last}"));
            }
            self.seqno = done.before;
            for (key, old) in done.undo {
                match old {
                    Some(old) => self.map.insert(key, old),
                    None => self.map.remove(&key),
                };
            }
        }
        if self.seqno != seqno {
            return Err(format!(
                "the store ends at {seqno}, within a batch or beyond all: whole ones at {}",
                self.seqno
            ));
        }
        let lost = all - self.done.len();
        self.done.clear();
        (self.durable, self.left) = (0, 0);
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u8, value: u8) -> Writes {
        vec![(vec![key], Some(vec![value])), (vec![9], None)]
    }

    #[test]
    fn a_prefix_of_whole_batches_is_found_again_and_nothing_else_is() {
        let mut history = History::default();
        for at in 1..=4 {
            history.acknowledged(put(at % 2, at));
            if at == 2 {
                history.all_durable();
            }
        }
        history.doubted(put(7, 7));
        history.cut();
        let opened = |seqno| {
            let mut history = history.clone();
            history.opened(seqno).map(|lost| (lost, history.map.into_values().flatten().collect::<Vec<_>>()))
        };
        assert_eq!(opened(10), Ok((0, vec![4, 3, 7])));
        assert_eq!(opened(8), Ok((1, vec![4, 3])));
        assert_eq!(opened(6), Ok((2, vec![2, 3])));
        assert_eq!(opened(4), Ok((3, vec![2, 1])));
        for wrong in [2, 5, 9, 11] {
            assert!(opened(wrong).is_err(), "{wrong}");
        }
        let mut killed = history.clone();
        killed.killed();
        assert!(killed.opened(6).is_err());
    }
}

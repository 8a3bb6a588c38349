//! One directory: the names in it, and which of them are durable.

use std::collections::BTreeMap;

use compaction_core::sim::SplitMix;

use super::Left;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The file of this number.
    File(usize),
    /// The directory of this number.
    Dir(usize),
}

/// The names of a directory.
#[derive(Clone, Debug, Default)]
pub struct Dir {
    /// As everybody sees them.
    pub live: BTreeMap<String, Node>,
    /// What a power cut leaves whatever happens.
    durable: BTreeMap<String, Node>,
    /// What was done since the last sync, name by name: a renaming is two steps, which reach the disk each on its own.
    steps: Vec<(String, Option<Node>)>,
    /// A sync has failed: names are seen that are not on disk.
    is_lost: bool,
}

impl Dir {
    /// Gives `name` to `node`, or to nothing. Not durable.
    pub fn set(&mut self, name: &str, node: Option<Node>) {
        apply(&mut self.live, name, node);
        self.steps.push((name.to_owned(), node));
    }

    /// Makes all steps durable.
    pub fn sync(&mut self) {
        for (name, node) in self.steps.drain(..) {
            apply(&mut self.durable, &name, node);
        }
    }

    /// A sync has failed: some of the steps have reached the disk, the others never will.
    pub fn lose(&mut self, rng: &mut SplitMix) {
        self.reach(Left::Random, rng);
        self.is_lost = true;
    }

    /// After a sync that failed: from now on everybody sees what is on disk, and what was done since.
    pub fn evict(&mut self) {
        if std::mem::take(&mut self.is_lost) {
            self.live.clone_from(&self.durable);
            self.steps.iter().for_each(|(name, node)| apply(&mut self.live, name, *node));
        }
    }

    /// The power has gone.
    pub fn survive(&mut self, left: Left, rng: &mut SplitMix) {
        self.reach(left, rng);
        self.is_lost = false;
        self.live.clone_from(&self.durable);
    }

    fn reach(&mut self, left: Left, rng: &mut SplitMix) {
        let way = if left == Left::Random { rng.below(4) } else { 4 };
        let first = rng.below(self.steps.len() as u64 + 1) as usize;
        for (at, (name, node)) in std::mem::take(&mut self.steps).into_iter().enumerate() {
            let reaches = match (left, way) {
                (_, 0) => at < first,
                (_, 1) => true,
                (_, 2 | 3) => rng.below(2) == 0,
                (Left::Nothing, _) => false,
                (Left::Alternating, _) => at % 2 == 1,
                (Left::Everything | Left::Torn(_) | Left::Late { .. } | Left::Random, _) => true,
            };
            if reaches {
                apply(&mut self.durable, &name, node);
            }
        }
    }
}

fn apply(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

//! What the strategy has learned, kept between two openings of a store.

use crate::engine::{Engine, Tree};
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose, read_small, replace_small};
use crate::strategy;
use crate::sync::lock;

/// What is learned is saved after this many jobs, and when the store is closed.
const JOBS_PER_SAVE: u64 = 256;

impl Engine {
    /// Gives back to the strategy what it had learned. A damaged file is dropped: the strategy starts anew.
    ///
    /// # Errors
    /// [`Error::NewerFormat`]; what the file layer says.
    pub(super) fn load_learned(&self, tree: &mut Tree) -> Result<()> {
        match read_small(&*self.files.fs, &self.files.dir, FileName::Strategy, Purpose::Other) {
            Ok(Some(bytes)) => {
                let path = self.files.dir.join(FileName::Strategy.to_string());
                strategy::load(&mut tree.strategy, &bytes, &path)?;
                *lock(&self.saving) = Some(bytes);
            }
            Ok(None) => {}
            Err(error @ Error::Corrupt { .. }) => {
                tracing::warn!(%error, "what the strategy had learned is damaged, it starts anew");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Saves what the strategy has learned. Two syncs; nothing if there is nothing new.
    ///
    /// # Errors
    /// What the file layer says. What was saved before is still there. After a failed sync or rename the store is read-only.
    pub(crate) fn save_learned(&self) -> Result<()> {
        let mut saved = lock(&self.saving);
        let learned = strategy::save(&self.tree().strategy);
        match learned {
            Some(bytes) if saved.as_ref() != Some(&bytes) => {
                replace_small(&*self.files.fs, &self.files.dir, FileName::Strategy, &bytes, Purpose::Other)
                    .map_err(|error| self.health.fail_if_in_doubt(error))?;
                *saved = Some(bytes);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Saves what the strategy has learned if the job of this number makes it due.
    pub(super) fn save_learned_at(&self, job: u64) {
        if job.is_multiple_of(JOBS_PER_SAVE)
            && let Err(error) = self.save_learned()
        {
            tracing::warn!(%error, "what the strategy learned is not saved");
        }
    }
}

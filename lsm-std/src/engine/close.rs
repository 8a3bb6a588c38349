//! Closing a store: everything into tables, so that nothing depends on the log.

use crate::batch::Batch;

use crate::commit::Committer;
use crate::engine::{Engine, LogSink};
use crate::error::{Error, Result};

impl Engine {
    /// Flushes what is in memory, makes all of it durable and notes that there is no log any more. The threads must have stopped.
    ///
    /// Costs nothing if the store has no log: nothing was written since it was last closed.
    ///
    /// # Errors
    /// What keeps it from being done. The log is kept then, and synced if that can be done.
    pub(crate) fn close(&self, committer: &Committer<Batch, LogSink>) -> Result<()> {
        self.health.check()?;
        let emptied = self.empty_log(committer);
        let kept = match &emptied {
            Ok(()) => Ok(()),
            Err(_) => committer.sink().sync().map_err(|error| self.health.fail(error)).and_then(|()| self.settle()),
        };
        self.files.drop_spare();
        let learned = self.save_learned();
        emptied.and(kept).and(learned)
    }

    fn empty_log(&self, committer: &Committer<Batch, LogSink>) -> Result<()> {
        committer.sink().freeze();
        while self.flush_one()? {}
        if self.frozen() > 0 {
            return Err(Error::law("a memtable is left that nobody flushes"));
        }
        self.end_log()
    }
}

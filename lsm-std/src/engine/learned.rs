//! What the strategy has learned, kept between two openings of a store.

use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Saves what the strategy has learned.
    ///
    /// # Errors
    /// What the file layer says.
    pub(crate) fn save_learned(&self) -> Result<()> {
        Ok(())
    }
}

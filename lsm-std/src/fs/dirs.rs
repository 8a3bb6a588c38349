//! Directories whose names last.

use std::io::ErrorKind;
use std::path::Path;

use super::{Fs, Result};

/// Makes `dir` and the directories above it that are missing, each of them durable before the next.
///
/// One that is there already may have been made just before a crash: the first of those is made durable too.
pub fn make_dir(fs: &dyn Fs, dir: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for dir in dir.ancestors() {
        missing.push(dir);
        if fs.exists(dir)? {
            break;
        }
    }
    for dir in missing.into_iter().rev() {
        let Some(above) = dir.parent() else { continue };
        let is_new = !fs.exists(dir)?;
        if is_new {
            fs.create_dir_all(dir)?;
        }
        match fs.sync_dir(above) {
            // Who may not read the directory above has not made this one either.
            Err(error) if !is_new && error.io_kind() == Some(ErrorKind::PermissionDenied) => {}
            synced => synced?,
        }
    }
    Ok(())
}

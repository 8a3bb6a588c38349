//! Keys on the command line: as arguments, or in files. Linux takes less than 128 KiB an argument, a key of 64 KiB is as long
//! in hex.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use clap::Args;
use lsm_std::KEY_BYTES_MAX;

use crate::Failure;
use crate::store::Notation;

/// One key.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The key
    #[arg(allow_hyphen_values = true, required_unless_present = "key_file")]
    key: Option<String>,
    /// File that holds the key as it is, every byte of it, instead of KEY; `-` is standard input. The longest keys in hex do not
    /// fit into an argument
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The key's bytes.
    ///
    /// # Errors
    /// Text that is not hex where hex is due; a file that cannot be read, or is longer than a key.
    pub fn read(&self, notation: Notation) -> Result<Vec<u8>, Failure> {
        // Without both clap has refused the call.
        Ok(one_of(notation, self.key.as_deref(), self.key_file.as_deref())?.unwrap_or_default())
    }

    /// Whether the key comes from standard input.
    pub fn is_stdin(&self) -> bool {
        self.key_file.as_deref().is_some_and(is_stdin)
    }
}

/// From a key, to a key.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A range of keys.
#[derive(Debug, Args)]
pub struct RangeArgs {
    /// First key, inclusive
    #[arg(long, value_name = "KEY", conflicts_with = "from_file")]
    from: Option<String>,
    /// Last key, exclusive
    #[arg(long, value_name = "KEY", conflicts_with = "to_file")]
    to: Option<String>,
    /// File that holds the first key as it is; `-` is standard input
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// File that holds the last key as it is; `-` is standard input
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
}

impl RangeArgs {
    /// The bounds.
    ///
    /// # Errors
    /// As [`KeyArgs::read`]; standard input for both.
    pub fn read(&self, notation: Notation) -> Result<Bounds, Failure> {
        if self.from_file.as_deref().is_some_and(is_stdin) && self.to_file.as_deref().is_some_and(is_stdin) {
            return Err(twice());
        }
        let from = one_of(notation, self.from.as_deref(), self.from_file.as_deref())?;
        let to = one_of(notation, self.to.as_deref(), self.to_file.as_deref())?;
        Ok((from.map_or(Bound::Unbounded, Bound::Included), to.map_or(Bound::Unbounded, Bound::Excluded)))
    }
}

/// Standard input can be only one thing.
pub fn twice() -> Failure {
    Failure::Usage("standard input is asked for twice".into())
}

/// The key that is given as `text` or lies in `file`; `None` without either.
///
/// # Errors
/// As [`KeyArgs::read`].
pub fn one_of(notation: Notation, text: Option<&str>, file: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    match (text, file) {
        (Some(text), _) => notation.parse(text).map(Some),
        (None, Some(file)) => in_file(file).map(Some),
        (None, None) => Ok(None),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The key in `path`. Reads one byte more than a key may have, so that no file takes more memory than that.
fn in_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
    let mut key = Vec::new();
    let read = |from: &mut dyn Read, key: &mut Vec<u8>| from.take(KEY_BYTES_MAX as u64 + 1).read_to_end(key);
    let done = if is_stdin(path) {
        read(&mut io::stdin().lock(), &mut key)
    } else {
        File::open(path).and_then(|mut file| read(&mut file, &mut key))
    };
    done.map_err(Failure::io(&name))?;
    if key.len() > KEY_BYTES_MAX {
        return Err(Failure::Wrong(format!("{name}: longer than a key, which has at most {KEY_BYTES_MAX} bytes")));
    }
    Ok(key)
}

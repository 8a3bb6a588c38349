//! `lsm plan`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::PathBuf;

use crate::Failure;
use crate::{plan, strategies};

/// Decide what to merge next in the trees of a JSON-lines file.
///
/// Reads one JSON tree per non-empty line and writes one JSON object per such line, in order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = strategies::HELP)]
pub struct Args {
    /// The file of trees; standard input without one or with `-`
    file: Option<PathBuf>,
    /// Add every candidate that was considered, and prose
    #[arg(long)]
    explain: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let file = args.file.as_ref().filter(|path| path.as_os_str() != "-");
    let name = file.map_or("standard input".to_owned(), |path| path.display().to_string());
    let input: Box<dyn Read> = match file {
        Some(path) => Box::new(File::open(path).map_err(Failure::io(&name))?),
        None => Box::new(io::stdin().lock()),
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let all_good = plan::run(&mut BufReader::with_capacity(1 << 16, input), &name, &mut output, args.explain)?;
    if all_good { Ok(()) } else { Err(Failure::Wrong("some lines were refused; see their errors".into())) }
}

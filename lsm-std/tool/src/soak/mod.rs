//! `lsm soak`: a process that writes is killed at random moments, again and again, and its store held against what it was told.
//!
//! Three threads of the process write batches under `always` and say on a pipe what was acknowledged. Rounds differ in strategy,
//! memtable and moment of the kill, all drawn from the seed; how the threads run is up to the system. Two rounds of three go on
//! with what the kill left; then the store is opened here and compared key by key.

mod check;
mod child;
mod work;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use check::Known;
pub use child::{Setup, WRITERS, write_on};
use work::Draw;

use crate::Failure;
use crate::store::open;
use crate::strategies::Strategy;

const STRATEGIES: [Strategy; 5] =
    [Strategy::Tiered, Strategy::Leveled, Strategy::Lazy, Strategy::Bandit, Strategy::Fifo];

/// A process lives no longer than this many milliseconds after its first word.
const LIFE_MILLIS_MAX: u64 = 220;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// After so many kills.
    Rounds(u64),
    /// After so much time.
    Time(Duration),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Processes killed.
    pub rounds: u64,
    /// Batches that were acknowledged, all of which are there.
    pub batches: u64,
}

/// Runs rounds on the store in `dir`; `progress` is told after each how many there were.
///
/// # Errors
/// What is wrong with the store, with seed and round; whatever keeps a round from being run.
pub fn soak(dir: &Path, seed: u64, length: Length, progress: &mut dyn FnMut(u64)) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let mut known = Known::new(seed);
    let mut rounds = 0;
    loop {
        let is_last = match length {
            Length::Rounds(count) => rounds >= count,
            Length::Time(time) => start.elapsed() >= time,
        };
        let mut draw = Draw::part(seed, [u64::MAX, rounds]);
        let setup = setup(&mut draw);
        let named = |failure: Failure| {
            Failure::Wrong(format!("seed {seed}, round {rounds}, {setup:?}, store {}: {failure}", dir.display()))
        };
        if is_last || rounds % 3 == 2 {
            let db = open(setup.options(), dir).map_err(named)?;
            known.compare(&db).map_err(named)?;
            db.close()?;
        }
        if is_last {
            return Ok(Outcome { rounds, batches: known.acknowledged.iter().sum() });
        }
        round(dir, seed, &setup, &mut draw, &mut known).map_err(named)?;
        rounds += 1;
        progress(rounds);
    }
}

fn setup(draw: &mut Draw) -> Setup {
    let strategy = STRATEGIES[draw.below(STRATEGIES.len() as u64) as usize];
    Setup { strategy, memtable_bytes: 4096 << draw.below(5) }
}

/// One process: started, listened to, killed.
fn round(dir: &Path, seed: u64, setup: &Setup, draw: &mut Draw, known: &mut Known) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(Failure::io("this program"))?;
    let mut command = Command::new(program);
    command.arg("soak").arg("--child").arg("--dir").arg(dir).args(["--seed", &seed.to_string()]);
    command.args(["--strategy", setup.strategy.name(), "--memtable-bytes", &setup.memtable_bytes.to_string()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(Failure::io("this program"))?;
    let output = child.stdout.take().ok_or_else(|| Failure::Wrong("the process has no output".into()))?;
    // One kill in eight comes while the store is being opened.
    let opening = draw.below(8) == 0;
    let life = Duration::from_millis(if opening { draw.below(20) } else { draw.below(LIFE_MILLIS_MAX) });
    let (told, first) = std::sync::mpsc::channel();
    let listener = std::thread::spawn(move || {
        let (mut output, mut lines) = (BufReader::new(output), Vec::new());
        let mut line = Vec::new();
        // A line without an end was not said.
        while output.read_until(b'\n', &mut line).is_ok() && line.pop() == Some(b'\n') {
            if lines.is_empty() {
                // Nobody may be listening any more.
                let _ = told.send(());
            }
            lines.push(std::mem::take(&mut line));
        }
        lines
    });
    if !opening {
        // Ends too when the process has.
        let _ = first.recv();
    }
    std::thread::sleep(life);
    let ended = child.try_wait().map_err(Failure::io("the process"))?;
    child.kill().and_then(|()| child.wait()).map_err(Failure::io("the process"))?;
    let lines = listener.join().map_err(|_| Failure::Wrong("the listener panicked".into()))?;
    if let Some(status) = ended {
        return Err(Failure::Wrong(format!("the process ended by itself: {status}")));
    }
    lines.iter().try_for_each(|line| known.line(&String::from_utf8_lossy(line)))
}

//! Keeps the positions of running jobs right while the arrays change under them.

use crate::decision::{Cut, Hull, Job, Place, Running};
use crate::version::Run;

/// Applies `change` to every table position of the jobs.
pub(super) fn tables(running: &mut [Running], change: impl Fn(u32) -> u32) {
    for Running { job, .. } in running {
        job.window = job.window.map(|hull| Hull { lo: change(hull.lo), hi: change(hull.hi) });
        if let Cut::Tables { first, last } = job.cut {
            job.cut = Cut::Tables { first: change(first), last: change(last) };
        }
    }
}

/// A run was put in at position `at`: what stood there and behind has moved up by one.
pub(super) fn run_inserted(running: &mut [Running], at: usize) {
    let up = |run: u32| if run as usize >= at { run.saturating_add(1) } else { run };
    for Running { job, .. } in running {
        *job = Job { oldest: up(job.oldest), newest: up(job.newest), cut: from(job.cut, up), ..*job };
    }
}

/// The empty run at position `at` was taken out. A job that was to join it starts a run of its level there instead.
pub(super) fn run_removed(running: &mut [Running], at: usize, gone: &Run) {
    let down = |run: u32| if run as usize > at { run.saturating_sub(1) } else { run };
    for Running { job, .. } in running {
        if job.oldest() == at && job.place == Place::Join {
            job.place = Place::New { level: gone.level };
        }
        *job = Job { oldest: down(job.oldest), newest: down(job.newest), cut: from(job.cut, down), ..*job };
    }
}

fn from(cut: Cut, change: impl Fn(u32) -> u32) -> Cut {
    match cut {
        Cut::From(run) => Cut::From(change(run)),
        Cut::Whole | Cut::Tables { .. } => cut,
    }
}

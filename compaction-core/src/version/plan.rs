//! From a wish (these runs, this cut, there) to a closed job with its sizes.

use core::ops::{Range, RangeInclusive};

use super::{Inputs, Span, Totals, Version};
use crate::decision::{Cut, Hull, Job, Place, Running, Work};

/// What a strategy wishes for; [`Version::plan`] closes it and refuses what has no lawful place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Positions of the oldest and the newest run of the job, the destination run included.
    pub runs: RangeInclusive<usize>,
    /// Which tables of the newest runs start the window.
    pub cut: Cut,
    /// What is done with the inputs.
    pub work: Work,
    /// Where the output goes.
    pub place: Place,
    /// Output tables are cut when they reach this many bytes.
    pub table_bytes_max: u64,
}

/// A closed job and what it would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The job.
    pub job: Job,
    /// Bytes of all inputs; saturates at `u64::MAX`, which only a drop can reach.
    pub bytes: u64,
    /// Bytes of the inputs in the oldest run, which a merge rewrites only to make place.
    pub oldest_bytes: u64,
    /// Number of input tables.
    pub tables: usize,
    /// Number of runs that have inputs.
    pub runs: usize,
    /// Position of the oldest run that has inputs.
    pub source: usize,
}

impl Planned {
    /// Upper bound of what a merge may write: the inputs and a sixteenth for splits and worse compression; 0 for a move or
    /// a drop. Saturates at `u64::MAX`.
    #[must_use]
    pub fn output_bytes_max(&self) -> u64 {
        match self.job.work {
            Work::Merge => output_bytes_max(self.bytes),
            Work::Move | Work::Drop => 0,
        }
    }

    /// The job as one that already runs, for [`Version::with_running`]; `ticket` is the caller's name for it.
    #[must_use]
    pub fn running(&self, ticket: u64) -> Running {
        Running { ticket, job: self.job }
    }
}

/// What a merge of `bytes` bytes may write. Saturates.
pub(crate) fn output_bytes_max(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 16)
}

impl<'a, K: Ord> Version<'a, K> {
    /// Closes a plan: walks its runs from newest to oldest, widening the window, and adds the sizes up.
    ///
    /// `None` when it has no inputs or no lawful place: positions out of range, a new run whose level does not fit between
    /// its neighbours, a move of several runs or to where the tables already are, a drop above older data that it
    /// overlaps, a merge whose run might hold more than `u64::MAX` bytes or entries. O(runs x log tables).
    #[must_use]
    #[inline(never)]
    pub fn plan(&self, plan: &Plan) -> Option<Planned> {
        let (oldest, newest) = (*plan.runs.start(), *plan.runs.end());
        let home = self.runs.get(oldest)?;
        let newest_run = self.runs.get(newest).filter(|_| oldest <= newest)?;
        let offset = match plan.cut {
            Cut::Tables { first, last } => {
                let inside = first <= last && (last as usize) < newest_run.end();
                first.checked_sub(newest_run.first).filter(|_| inside)?
            }
            Cut::Whole | Cut::From(_) => 0,
        };
        let level = match plan.place {
            Place::Join => home.level,
            Place::New { level } => {
                let older = oldest.checked_sub(1).and_then(|at| self.runs.get(at)).map_or(u8::MAX, |run| run.level);
                (home.level <= level && level <= older).then_some(level)?
            }
        };
        let mut inputs = Inputs::new(*self, oldest, newest, plan.cut);
        let mut planned = Planned {
            job: Job {
                edit: self.edit,
                oldest: u32::try_from(oldest).ok()?,
                newest: u32::try_from(newest).ok()?,
                cut: plan.cut,
                window: None,
                work: plan.work,
                level,
                place: plan.place,
                bottommost: false,
                offset,
                table_bytes_max: plan.table_bytes_max.max(1),
            },
            bytes: 0,
            oldest_bytes: 0,
            tables: 0,
            runs: 0,
            source: newest,
        };
        // What the destination run will hold, at most.
        let mut sum = if plan.place == Place::Join { home.totals } else { Totals::default() };
        for span in inputs.by_ref().filter(|span| !span.is_empty()) {
            let totals = self.span_totals(&span);
            let bytes = totals.bytes;
            let counted = span.run == oldest && plan.place == Place::Join;
            if !counted && plan.work != Work::Drop && !sum.add(&totals) {
                return None;
            }
            planned.bytes = planned.bytes.saturating_add(bytes);
            planned.tables = planned.tables.saturating_add(span.len());
            planned.runs = planned.runs.saturating_add(1);
            if span.run == oldest {
                planned.oldest_bytes = bytes;
            }
            planned.source = span.run;
        }
        let hull = inputs.hull()?;
        planned.job.bottommost = self.is_bottom(oldest, hull);
        planned.job.window = if plan.cut == Cut::Whole { None } else { Some(hull) };
        self.is_lawful(&planned).then_some(planned)
    }

    /// The merge of the runs at the positions `runs`, whole, into the oldest of them: the job that [`plan`](Self::plan)
    /// makes of that wish. There is a run, `table_bytes_max` is positive, and the sums over the runs fit. O(runs x log tables).
    pub(crate) fn merge_of(&self, runs: Range<usize>, table_bytes_max: u64) -> Option<Job> {
        let (oldest, newest) = (runs.start, runs.end.wrapping_sub(1));
        let home = self.runs.get(oldest)?;
        let mut inputs = Inputs::new(*self, oldest, newest, Cut::Whole);
        while inputs.next().is_some() {}
        Some(Job {
            edit: self.edit,
            oldest: u32::try_from(oldest).ok()?,
            newest: u32::try_from(newest).ok()?,
            cut: Cut::Whole,
            window: None,
            work: Work::Merge,
            level: home.level,
            place: Place::Join,
            bottommost: self.is_bottom(oldest, inputs.hull()?),
            offset: 0,
            table_bytes_max,
        })
    }

    /// As [`plan`](Self::plan), but a merge that would rewrite nothing is a move.
    pub(crate) fn plan_cheapest(&self, plan: &Plan) -> Option<Planned> {
        let mut planned = self.plan(plan);
        if let Some(Planned { job, runs: 1, .. }) = &mut planned
            && plan.work == Work::Merge
            && (job.place != Place::Join || job.newest != job.oldest)
        {
            job.work = Work::Move;
        }
        planned
    }

    /// As [`plan_cheapest`](Self::plan_cheapest), but what is moved [lands](Self::landing) in the oldest run of its level that it
    /// can.
    #[cfg(feature = "bandit")]
    pub(crate) fn plan_landed(&self, plan: &Plan) -> Option<Planned> {
        let planned = self.plan_cheapest(plan)?;
        let mut lower = plan.clone();
        let lands = planned.job.work == Work::Move && self.land(&mut lower, &planned);
        if lands { self.plan_cheapest(&lower) } else { Some(planned) }
    }

    /// Where `planned`, the job of `plan`, takes nothing from the run that its output would join or follow, it
    /// [lands](Self::landing) in the oldest run of that level that it can. Whether that changed the plan.
    #[inline(never)]
    pub(crate) fn land(&self, plan: &mut Plan, planned: &Planned) -> bool {
        let job = &planned.job;
        if job.work == Work::Drop || (planned.source == job.oldest() && job.place == Place::Join) {
            return false;
        }
        let Some((min, max)) = self.window(job) else { return false };
        let (oldest, place) = self.landing(planned.source, job.level, min, max);
        let lands = oldest != job.oldest();
        if lands {
            (plan.runs, plan.place) = (oldest..=*plan.runs.end(), place);
        }
        lands
    }

    fn is_lawful(&self, planned: &Planned) -> bool {
        match planned.job.work {
            Work::Merge => true,
            Work::Drop => planned.job.bottommost,
            Work::Move => {
                let stays = planned.job.place == Place::Join && planned.source == planned.job.oldest();
                planned.runs == 1 && !stays
            }
        }
    }

    /// Whether no table older than run `oldest` meets the keys of `hull`: only then may tombstones go.
    #[inline(never)]
    fn is_bottom(&self, oldest: usize, hull: Hull) -> bool {
        match (self.tables.get(hull.lo()), self.tables.get(hull.hi())) {
            (Some(lo), Some(hi)) => !self.overlaps(0..oldest, &lo.min, &hi.max),
            _ => false,
        }
    }

    /// Where a job that takes inputs from run `source` down to `level` joins or starts a run: the position of the oldest
    /// run of its range, and the place.
    ///
    /// It joins the oldest run of `level` such that nothing between it and `source`, nor in it, overlaps the keys from
    /// `min` to `max`; without such a run it starts one. O(runs of the level x log tables).
    #[must_use]
    pub fn landing(&self, source: usize, level: u8, min: &K, max: &K) -> (usize, Place) {
        let runs = self.level_runs(level);
        let start = if runs.contains(&source) { source } else { runs.end };
        let mut oldest = start;
        if !self.overlaps(runs.end.max(start)..source, min, max) {
            while oldest > runs.start && !self.overlaps(oldest.wrapping_sub(1)..oldest, min, max) {
                oldest = oldest.wrapping_sub(1);
            }
        }
        if oldest < start { (oldest, Place::Join) } else { (start, Place::New { level }) }
    }

    /// As [`conflicts`](Self::conflicts), and also with what a running job over one run may yet become: a caller that names its
    /// level alone leaves open whether the output stays in that run or lands in an older one. O(running jobs x runs of the level x
    /// log tables).
    pub(crate) fn may_conflict(&self, job: &Job) -> bool {
        let landed = |other: &Job| {
            let (min, max) =
                self.window(other).filter(|_| other.newest == other.oldest && other.place == Place::Join)?;
            let oldest = u32::try_from(self.landing(other.oldest(), other.level, min, max).0).ok()?;
            (oldest != other.oldest).then_some(Job { oldest, ..*other })
        };
        let meets = |running: &Running| {
            landed(&running.job).is_some_and(|job_there| {
                let there = [Running { job: job_there, ..*running }];
                self.with_running(&there).conflicts(job)
            })
        };
        self.conflicts(job) || self.running.iter().any(meets)
    }

    /// A job that some caller runs over the tables at the positions `tables`, writing to `level` or, without one, where the
    /// oldest of them lies. It serves as a barrier for choices; it need not be a closed job.
    ///
    /// `None` without tables, or when a position is out of range.
    #[must_use]
    pub fn barrier(&self, ticket: u64, tables: impl IntoIterator<Item = usize>, level: Option<u8>) -> Option<Running> {
        let (mut hull, mut oldest, mut newest) = (None, usize::MAX, 0);
        for at in tables {
            self.tables.get(at)?;
            let run = self.runs.partition_point(|run| run.end() <= at);
            (oldest, newest) = (oldest.min(run), newest.max(run));
            hull = self.widened(hull, &Span { run, first: at, end: at.saturating_add(1) });
        }
        let hull = hull?;
        let home = self.runs.get(oldest)?.level;
        let level = level.unwrap_or(home);
        let mut place = Place::Join;
        if level > home {
            let (lo, hi) = (self.tables.get(hull.lo())?, self.tables.get(hull.hi())?);
            let runs = self.level_runs(level);
            let (landing, landing_place) = self.landing(oldest, level, &lo.min, &hi.max);
            // A merge into the level's newest run is what a leveled engine does where nothing can be joined.
            let joins_newest = landing_place != Place::Join && !runs.is_empty();
            (oldest, place) =
                if joins_newest { (runs.end.saturating_sub(1), Place::Join) } else { (landing, landing_place) };
        }
        let job = Job {
            edit: self.edit,
            oldest: u32::try_from(oldest).ok()?,
            newest: u32::try_from(newest).ok()?,
            cut: Cut::From(u32::try_from(oldest).ok()?),
            window: Some(hull),
            work: Work::Merge,
            level,
            place,
            bottommost: false,
            offset: 0,
            table_bytes_max: u64::MAX,
        };
        Some(Running { ticket, job })
    }
}

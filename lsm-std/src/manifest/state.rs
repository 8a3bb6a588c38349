//! What a store consists of, and how one edit changes it.

use std::collections::HashSet;

use crate::types::{FileId, NUMBERS_END, SeqNo, TableMeta};

/// What a store consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The runs, oldest first; levels never rise from one to the next. None is empty.
    pub runs: Vec<RunState>,
    /// Larger than every file number ever recorded.
    pub next_id: FileId,
    /// Log segments below this number are obsolete: all they hold is in tables.
    pub log_floor: FileId,
    /// Whether there is a log: then its first segment is that of number `log_floor`, and its file is there. False for a
    /// store that was closed: all it holds is in tables.
    pub has_log: bool,
    /// Every sequence number in a table is at most this.
    pub last_seqno: SeqNo,
    /// The strategy's settings, encoded; empty if none were ever stored.
    pub strategy: Vec<u8>,
}

/// A run: tables sorted by key, no key in two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// Its level.
    pub level: u8,
    /// Its tables.
    pub tables: Vec<TableMeta>,
}

/// One atomic change of a [`State`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Tables that go. Runs left without a table go too.
    pub deleted: Vec<FileId>,
    /// Tables that come. One that also stands in `deleted` is moved.
    pub added: Option<AddRun>,
    /// The new [`State::log_floor`].
    pub log_floor: Option<FileId>,
    /// The new [`State::has_log`].
    pub has_log: Option<bool>,
    /// The new [`State::next_id`]; it also rises above every added table by itself.
    pub next_id: Option<FileId>,
    /// The new [`State::last_seqno`]; it also rises to that of every added table by itself.
    pub last_seqno: Option<SeqNo>,
    /// The new [`State::strategy`].
    pub strategy: Option<Vec<u8>>,
}

/// Tables that come, sorted by key, no key in two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddRun {
    /// Where they go.
    pub place: Place,
    /// The tables.
    pub tables: Vec<TableMeta>,
}

/// Where new tables go. Runs are counted as they are before the edit, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A new run above all others: a flush.
    Newest {
        /// Level of the new run.
        level: u8,
    },
    /// Into an existing run.
    Into {
        /// Index of that run.
        run: usize,
    },
    /// A new run, just older than an existing one.
    Before {
        /// Index of the existing run; their number for a place above all.
        run: usize,
        /// Level of the new run.
        level: u8,
    },
}

/// A checked edit, ready to be carried out.
#[derive(Debug)]
pub(super) struct Plan {
    deleted: HashSet<FileId>,
    target: Option<Target>,
    next_id: FileId,
    log_floor: FileId,
    has_log: bool,
    last_seqno: SeqNo,
    strategy: Option<Vec<u8>>,
}

/// The one run that gains tables, as it will be.
#[derive(Debug)]
struct Target {
    run: usize,
    is_new: bool,
    state: RunState,
}

impl Plan {
    /// Makes `ids` those of all tables after the edit.
    pub(super) fn update(&self, ids: &mut HashSet<FileId>) {
        for id in &self.deleted {
            ids.remove(id);
        }
        ids.extend(self.target.iter().flat_map(|target| &target.state.tables).map(|table| table.id));
    }
}

impl State {
    /// Changes the state by one edit, wholly or, if that would break a law, not at all: the error says which law.
    ///
    /// O(tables).
    pub fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        let ids = self.tables().map(|table| table.id).collect();
        let plan = self.plan(edit, &ids)?;
        self.carry_out(plan);
        Ok(())
    }

    /// All tables, oldest run first.
    pub fn tables(&self) -> impl Iterator<Item = &TableMeta> {
        self.runs.iter().flat_map(|run| &run.tables)
    }

    /// Checks every law of a state that comes from outside.
    pub fn check(&self) -> Result<(), String> {
        check_numbers(self.next_id, self.last_seqno)?;
        let mut ids = HashSet::new();
        for table in self.tables() {
            if !ids.insert(table.id) {
                return Err(format!("table {} is there twice", table.id));
            }
            if table.id >= self.next_id || table.newest_seqno > self.last_seqno {
                return Err(format!("table {} is newer than the state", table.id));
            }
        }
        self.runs.iter().try_for_each(|run| check_run(&run.tables))?;
        check_levels(self.runs.iter().map(|run| run.level))
    }

    /// Checks an edit; `ids` are those of all tables. A flush costs O(its tables), an edit that deletes O(tables).
    pub(super) fn plan(&self, edit: &Edit, ids: &HashSet<FileId>) -> Result<Plan, String> {
        let deleted: HashSet<FileId> = edit.deleted.iter().copied().collect();
        if deleted.len() != edit.deleted.len() {
            return Err(format!("a table is deleted twice in {:?}", edit.deleted));
        }
        let added = edit.added.as_ref().map_or(&[][..], |added| &added.tables);
        check_ids(ids, &deleted, added)?;
        let target = edit.added.as_ref().map(|added| self.target(added, &deleted)).transpose()?;
        self.check_levels_after(&deleted, target.as_ref())?;
        let id_after = added.iter().map(|t| t.id.saturating_add(1)).max().unwrap_or(0);
        let seqno_after = added.iter().map(|t| t.newest_seqno).max().unwrap_or(0);
        let next_id = risen("next id", self.next_id, edit.next_id)?;
        let last_seqno = risen("last sequence number", self.last_seqno, edit.last_seqno)?;
        let (next_id, last_seqno) = (next_id.max(id_after), last_seqno.max(seqno_after));
        check_numbers(next_id, last_seqno)?;
        Ok(Plan {
            deleted,
            target,
            next_id,
            log_floor: risen("log floor", self.log_floor, edit.log_floor)?,
            has_log: edit.has_log.unwrap_or(self.has_log),
            last_seqno,
            strategy: edit.strategy.clone(),
        })
    }

    pub(super) fn carry_out(&mut self, plan: Plan) {
        self.delete(&plan.deleted);
        match plan.target {
            Some(Target { run, is_new: true, state }) => self.runs.insert(run, state),
            Some(Target { run, is_new: false, state }) => self.runs[run] = state,
            None => {}
        }
        if !plan.deleted.is_empty() {
            self.runs.retain(|run| !run.tables.is_empty());
        }
        self.next_id = plan.next_id;
        self.log_floor = plan.log_floor;
        self.has_log = plan.has_log;
        self.last_seqno = plan.last_seqno;
        if let Some(strategy) = plan.strategy {
            self.strategy = strategy;
        }
    }

    /// Takes tables out. Runs may be empty then. The search stops at the last of them: dropping the oldest costs little.
    fn delete(&mut self, deleted: &HashSet<FileId>) {
        let (Some(&first), Some(&last)) = (deleted.iter().min(), deleted.iter().max()) else { return };
        let goes = |table: &TableMeta| (first..=last).contains(&table.id) && deleted.contains(&table.id);
        let mut left = deleted.len();
        for run in &mut self.runs {
            if left == 0 {
                break;
            }
            if run.tables.iter().any(goes) {
                let before = run.tables.len();
                run.tables.retain(|table| !goes(table));
                left = left.saturating_sub(before - run.tables.len());
            }
        }
    }

    fn target(&self, added: &AddRun, deleted: &HashSet<FileId>) -> Result<Target, String> {
        let (run, new_level) = match added.place {
            Place::Newest { level } => (self.runs.len(), Some(level)),
            Place::Before { run, level } => (run, Some(level)),
            Place::Into { run } => (run, None),
        };
        let old = self.runs.get(run);
        let beyond = || format!("run {run} of {} is named", self.runs.len());
        let mut tables = added.tables.clone();
        if tables.is_empty() {
            return Err("a run without tables is added".into());
        }
        let level = match new_level {
            Some(level) if run <= self.runs.len() => level,
            Some(_) => return Err(beyond()),
            None => {
                let old = old.ok_or_else(beyond)?;
                let staying = old.tables.iter().filter(|table| !deleted.contains(&table.id));
                tables.extend(staying.cloned());
                tables.sort_by(|a, b| a.min.cmp(&b.min));
                old.level
            }
        };
        check_run(&tables)?;
        Ok(Target { run, is_new: new_level.is_some(), state: RunState { level, tables } })
    }

    /// A new run fits between its neighbours. Nothing else about an edit can break the order of levels.
    fn check_levels_after(&self, deleted: &HashSet<FileId>, target: Option<&Target>) -> Result<(), String> {
        let Some(target) = target.filter(|target| target.is_new) else { return Ok(()) };
        let stays = |run: &&RunState| run.tables.iter().any(|table| !deleted.contains(&table.id));
        let (older, newer) = self.runs.split_at(target.run);
        let neighbours = [older.iter().rfind(stays), Some(&target.state), newer.iter().find(stays)];
        check_levels(neighbours.into_iter().flatten().map(|run| run.level))
    }
}

/// Every deleted table is there, no added one is, except those that move.
fn check_ids(ids: &HashSet<FileId>, deleted: &HashSet<FileId>, added: &[TableMeta]) -> Result<(), String> {
    let mut coming: HashSet<FileId> = HashSet::new();
    if let Some(twice) = added.iter().find(|table| !coming.insert(table.id)) {
        return Err(format!("table {} is added twice", twice.id));
    }
    if let Some(there) = coming.iter().find(|id| ids.contains(id) && !deleted.contains(id)) {
        return Err(format!("table {there} is added, but already there"));
    }
    match deleted.iter().filter(|id| !ids.contains(id)).min() {
        Some(id) => Err(format!("table {id} is deleted, but not there")),
        None => Ok(()),
    }
}

fn check_run(tables: &[TableMeta]) -> Result<(), String> {
    if tables.is_empty() {
        return Err("a run without tables".into());
    }
    if let Some(table) = tables.iter().find(|table| !table.is_sound()) {
        return Err(format!("table {} contradicts itself", table.id));
    }
    match tables.windows(2).find(|pair| pair[0].max >= pair[1].min) {
        Some(pair) => Err(format!("table {} starts at or before table {} of its run ends", pair[1].id, pair[0].id)),
        None => Ok(()),
    }
}

fn check_levels(mut levels: impl Iterator<Item = u8>) -> Result<(), String> {
    let Some(mut above) = levels.next() else {
        return Ok(());
    };
    for level in levels {
        if level > above {
            return Err(format!("a run of level {level} is newer than one of level {above}"));
        }
        above = level;
    }
    Ok(())
}

/// No store has used up its numbers: one that says so is not to be believed.
fn check_numbers(next_id: FileId, last_seqno: SeqNo) -> Result<(), String> {
    let beyond = || format!("next id {next_id} or last sequence number {last_seqno} is beyond {NUMBERS_END}");
    if next_id > NUMBERS_END || last_seqno >= NUMBERS_END { Err(beyond()) } else { Ok(()) }
}

/// The new value, or the old one; an error if it fell.
fn risen(name: &str, old: u64, new: Option<u64>) -> Result<u64, String> {
    match new {
        Some(new) if new < old => Err(format!("{name} falls from {old} to {new}")),
        new => Ok(new.unwrap_or(old)),
    }
}

//! A state with an index of its tables, so that an edit costs what it changes.

use std::collections::HashSet;
use std::ops::Deref;

use super::state::{Edit, Plan, State};
use crate::types::FileId;

/// A lawful state and the numbers of its tables.
#[derive(Debug)]
pub(super) struct Live {
    state: State,
    ids: HashSet<FileId>,
}

impl Live {
    /// Checks every law of `state`.
    pub(super) fn new(state: State) -> Result<Self, String> {
        state.check()?;
        let ids = state.tables().map(|table| table.id).collect();
        Ok(Self { state, ids })
    }

    /// Checks every law of `edit`.
    pub(super) fn plan(&self, edit: &Edit) -> Result<Plan, String> {
        self.state.plan(edit, &self.ids)
    }

    /// Makes a checked edit.
    pub(super) fn carry_out(&mut self, plan: Plan) {
        plan.update(&mut self.ids);
        self.state.carry_out(plan);
    }

    /// Raises the next number.
    pub(super) fn raise_next_id(&mut self, next_id: FileId) {
        self.state.next_id = self.state.next_id.max(next_id);
    }

    pub(super) fn into_state(self) -> State {
        self.state
    }
}

impl Deref for Live {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{add, draft, edit_of, flush, shape, table};
use super::*;
use crate::types::TableMeta;

fn state_of(edits: &[Edit]) -> State {
    let mut state = State::default();
    edits.iter().for_each(|edit| state.apply(edit).unwrap());
    state
}

#[test]
fn tables_go_to_the_place_that_is_named() {
    let mut state = state_of(&[flush(1), flush(2), flush(3)]);
    let place = Place::Before { run: 0, level: 2 };
    let merge = Edit { deleted: vec![1, 2], ..add(place, vec![table(4, 0, 9), table(5, 10, 30)]) };
    state.apply(&merge).unwrap();
    assert_eq!(shape(&state), [(2, vec![4, 5]), (0, vec![3])]);
    let join = Edit { deleted: vec![3, 5], ..add(Place::Into { run: 0 }, vec![table(6, 10, 15), table(7, 16, 16)]) };
    state.apply(&join).unwrap();
    assert_eq!(shape(&state), [(2, vec![4, 6, 7])]);
    assert_eq!((state.next_id, state.last_seqno), (8, 79));
    state.apply(&Edit { deleted: vec![4, 6, 7], next_id: Some(20), ..Edit::default() }).unwrap();
    assert_eq!((shape(&state), state.next_id), (vec![], 20));
}

#[test]
fn a_table_moves_under_its_own_number() {
    let mut state = state_of(&[add(Place::Newest { level: 3 }, vec![table(1, 50, 60)]), flush(2)]);
    let sink = Edit { deleted: vec![2], ..add(Place::Into { run: 0 }, vec![table(2, 10, 20)]) };
    state.apply(&sink).unwrap();
    assert_eq!(shape(&state), [(3, vec![2, 1])]);
}

#[test]
fn lawless_edits_are_refused_and_change_nothing() {
    let state =
        State { log_floor: 5, ..state_of(&[add(Place::Newest { level: 1 }, vec![table(1, 10, 20)]), flush(2)]) };
    let deleted = |ids: &[FileId]| Edit { deleted: ids.to_vec(), ..Edit::default() };
    let into = |tables| add(Place::Into { run: 0 }, tables);
    let edits = [
        (deleted(&[3]), "table 3 is deleted, but not there"),
        (deleted(&[1, 1]), "a table is deleted twice in [1, 1]"),
        (flush(2), "table 2 is added, but already there"),
        (into(vec![table(3, 0, 1), table(3, 2, 3)]), "table 3 is added twice"),
        (into(vec![table(3, 20, 30)]), "table 3 starts at or before table 1 of its run ends"),
        (into(vec![table(3, 30, 40), table(4, 40, 50)]), "table 4 starts at or before table 3 of its run ends"),
        (into(vec![]), "a run without tables is added"),
        (into(vec![table(3, 9, 8)]), "table 3 contradicts itself"),
        (add(Place::Into { run: 2 }, vec![table(3, 0, 1)]), "run 2 of 2 is named"),
        (add(Place::Before { run: 3, level: 0 }, vec![table(3, 0, 1)]), "run 3 of 2 is named"),
        (
            add(Place::Before { run: 0, level: 0 }, vec![table(3, 0, 1)]),
            "a run of level 1 is newer than one of level 0",
        ),
        (add(Place::Newest { level: 1 }, vec![table(3, 0, 1)]), "a run of level 1 is newer than one of level 0"),
        (Edit { log_floor: Some(4), ..Edit::default() }, "log floor falls from 5 to 4"),
        (Edit { next_id: Some(2), ..Edit::default() }, "next id falls from 3 to 2"),
        (Edit { last_seqno: Some(28), ..Edit::default() }, "last sequence number falls from 29 to 28"),
    ];
    for (edit, law) in edits {
        let mut after = state.clone();
        assert_eq!(after.apply(&edit), Err(law.into()));
        assert_eq!(after, state, "{law}");
    }
}

#[test]
fn a_state_that_breaks_a_law_is_refused() {
    let good = state_of(&[add(Place::Newest { level: 1 }, vec![table(1, 10, 20), table(2, 30, 40)]), flush(3)]);
    assert_eq!(good.check(), Ok(()));
    type Break = fn(&mut State);
    let broken: [(Break, &str); 7] = [
        (|state| state.runs[1].tables[0].id = 1, "table 1 is there twice"),
        (|state| state.next_id = 3, "table 3 is newer than the state"),
        (|state| state.last_seqno = 38, "table 3 is newer than the state"),
        (|state| state.runs[0].tables[1].min = vec![20].into(), "table 2 starts at or before table 1 of its run ends"),
        (|state| state.runs[1].tables.clear(), "a run without tables"),
        (|state| state.runs[0].tables[0].entries = 0, "table 1 contradicts itself"),
        (|state| state.runs[1].level = 2, "a run of level 2 is newer than one of level 1"),
    ];
    for (break_it, law) in broken {
        let mut state = good.clone();
        break_it(&mut state);
        assert_eq!(state.check(), Err(law.to_owned()));
    }
}

proptest! {
    #[test]
    fn an_edit_keeps_every_law_or_changes_nothing(drafts in prop::collection::vec(draft(), 1..30)) {
        let mut state = State::default();
        let ids = |state: &State| state.tables().map(|t| t.id).collect::<BTreeSet<_>>();
        for draft in drafts {
            let edit = edit_of(&draft, state.next_id);
            let before = state.clone();
            if state.apply(&edit).is_ok() {
                prop_assert_eq!(state.check(), Ok(()));
                let mut expected: BTreeSet<_> = &ids(&before) - &draft.deleted;
                expected.extend(edit.added.unwrap().tables.iter().map(|t| t.id));
                prop_assert_eq!(ids(&state), expected);
            } else {
                prop_assert_eq!(&state, &before);
            }
        }
    }
}

#[test]
fn numbers_that_no_store_can_have_reached_are_refused() {
    let state = state_of(&[flush(1)]);
    assert_eq!(State { next_id: 1 << 63, last_seqno: (1 << 63) - 1, ..state.clone() }.check(), Ok(()));
    for number in [1 << 63, u64::MAX] {
        assert!(state.clone().apply(&Edit { last_seqno: Some(number), ..Edit::default() }).is_err());
        assert!(State { last_seqno: number, ..state.clone() }.check().is_err());
        assert!(State { next_id: number + u64::from(number < u64::MAX), ..state.clone() }.check().is_err());
        assert!(
            state
                .clone()
                .apply(&add(Place::Newest { level: 0 }, vec![TableMeta { id: number, ..table(1, 0, 9) }]))
                .is_err()
        );
    }
}

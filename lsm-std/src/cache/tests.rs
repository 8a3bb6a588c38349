use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const BLOCK_BYTES: usize = 1_000;

fn block(byte: u8) -> Arc<[u8]> {
    vec![byte; BLOCK_BYTES].into()
}

/// Reads a block of a table as readers do; true if it was in memory.
fn read(cache: &Cache, slots: &Arc<Slots>, index: usize) -> bool {
    let is_there = slots.with(index, |block| assert_eq!(block[0], index as u8)).is_some();
    if !is_there {
        cache.keep_block(slots, index, &block(index as u8));
    }
    is_there
}

proptest! {
    #[test]
    fn memory_holds_what_is_counted_and_no_more_than_it_may(
        blocks_max in 0u64..40,
        steps in prop::collection::vec((0usize..4, 0usize..60, any::<prop::sample::Index>()), 1..600),
    ) {
        let bytes_max = blocks_max * (BLOCK_BYTES as u64 + ENTRY_BYTES);
        let cache = Cache::new(bytes_max, 1);
        let mut tables: Vec<_> = (0..4).map(|_| Slots::new(60)).collect();
        for (table, index, dice) in steps {
            if dice.index(50) == 0 {
                cache.forget(&tables[table]);
                tables[table] = Slots::new(60);
            } else {
                read(&cache, &tables[table], index);
            }
            let held = tables.iter().map(|slots| (0..60).filter(|&at| slots.with(at, |_| ()).is_some()).count() as u64);
            let bytes = cache.stats().bytes;
            prop_assert_eq!(held.sum::<u64>() * (BLOCK_BYTES as u64 + ENTRY_BYTES), bytes);
            prop_assert!(bytes <= bytes_max);
        }
    }
}

#[test]
fn blocks_that_are_read_again_stay_while_a_scan_goes_by() {
    let cache = Cache::new(100 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
    let (hot, scanned) = (Slots::new(50), Slots::new(250));
    for index in (0..50).chain(0..50) {
        read(&cache, &hot, index);
    }
    assert_eq!((0..250).filter(|&index| read(&cache, &scanned, index)).count(), 0);
    assert_eq!((0..50).filter(|&index| read(&cache, &hot, index)).count(), 50);
}

#[test]
fn a_block_that_went_a_short_while_ago_and_is_read_again_stays() {
    let cache = Cache::new(100 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
    let (table, others) = (Slots::new(1), Slots::new(250));
    read(&cache, &table, 0);
    (0..100).for_each(|index| assert!(!read(&cache, &others, index)));
    assert!(!read(&cache, &table, 0), "it went");
    (100..200).for_each(|index| assert!(!read(&cache, &others, index)));
    assert!(read(&cache, &table, 0));
}

#[test]
fn a_full_cache_keeps_what_is_read_twice_within_a_short_while_and_nothing_else() {
    let bytes_max = 100 * (BLOCK_BYTES as u64 + ENTRY_BYTES);
    let cache = Cache::new(bytes_max, 1);
    let (table, others) = (Slots::new(101), Slots::new(300));
    let is_kept = |slots: &Arc<Slots>, index| {
        let is_kept = cache.admits(slots, index, BLOCK_BYTES);
        if is_kept {
            read(&cache, slots, index);
        }
        is_kept
    };
    assert!((0..100).all(|index| is_kept(&table, index)), "there is room");
    assert!((0..100).all(|index| !is_kept(&others, index)) && !is_kept(&table, 100));
    assert_eq!((0..100).filter(|&index| table.with(index, |_| ()).is_some()).count(), 100);
    assert!((100..115).all(|index| !is_kept(&others, index)) && is_kept(&table, 100), "a short while ago");
    assert!((0..80).all(|index| !is_kept(&others, index)), "too long ago");
    assert_eq!(cache.stats().bytes, bytes_max);
}

#[test]
fn one_block_more_passes_a_bounded_number_of_those_that_are_read_again() {
    let cache = Cache::new(1_000 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
    let table = Slots::new(1_001);
    (0..4).for_each(|_| (0..1_000).for_each(|index| _ = read(&cache, &table, index)));
    assert!(!read(&cache, &table, 1_000));
    let passed = (0..1_000).filter(|&index| table.asked(index) == 0).count();
    assert!((1..=100).contains(&passed), "{passed} of 1000");
    assert_eq!((0..1_001).filter(|&index| table.with(index, |_| ()).is_some()).count(), 1_000);
}

#[test]
fn the_blocks_of_a_table_that_goes_make_room() {
    let cache = Cache::new(100 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
    for _ in 0..50 {
        let table = Slots::new(90);
        (0..90).for_each(|index| assert!(!read(&cache, &table, index)));
        assert_eq!((0..90).filter(|&index| read(&cache, &table, index)).count(), 90);
        cache.forget(&table);
        assert_eq!(cache.stats().bytes, 0);
    }
}

#[test]
fn a_table_that_goes_takes_its_own_blocks_once_and_gets_no_more() {
    let cache = Cache::new(100 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
    let (table, other) = (Slots::new(3), Slots::new(5));
    (0..3).for_each(|index| assert!(!read(&cache, &table, index)));
    (0..5).for_each(|index| assert!(!read(&cache, &other, index)));
    for _ in 0..2 {
        cache.forget(&table);
        assert!((0..3).all(|index| !read(&cache, &table, index)));
        assert_eq!(cache.stats().bytes, 5 * (BLOCK_BYTES as u64 + ENTRY_BYTES));
    }
}

#[test]
fn a_block_is_kept_while_it_is_read_and_one_that_is_too_large_is_not_kept() {
    let cache = Cache::new(4 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
    let table = Slots::new(250);
    let kept = block(0);
    cache.keep_block(&table, 0, &kept);
    assert_eq!(Arc::strong_count(&kept), 2);
    (1..250).for_each(|index| assert!(!read(&cache, &table, index)));
    assert_eq!((kept[0], Arc::strong_count(&kept)), (0, 1));
    cache.keep_block(&table, 0, &vec![0; 4 * BLOCK_BYTES].into());
    assert!(table.with(0, |_| ()).is_none());
}

#[cfg(loom)]
#[test]
fn loom_readers_that_bring_blocks_into_a_full_cache_count_what_is_in_memory() {
    let mut builder = loom::model::Builder::new();
    (builder.preemption_bound, builder.expect_explicit_explore) = (Some(3), true);
    builder.check(|| {
        let cache = Cache::new(4 * (BLOCK_BYTES as u64 + ENTRY_BYTES), 1);
        let table = Slots::new(6);
        (0..4).for_each(|index| assert!(!read(&cache, &table, index)));
        loom::explore();
        let others = [[4, 0], [4, 5]].map(|blocks| {
            let (cache, table) = (cache.clone(), table.clone());
            crate::sync::thread::spawn(move || blocks.map(|index| read(&cache, &table, index)))
        });
        for other in others {
            other.join().unwrap();
        }
        loom::stop_exploring();
        let held = (0..6).filter(|&index| table.with(index, |_| ()).is_some()).count() as u64;
        assert_eq!((held, cache.stats().bytes), (4, 4 * (BLOCK_BYTES as u64 + ENTRY_BYTES)));
    });
}

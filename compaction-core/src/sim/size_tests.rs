use super::*;
use std::vec::Vec;

#[test]
fn digits_that_differ_are_counted_and_averaged() {
    assert_eq!([(9, 9), (8, 9), (9, 10), (99, 100), (5, 205)].map(|(a, b)| digits_differing(a, b)), [0, 1, 2, 3, 3]);
    for gap in [1u64, 7, 30, 1_234] {
        let mean = (0..100_000).map(|at| digits_differing(at, at + gap)).sum::<u64>() / 100;
        assert!(mean.abs_diff(mean_digits_milli(gap)) <= 40, "gap {gap}: {mean} {}", mean_digits_milli(gap));
    }
}

#[test]
fn a_table_of_weighted_entries_is_as_long_as_one_of_as_many() {
    for (value, gap) in [(100, 1), (8, 20), (1_000, 3), (20_000, 1)] {
        let fill = |weight: u64, gap: u64| {
            let mut size = TableSize::new(TableFormat::default(), weight);
            (0..100_000 / weight).for_each(|at| size.add((at * gap, None), 50_000, Some(value)));
            let so_far = size.bytes_so_far();
            let Sizes { bytes, data_bytes } = size.finish(1, (0, 0));
            [bytes, data_bytes, so_far].map(|bytes| bytes as f64)
        };
        for (full, sampled) in fill(1, gap).into_iter().zip(fill(100, gap)) {
            assert!((sampled / full - 1.0).abs() < 0.002, "values of {value} B: {sampled} for {full}");
        }
    }
}

#[test]
fn no_format_and_no_size_overflows() {
    let huge = TableFormat { key_bytes: u64::MAX, filter_bits: u64::MAX, restart_entries: 0, ..TableFormat::default() };
    assert_eq!(huge.table_bytes(10, u64::MAX), u64::MAX);
    let mut size = TableSize::new(TableFormat { filter_line_bytes: 0, ..huge }, u64::MAX);
    size.add((0, None), u64::MAX, None);
    assert!(size.bytes_so_far() >= u64::MAX / 1_000);
}

/// The bytes so far, and the whole and the data of a table of these values, added up block by block.
fn added_up(format: &TableFormat, values: &[u64]) -> (u64, Sizes) {
    let (key, count) = (format.key_bytes, values.len() as u64);
    let (mut blocks, mut open) = (Vec::<Vec<u64>>::new(), Vec::<u64>::new());
    for value in values {
        let is_full = open.iter().sum::<u64>() + format.block_end_bytes >= format.block_bytes;
        if !open.is_empty() && (is_full || key + value >= format.block_bytes) {
            blocks.push(std::mem::take(&mut open));
        }
        let restart = if (open.len() as u64).is_multiple_of(format.restart_entries) { format.restart_bytes } else { 0 };
        open.push(format.entry_bytes + key + value + restart);
    }
    let block = |entries: &Vec<u64>| entries.iter().sum::<u64>() + format.block_end_bytes + format.part_bytes;
    let closed = |blocks: &[Vec<u64>]| {
        let index = blocks.len() as u64 * (key + format.index_entry_bytes);
        (blocks.iter().map(block).sum::<u64>(), index)
    };
    let (data, index) = closed(&blocks);
    let so_far = data + index + block(&open) - format.part_bytes + count * format.filter_bits / 8 + format.footer_bytes;
    blocks.push(open);
    let (data_bytes, index) = closed(&blocks);
    let filter = (count * format.filter_bits).div_ceil(8) + 1;
    let rest = format.table_bytes + format.footer_bytes + 2 * format.part_bytes + 2 * key;
    (so_far, Sizes { bytes: data_bytes + index + filter + rest, data_bytes })
}

#[test]
fn a_table_is_as_long_as_its_parts() {
    let format = TableFormat {
        key_bytes: 10,
        prefix: KeyPrefix::Whole,
        entry_bytes: 3,
        varints: false,
        block_bytes: 100,
        restart_entries: 4,
        restart_bytes: 2,
        packs: false,
        block_end_bytes: 6,
        part_bytes: 5,
        index_entry_bytes: 7,
        filter_line_bytes: 1,
        footer_bytes: 20,
        table_bytes: 9,
        ..TableFormat::default()
    };
    for values in
        [&[0][..], &[79], &[81, 0], &[82, 0], &[89, 89], &[0, 90, 0], &[5; 40], &[0, 200, 7, 7, 7, 7, 7, 7, 7, 7, 33]]
    {
        let mut size = TableSize::new(format, 1);
        (0..).zip(values).for_each(|(at, value)| size.add((at, None), 9, Some(*value)));
        assert_eq!((size.bytes_so_far(), size.finish(7, (7, 7))), added_up(&format, values), "{values:?}");
    }
}

#[test]
fn a_table_tells_its_numbers_in_as_many_bytes_as_they_take() {
    let numbers = |format: TableFormat, id, times, value| {
        let mut size = TableSize::new(format, 1);
        size.add((1, None), 300, value);
        size.numbers(id, times)
    };
    let format = TableFormat::default();
    // Its id, one entry, no tombstone, two bytes for the time and none for that of a tombstone, twice the sequence number.
    assert_eq!(numbers(format, 1, (300, 300), Some(9)), 1 + 1 + 1 + 2 + 1 + 2 + 2);
    assert_eq!(numbers(format, 300, (1, 300), None), 2 + 1 + 1 + 1 + 2 + 2 + 2);
    assert_eq!(numbers(TableFormat { varints: false, ..format }, 300, (1, 300), None), 0);
    assert_eq!(TableSize::new(format, 1).numbers(1, (1, 1)), 0);
}

//! Merges of the simulated store, and the tables they make.

use alloc::vec::Vec;

use super::Simulation;
use super::entry::{self, Entry};
use super::machine::Data;
use super::size::TableSize;
use crate::decision::Job;
use crate::strategy::CompactionStrategy;
use crate::version::Table;

impl<S: CompactionStrategy<u32>> Simulation<S> {
    /// Merges the inputs of `job`; the outputs, and the bytes read of data blocks and of whole tables.
    pub(super) fn merge(&mut self, job: &Job) -> (Vec<Table<u32>>, (u64, u64)) {
        let version = self.tree.view();
        let inputs = || version.inputs(job).flat_map(|span| version.tables().get(span.range()).unwrap_or(&[]));
        let newest_ms = inputs().map(|table| table.newest_ms).max().unwrap_or(0);
        let oldest_ms = inputs().filter_map(|table| table.oldest_tombstone_ms).min().unwrap_or(newest_ms);
        let read = inputs().map(|table| table.bytes).fold(0, u64::saturating_add);
        let cuts = self.guards(inputs().map(|table| table.min).min(), inputs().map(|table| table.max).max());
        let (runs, data_read) = self.take_inputs(job);
        let mut entries = entry::merge(runs);
        if job.bottommost() {
            entries.retain(|entry| entry.value().is_some());
        }
        let outputs = self.cut(&entries, job.table_bytes_max(), (newest_ms, oldest_ms), &cuts);
        (outputs, (data_read, read))
    }

    /// The guard keys of the strategy above `min`, up to `max`.
    pub(super) fn guards(&self, min: Option<u32>, max: Option<u32>) -> Vec<u32> {
        let (Some(mut key), Some(max)) = (min, max) else { return Vec::new() };
        let mut cuts = Vec::new();
        while let Some(guard) = self.strategy.guard_above(&key).filter(|guard| **guard > key && **guard <= max) {
            cuts.push(*guard);
            key = *guard;
        }
        cuts
    }

    /// Takes the entries of a job's inputs, run by run, the newest first, and counts the bytes of their data blocks.
    pub(super) fn take_inputs(&mut self, job: &Job) -> (Vec<Vec<Entry>>, u64) {
        let version = self.tree.view();
        let (mut runs, mut data_bytes) = (Vec::new(), 0u64);
        for span in version.inputs(job).filter(|span| !span.is_empty()) {
            let tables = version.tables().get(span.range()).unwrap_or(&[]);
            let held = |table: &Table<u32>| self.tables.get(&table.id).map_or(0, |data| data.entries.len());
            let mut run: Vec<Entry> = Vec::with_capacity(tables.iter().map(held).fold(0, usize::saturating_add));
            for data in tables.iter().filter_map(|table| self.tables.remove(&table.id)) {
                data_bytes = data_bytes.saturating_add(data.data_bytes);
                run.extend_from_slice(&data.entries);
            }
            runs.push(run);
        }
        (runs, data_bytes)
    }

    /// Makes tables of sorted entries, cut at `bytes_max` and at the keys `cuts`.
    pub(super) fn cut(
        &mut self,
        entries: &[Entry],
        bytes_max: u64,
        times: (u64, u64),
        cuts: &[u32],
    ) -> Vec<Table<u32>> {
        let (mut tables, mut from, mut cuts) = (Vec::new(), 0usize, cuts.iter().copied().peekable());
        let mut size = TableSize::new(self.store.format, self.scale);
        for (at, entry) in entries.iter().enumerate() {
            let mut passed = false;
            while cuts.next_if(|cut| *cut <= entry.key).is_some() {
                passed = true;
            }
            if at > from && (passed || size.bytes_so_far() >= bytes_max) {
                tables.extend(self.table(entries.get(from..at).unwrap_or(&[]), &size, times));
                (from, size) = (at, TableSize::new(self.store.format, self.scale));
            }
            let seqno = u64::from(entry.seqno).saturating_mul(self.scale);
            let last = entries.get(from..at).and_then(|before| before.last()).map(|last| last.key);
            let beside = self.memory.names.beside(last, entry.key);
            size.add((entry.key.into(), beside), seqno, entry.value().map(u64::from));
        }
        tables.extend(self.table(entries.get(from..).unwrap_or(&[]), &size, times));
        tables
    }

    pub(super) fn table(&mut self, entries: &[Entry], size: &TableSize, times: (u64, u64)) -> Option<Table<u32>> {
        let (first, last) = (entries.first()?, entries.last()?);
        let id = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        let sizes = size.clone().finish(id, times);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(self.scale);
        let tombstones = entries.iter().filter(|entry| entry.value().is_none()).count();
        let seqno = entries.iter().map(|entry| entry.seqno).max().unwrap_or(0);
        let table = Table::new(id, sizes.bytes, first.key, last.key)
            .entries(count(entries.len()))
            .tombstones(count(tombstones))
            .newest_ms(times.0)
            .oldest_tombstone_ms((tombstones > 0).then_some(times.1))
            .newest_seqno(u64::from(seqno).saturating_mul(self.scale));
        self.memory.settle(id, entries);
        self.tables.insert(id, Data { entries: entries.to_vec(), data_bytes: sizes.data_bytes });
        Some(table)
    }
}

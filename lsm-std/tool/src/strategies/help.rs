//! What `lsm plan --help` says of trees and settings.

/// The form of a tree, and the settings of every strategy with defaults and where they come from.
pub const HELP: &str = "\
A tree, here on several lines instead of one:
  {\"strategy\":{\"name\":\"tiered\"},\"now_ms\":0,\"entropy\":0,
   \"free_bytes\":null,\"snapshot_floor\":null,
   \"levels\":[{\"level\":0,\"runs\":[[{\"id\":4,\"bytes\":1609,
     \"min\":\"k000\",\"max\":\"k999\",\"entries\":10,\"tombstones\":0,\"newest_ms\":0,
     \"oldest_tombstone_ms\":null,\"newest_seqno\":0}]]}],
   \"busy\":[{\"inputs\":[4],\"level\":1}]}
Levels from 0 down, the runs of a level newest first, the tables of a run by
key, both ends inclusive. busy: the tables of each running job, and the level
it writes to; a bare list such as [4] writes where its oldest input lies. Only
the strategy, and min and max of a table, must be given: other numbers are 0,
lists empty; no free_bytes is no limit, no snapshot_floor no snapshot.

Settings of a strategy object, their defaults, and the source of each. null or
nothing means the default; \"none\" is no limit, which as a number is
18446744073709551615.

tiered
  size_ratio            1.0        RocksDB universal: size_ratio (in percent
                                   there); similar means larger / smaller <= 1
                                   + size_ratio
  min_merge_width       4          Cassandra size-tiered: min_threshold; at
                                   least 2
  max_merge_width       none       RocksDB universal: max_merge_width; at least
                                   2
  max_space_amp_pct     200        RocksDB universal:
                                   max_size_amplification_percent
  table_bytes_max       67108864   RocksDB: target_file_size_base
  runs_max              none       own: most runs in all, when no other rule
                                   fires
  job_bytes_max         none       RocksDB: max_compaction_bytes

leveled
  l0_runs_max           4          RocksDB: level0_file_num_compaction_trigger
  base_bytes            268435456  RocksDB: max_bytes_for_level_base
  fanout                10         RocksDB: max_bytes_for_level_multiplier; the
                                   size ratio T of the literature (O'Neil et
                                   al. 1996: best equal at all levels)
  levels_max            7          RocksDB: num_levels; 2 to 32
  table_bytes_max       67108864   RocksDB: target_file_size_base
  job_bytes_max         1677721600 RocksDB: max_compaction_bytes, 25 tables
  dynamic               true       RocksDB:
                                   level_compaction_dynamic_level_bytes
  granularity           \"table\"    or \"level\"; Sarkar et al., VLDB 2021
  tombstone_pct_max     50         RocksDB: CompactOnDeletionCollector; 100 or
                                   more is off
  tombstone_age_ms_max  none       Lethe (Sarkar et al., SIGMOD 2020): delete
                                   persistence threshold
  ttl_ms                none       RocksDB: ttl, there for files; here the
                                   tables are dropped
  intra_l0              true       RocksDB: intra-L0 compaction

lazy: as leveled, and
  runs_max              fanout-1   Dostoevsky (Dayan and Idreos, SIGMOD 2018):
                                   K, runs per level above the last
  job_bytes_max         none       as for tiered: the runs of a level merge at
                                   once

bandit: as leveled (base_bytes, fanout, levels_max, dynamic and granularity are
accepted and have no effect: its slots lie in one level), and
  max_space_amp_pct     100        as for tiered: the newer runs of all slots
                                   against the oldest ones, and what tombstones
                                   may have deleted of these
  tombstone_pct_max     50         as for leveled, and of the older entries met
  slots_max             16         slots of the key range; flushes are cut at
                                   the borders of up to 64
  cold_runs_max         128        the most runs of a slot, whatever its layout
  layout                \"auto\"     the cheapest at what is read and written in
                                   a slot; or, for all slots, one, leveled1,
                                   leveled2, leveled3, tiered2, tiered3,
                                   tiered4, tiered8 (Dayan and Idreos 2018), pile
  switch                0.9        a slot changes its layout for one that costs
                                   at most this share of the present one
  rent                  0.4        ski rental: merge once reads have paid this
                                   share of the merge's bytes, beyond the usual
  estimator             \"ucb\"      Auer et al. 2002: UCB1; or greedy, variance
                                   (epsilon + variance_k x variance), thompson
                                   (Thompson 1933), contextual (Widrow and Hoff
                                   1960)
  epsilon               0          epsilon-greedy: share of picks at random
  ucb_c                 2.0        UCB1: weight of the exploration bonus
  alpha                 0.1        weight of a new reward in the moving average
  discount              1.0        discounted UCB (Garivier and Moulines 2011):
                                   gamma
  variance_k            1.0        epsilon that follows the variance of
                                   rewards: k
  change                0          Page 1954: rewards off one way by so much in
                                   all are a change; 0: off

fifo
  bytes_max             1073741824 RocksDB FIFO: max_table_files_size
  ttl_ms                none       RocksDB FIFO: ttl
";

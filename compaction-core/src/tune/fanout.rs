//! Fan-outs of a tree without filters, for the fewest compares per operation.
//!
//! A memtable of `B` entries and levels with fan-outs `f1 .. fn` hold `K = B f1 .. fn` entries. A read searches each component
//! by bisection, a write searches the memtable and is merged once into every level, `f_i` entries being read for each that
//! sinks into level `i`:
//! ```text
//! Cr = (n+1) log2 B + n log2 f1 + (n-1) log2 f2 + .. + log2 fn
//! Ci = log2 B + f1 + .. + fn
//! compares per operation = Pr Cr + Pi Ci,  Pr + Pi = 1
//! ```
//! In the logarithms of `B` and the fan-outs the problem is convex with one linear constraint, so a Lagrange multiplier solves
//! it, bounds included. With `mu` for the multiplier times ln 2, `Pi f_i ln 2 + Pr (n + 1 - i) = mu` unless `f_i` is at a bound.
//! [`fanouts`] bisects on `t = (mu - Pr) / (Pi ln 2)`, the fan-out of the deepest level were it without bounds: each fan-out
//! above is smaller by `Pr / (Pi ln 2)` than the one below. A memtable between bounds fixes `t` by itself.

use super::TuneError;

/// So many halvings bring an interval of `f64` down to two neighbours.
const HALVINGS: usize = 1_100;
/// Shares that are off by no more than this add up.
const SHARES_OFF: f64 = 1e-6;

/// Shares of the operations, which add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// `Pr`: reads, and scans, which search each level once as a read does.
    pub reads: f64,
    /// `Pi`: writes.
    pub writes: f64,
}

/// Between what a fan-out may lie. `max` may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least. At least 1: no level is smaller than the one above.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Default for Bounds {
    /// Any fan-out from 1.
    fn default() -> Self {
        Self { min: 1.0, max: f64::INFINITY }
    }
}

/// How many entries the memtable may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Memtable {
    /// So many.
    Fixed(f64),
    /// What is best between two bounds, of which the upper may be infinite.
    Between {
        /// At least so many.
        min: f64,
        /// At most so many.
        max: f64,
    },
}

impl Memtable {
    /// Any number of entries from one.
    pub const FREE: Self = Self::Between { min: 1.0, max: f64::INFINITY };

    fn bounds(self) -> (f64, f64) {
        match self {
            Self::Fixed(entries) => (entries, entries),
            Self::Between { min, max } => (min, max),
        }
    }
}

/// How large the tree is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// `K`: entries in the deepest level.
    Entries(f64),
    /// `X`: what the fan-outs multiply to; the tree holds as many times the memtable.
    Product(f64),
}

/// A tree to be shaped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tree {
    /// What is done to it.
    pub shares: Shares,
    /// How large it is.
    pub size: Size,
    /// How large its memtable may be.
    pub memtable: Memtable,
}

/// What goes with the fan-outs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FanoutPlan {
    /// Levels.
    pub levels: usize,
    /// Entries of the memtable.
    pub memtable_entries: f64,
    /// Expected compares of an operation.
    pub compares: f64,
}

/// The best fan-outs for as many levels as there are bounds, shallowest first; they are written to `out`, which is as long.
///
/// Exact to a few units in the last place of the product. O(levels) for each of about a hundred steps of the bisection.
///
/// ```
/// use compaction_core::tune::{Bounds, Memtable, Shares, Size, Tree, fanouts};
/// let shares = Shares { reads: 0.5, writes: 0.5 };
/// let tree = Tree { shares, size: Size::Entries(1e9), memtable: Memtable::FREE };
/// let mut out = [0.0; 2];
/// let plan = fanouts(&tree, &[Bounds::default(); 2], &mut out)?;
/// assert_eq!(out.map(|fanout| (fanout * 1e3).round()), [2_885.0, 4_328.0]);
/// assert_eq!((plan.compares * 1e3).round(), 58_702.0);
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
///
/// # Errors
/// Values that are no numbers or out of range, bounds that cross, a product that no fan-outs within the bounds reach.
pub fn fanouts(tree: &Tree, bounds: &[Bounds], out: &mut [f64]) -> Result<FanoutPlan, TuneError> {
    if bounds.is_empty() || out.len() != bounds.len() {
        return Err(TuneError::Lengths { name: "fan-outs", given: out.len(), wanted: bounds.len().max(1) });
    }
    let problem = Problem { shares: tree.shares, bounds };
    problem.check()?;
    let wanted = tree.check()?;
    let possible = problem.possible();
    // Rounding may put a product that just fits a hair outside.
    let near = 1e-12;
    if wanted.1 < possible.0 * (1.0 - near) || wanted.0 > possible.1 * (1.0 + near) {
        return Err(TuneError::Product { levels: bounds.len(), wanted, possible });
    }
    let (least, most) = (wanted.0.max(possible.0), wanted.1.min(possible.1).max(wanted.0.max(possible.0)));
    let product = match tree.size {
        Size::Product(product) => product.max(possible.0).min(possible.1),
        Size::Entries(_) => problem.free_product(most).max(least).min(most),
    };
    problem.reach(product, out);
    let memtable_entries = match (tree.size, tree.memtable) {
        (_, Memtable::Fixed(entries)) => entries,
        (Size::Entries(entries), _) => entries / product_of(out),
        // Each entry of the memtable makes every level larger: as few as allowed.
        (Size::Product(_), Memtable::Between { min, .. }) => min,
    };
    let compares = compares(tree.shares, memtable_entries, out);
    Ok(FanoutPlan { levels: bounds.len(), memtable_entries, compares })
}

/// The best number of levels, from 1 to as many as `out` holds, all with the same bounds; the fan-outs are written to the front
/// of `out`.
///
/// The number of levels matters more than the fan-outs. With a memtable of any size the fewest are best, since memory is not
/// priced: it should be fixed, or bounded from above.
///
/// ```
/// use compaction_core::tune::{Bounds, Memtable, Shares, Size, Tree, levels};
/// let (size, memtable) = (Size::Entries(1e9), Memtable::Fixed(1e5));
/// let count = |reads, writes| {
///     let tree = Tree { shares: Shares { reads, writes }, size, memtable };
///     levels(&tree, Bounds::default(), &mut [0.0; 32]).map(|plan| plan.levels)
/// };
/// assert!(count(0.05, 0.95)? > count(0.95, 0.05)?);
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
///
/// # Errors
/// As [`fanouts`], where that is so for every number of levels.
pub fn levels(tree: &Tree, bounds: Bounds, out: &mut [f64]) -> Result<FanoutPlan, TuneError> {
    let mut best: Result<FanoutPlan, TuneError> =
        Err(TuneError::Lengths { name: "fan-outs", given: out.len(), wanted: 1 });
    for count in 1..=out.len() {
        let plan = same_bounds(tree, bounds, out.get_mut(..count).unwrap_or_default());
        best = match (best, plan) {
            (Ok(best), Ok(plan)) if plan.compares < best.compares => Ok(plan),
            (Ok(best), _) => Ok(best),
            // Of several reasons the last one that is about too few levels, or else the first.
            (Err(TuneError::Lengths { .. }), plan) => plan,
            (Err(error), Err(next)) => Err(if too_small(&next) { next } else { error }),
            (Err(_), Ok(plan)) => Ok(plan),
        };
    }
    let plan = best?;
    same_bounds(tree, bounds, out.get_mut(..plan.levels).unwrap_or_default())
}

/// Whether the levels are too few.
fn too_small(error: &TuneError) -> bool {
    matches!(error, TuneError::Product { wanted, possible, .. } if wanted.0 > possible.1)
}

/// Compares per operation of a tree with these fan-outs, shallowest first. O(levels).
#[must_use]
pub fn compares(shares: Shares, memtable_entries: f64, fanouts: &[f64]) -> f64 {
    let memtable = libm::log2(memtable_entries);
    let (mut reads, mut writes) = (memtable, memtable);
    let mut component = memtable;
    for fanout in fanouts {
        component += libm::log2(*fanout);
        reads += component;
        writes += fanout;
    }
    shares.reads * reads + shares.writes * writes
}

/// The fan-out that, the same at all of `levels` levels, multiplies to `product`.
#[must_use]
pub fn equal_fanout(product: f64, levels: usize) -> f64 {
    libm::exp2(libm::log2(product) / levels.max(1) as f64)
}

impl Tree {
    /// Between what the fan-outs must multiply to.
    fn check(&self) -> Result<(f64, f64), TuneError> {
        let (min, max) = self.memtable.bounds();
        TuneError::within("memtable entries", min, 1.0, f64::MAX)?;
        TuneError::within("memtable entries", max, 1.0, f64::INFINITY)?;
        if min > max {
            return Err(TuneError::Crossed { name: "memtable entries", at: 0, min, max });
        }
        match self.size {
            Size::Product(product) => {
                TuneError::within("product of the fan-outs", product, 1.0, f64::MAX)?;
                Ok((product, product))
            }
            Size::Entries(entries) => {
                TuneError::within("entries", entries, 1.0, f64::MAX)?;
                Ok((entries / max, entries / min))
            }
        }
    }
}

impl Shares {
    /// Refuses shares that are none.
    pub(super) fn check(&self) -> Result<(), TuneError> {
        TuneError::within("share of reads", self.reads, 0.0, 1.0)?;
        TuneError::within("share of writes", self.writes, 0.0, 1.0)?;
        let sum = self.reads + self.writes;
        if libm::fabs(sum - 1.0) > SHARES_OFF { Err(TuneError::Shares { sum }) } else { Ok(()) }
    }
}

fn product_of(fanouts: &[f64]) -> f64 {
    fanouts.iter().product()
}

/// Bounds for each level, shallowest first.
struct Problem<'b> {
    shares: Shares,
    bounds: &'b [Bounds],
}

/// As [`fanouts`], for levels with the same bounds.
fn same_bounds(tree: &Tree, bounds: Bounds, out: &mut [f64]) -> Result<FanoutPlan, TuneError> {
    /// More levels than logarithms of `f64` can tell apart.
    const MANY: usize = 64;
    match [bounds; MANY].get(..out.len()) {
        Some(bounds) => fanouts(tree, bounds, out),
        None => Err(TuneError::Lengths { name: "levels", given: out.len(), wanted: MANY }),
    }
}

impl Problem<'_> {
    fn check(&self) -> Result<(), TuneError> {
        self.shares.check()?;
        for (at, Bounds { min, max }) in (1usize..).zip(self.bounds.iter().copied()) {
            TuneError::within("lower bound of a fan-out", min, 1.0, f64::MAX)?;
            TuneError::within("upper bound of a fan-out", max, 1.0, f64::INFINITY)?;
            if min > max {
                return Err(TuneError::Crossed { name: "fan-out of level", at, min, max });
            }
        }
        Ok(())
    }

    /// The least and the largest product within the bounds.
    fn possible(&self) -> (f64, f64) {
        let min: f64 = self.bounds.iter().map(|bounds| bounds.min).product();
        (min, self.bounds.iter().map(|bounds| bounds.max).product())
    }

    /// By how much a fan-out is smaller than the one below it, unless at a bound.
    fn step(&self) -> f64 {
        self.shares.reads / (self.shares.writes * core::f64::consts::LN_2)
    }

    /// The product that is best where the memtable takes what is left, at most `most`.
    fn free_product(&self, most: f64) -> f64 {
        // The memtable counts n + 1 times in reads and once in writes: mu = Pr (n + 1) + Pi.
        let writes = self.shares.writes * core::f64::consts::LN_2;
        if writes <= 0.0 {
            return most;
        }
        let first = (self.shares.reads + self.shares.writes) / writes;
        let fanout = |(at, bounds): (usize, &Bounds)| (first + at as f64 * self.step()).max(bounds.min).min(bounds.max);
        self.bounds.iter().enumerate().map(fanout).product()
    }

    /// Writes the best fan-outs that multiply to `product`, which is possible.
    fn reach(&self, product: f64, out: &mut [f64]) {
        if self.step().is_finite() {
            self.bisect(product, out);
        } else {
            self.set(0.0, out);
        }
        self.settle(product, out);
    }

    /// The fan-outs where the deepest one would be `t` without bounds.
    fn set(&self, t: f64, out: &mut [f64]) {
        let mut fanout = t;
        for (out, bounds) in out.iter_mut().zip(self.bounds).rev() {
            *out = fanout.max(bounds.min).min(bounds.max);
            fanout -= self.step();
        }
    }

    fn bisect(&self, product: f64, out: &mut [f64]) {
        // From where all are at their lower bound to where each is at its upper bound or alone enough.
        let (mut low, mut high) = (0.0, product + self.step() * out.len() as f64 + 1.0);
        for _ in 0..HALVINGS {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                break;
            }
            self.set(middle, out);
            if product_of(out) < product { low = middle } else { high = middle }
        }
        self.set(low, out);
    }

    /// Multiplies what is missing into the fan-outs from the deepest up, within the bounds: after a bisection that is
    /// rounding; without writes it is everything, as a read searches the deepest level only once.
    fn settle(&self, product: f64, out: &mut [f64]) {
        let mut missing = product / product_of(out);
        for (fanout, bounds) in out.iter_mut().zip(self.bounds).rev() {
            let next = (*fanout * missing).max(bounds.min).min(bounds.max);
            missing *= *fanout / next;
            *fanout = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fan_outs_without_bounds_differ_by_one_step() {
        let shares = Shares { reads: 0.7, writes: 0.3 };
        let problem = Problem { shares, bounds: &[Bounds::default(); 4] };
        let mut out = [0.0; 4];
        problem.reach(10_000.0, &mut out);
        for pair in out.windows(2) {
            assert!((pair[1] - pair[0] - problem.step()).abs() < 1e-9, "{out:?}");
        }
        assert!((product_of(&out) / 10_000.0 - 1.0).abs() < 1e-14);
    }
}

//! Why there is no answer, and which question would have one.

use core::fmt;

/// An input that makes no sense, or limits that nothing can keep. The text names the values and what would be possible.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TuneError {
    /// A value outside its range, or not a number.
    OutOfRange {
        /// What it is.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The least that is allowed.
        min: f64,
        /// The largest that is allowed; infinite for no limit.
        max: f64,
    },
    /// The shares of the operations do not add up to 1.
    Shares {
        /// What they add up to.
        sum: f64,
    },
    /// Bounds of which the lower lies above the upper.
    Crossed {
        /// What they bound.
        name: &'static str,
        /// Which of several, from 1; 0 where there is only one.
        at: usize,
        /// The lower one.
        min: f64,
        /// The upper one.
        max: f64,
    },
    /// No fan-outs within their bounds multiply to what the tree needs.
    Product {
        /// Levels.
        levels: usize,
        /// What they would have to multiply to, at least and at most.
        wanted: (f64, f64),
        /// The least and the largest that they can.
        possible: (f64, f64),
    },
    /// Slices of different lengths, or empty ones.
    Lengths {
        /// What the first one holds.
        name: &'static str,
        /// How long it is.
        given: usize,
        /// How long it would have to be.
        wanted: usize,
    },
    /// No layout keeps both limits.
    Limits {
        /// The largest write amplification allowed, and the least that any layout reaches within the other limit; infinite
        /// where that limit alone cannot be kept.
        write_amp: (f64, f64),
        /// The same for space amplification.
        space_amp: (f64, f64),
    },
}

impl TuneError {
    /// Refuses what is no number or lies outside `min..=max`.
    pub(super) fn within(name: &'static str, value: f64, min: f64, max: f64) -> Result<(), Self> {
        if value >= min && value <= max { Ok(()) } else { Err(Self::OutOfRange { name, value, min, max }) }
    }
}

impl fmt::Display for TuneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { name, value, min, max: f64::INFINITY } => {
                write!(f, "{name} is {value}, must be at least {}", Short(min))
            }
            Self::OutOfRange { name, value, min, max } => {
                write!(f, "{name} is {value}, must lie in {}..={}", Short(min), Short(max))
            }
            Self::Shares { sum } => write!(f, "the shares of the operations add up to {sum}, must add up to 1"),
            Self::Crossed { name, at: 0, min, max } => {
                write!(f, "{name}: the lower bound {min} lies above the upper bound {max}")
            }
            Self::Crossed { name, at, min, max } => {
                write!(f, "{name} {at}: the lower bound {min} lies above the upper bound {max}")
            }
            Self::Product { levels, wanted, possible } => product(f, levels, wanted, possible),
            Self::Lengths { name, given, wanted } => write!(f, "{name}: {given} given, {wanted} needed"),
            Self::Limits { write_amp, space_amp } => limits(f, write_amp, space_amp),
        }
    }
}

impl core::error::Error for TuneError {}

fn product(f: &mut fmt::Formatter<'_>, levels: usize, wanted: (f64, f64), possible: (f64, f64)) -> fmt::Result {
    let ending = if levels == 1 { "" } else { "s" };
    write!(f, "the fan-outs of {levels} level{ending} can multiply to {}, ", Span(possible))?;
    write!(f, "the tree needs {}: ", Span(wanted))?;
    if wanted.1 < possible.0 {
        let times = possible.0 / wanted.1;
        write!(f, "fewer levels, lower bounds, or a memtable {} times smaller would do", Short(times))
    } else {
        let times = wanted.0 / possible.1;
        write!(f, "more levels, higher bounds, or a memtable {} times larger would do", Short(times))
    }
}

fn limits(f: &mut fmt::Formatter<'_>, write_amp: (f64, f64), space_amp: (f64, f64)) -> fmt::Result {
    f.write_str("no layout keeps ")?;
    let both = write_amp.0.is_finite() && space_amp.0.is_finite();
    let mut between = "";
    for (name, (limit, least)) in [("write", write_amp), ("space", space_amp)] {
        if !limit.is_finite() {
            continue;
        }
        write!(f, "{between}{name} amplification at most {}: ", Short(limit))?;
        between = "; ";
        match (least.is_finite(), both) {
            (true, true) => write!(f, "{} is the least within the other limit", Short(least))?,
            (true, false) => write!(f, "{} is the least", Short(least))?,
            (false, _) => f.write_str("nothing keeps the other limit")?,
        }
    }
    Ok(())
}

/// Two ends, or one number where they meet.
struct Span((f64, f64));

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.0;
        match (least == most, most.is_finite()) {
            (true, _) => write!(f, "{}", Short(least)),
            (false, true) => write!(f, "{} to {}", Short(least), Short(most)),
            (false, false) => write!(f, "{} and more", Short(least)),
        }
    }
}

/// A number with as many digits as are worth reading.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        match libm::fabs(value) {
            _ if value == libm::trunc(value) && libm::fabs(value) < 1e15 => write!(f, "{value}"),
            large if large >= 1e9 => write!(f, "{value:.3e}"),
            middle if middle >= 0.01 => write!(f, "{value:.3}"),
            _ => write!(f, "{value:.3e}"),
        }
    }
}

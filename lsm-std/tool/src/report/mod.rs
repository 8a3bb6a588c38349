//! The report of `lsm compare` and `lsm sim`: one HTML file that needs nothing else.

mod decisions;
mod learning;
mod plots;
mod svg;
mod table;

use compaction_core::sim::Prices;

use std::fmt::Write;

use crate::compare::Outcome;
use crate::human::{bytes, three_digits};
use crate::strategies::Strategy;
use svg::escape;

/// All that a report shows.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was run: the trace's or the workload's name.
    pub load: String,
    /// What there is to know about it, a sentence each.
    pub notes: Vec<String>,
    /// One per strategy, in the order asked for.
    pub outcomes: Vec<Outcome>,
    /// How the cost was priced.
    pub prices: Prices,
    /// What a timed write is, in words.
    pub write_unit: &'static str,
    /// Whether the figures are a simulator's; else the engine's.
    pub is_simulated: bool,
}

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The whole page.
    pub fn render(&self) -> String {
        let (command, what) = match self.is_simulated {
            true => ("sim", "simulated"),
            false => ("compare", "compared"),
        };
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>lsm {command}: {0}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Compaction strategies {what}: {0}</h1>\n",
            escape(&self.load)
        );
        let _ = writeln!(html, "<p class=\"notes\">{}</p>", escape(&self.notes.join(" ")));
        let _ = writeln!(html, "<p class=\"verdict\">{}</p>", escape(&self.verdict()));
        table::summary(self, &mut html);
        plots::over_time(self, &mut html);
        plots::shapes(self, &mut html);
        learning::write(self, &mut html);
        decisions::write(self, &mut html);
        table::glossary(self, &mut html);
        html.push_str("</body>\n</html>\n");
        html
    }

    /// Which strategy did best, in a sentence.
    pub fn verdict(&self) -> String {
        let cost = |outcome: &Outcome| outcome.last().counts.cost(&self.prices);
        let Some(best) = self.outcomes.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))) else {
            return "No strategy was run.".to_owned();
        };
        let mut text =
            format!("Cheapest by cost per operation: {} ({}).", best.strategy.name(), bytes(cost(best) as u64));
        let rest: Vec<String> = self
            .outcomes
            .iter()
            .filter(|outcome| outcome.strategy != best.strategy)
            .map(|outcome| {
                format!("{} {}×", outcome.strategy.name(), three_digits(cost(outcome) / cost(best).max(1e-9)))
            })
            .collect();
        if !rest.is_empty() {
            let _ = write!(text, " The others cost: {}.", rest.join(", "));
        }
        let least = |name: &str, of: fn(&Outcome) -> f64| {
            let best = self.outcomes.iter().min_by(|a, b| of(a).total_cmp(&of(b)));
            best.map_or(String::new(), |best| {
                format!(" Least {name}: {} ({}).", best.strategy.name(), three_digits(of(best)))
            })
        };
        text + &least("write amplification", |outcome| outcome.last().counts.write_amp())
            + &least("read amplification", |outcome| outcome.last().counts.read_amp())
            + &least("space amplification", |outcome| outcome.last().space_amp())
    }
}

/// The colour of a strategy, from a palette that colour-blind readers can tell apart.
fn colour(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Tiered => "#0072b2",
        Strategy::Leveled => "#d55e00",
        Strategy::Lazy => "#009e73",
        Strategy::Bandit => "#cc79a7",
        Strategy::Fifo => "#7a6a00",
    }
}

/// The dashes of a strategy's line.
fn dashes(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Tiered | Strategy::Leveled => "",
        Strategy::Lazy => "6 4",
        Strategy::Bandit => "2 2",
        Strategy::Fifo => "9 3 2 3",
    }
}

/// The colour of a level, darker with depth.
fn level_colour(level: u8) -> &'static str {
    const COLOURS: [&str; 8] = ["#f2c14e", "#8fcfa5", "#4fae9f", "#2f8a9a", "#2b658c", "#34427c", "#33265e", "#1e1238"];
    COLOURS[usize::from(level).min(COLOURS.len() - 1)]
}

//! What the bandit picked, and how that paid.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::plots::{MIB, chart};
use super::svg::{Chart, Series};
use super::{Report, colour};
use crate::compare::Outcome;
use crate::figures::{Job, Pick};
use crate::human::{bytes, count, grouped};

/// The share of exploration is one of so many picks.
const PICKS_SEEN: usize = 100;
/// Bars of the histogram of scores.
const BARS: usize = 24;

/// What is known of a slot.
#[derive(Default)]
struct OfSlot {
    picks: u64,
    explored: u64,
    /// Mean reward in thousandths, as of the last pick.
    mean_milli: u64,
    written_bytes: u64,
}

/// Writes, for each strategy that picks slots: the share of exploration, picks and reward of each slot, scores.
pub fn write(report: &Report, html: &mut String) {
    for outcome in &report.outcomes {
        let picks: Vec<(&Job, Pick)> = outcome.jobs.iter().filter_map(|job| Some((job, job.pick?))).collect();
        if picks.is_empty() {
            continue;
        }
        let explored = picks.iter().filter(|(_, pick)| pick.explored).count();
        let new = picks.iter().filter(|(_, pick)| pick.score_milli == u64::MAX).count();
        let _ = writeln!(
            html,
            "<h2>What the {} picked</h2>\n<p class=\"hint\">{} of slots: {:.0} % by luck, to explore; {} of slots never \
             merged before, which come first.</p>\n<div class=\"plots\">",
            outcome.strategy.name(),
            count(picks.len() as u64, "pick"),
            explored as f64 / picks.len() as f64 * 100.0,
            grouped(new as u64)
        );
        html.push_str(&exploration(outcome, &picks).render());
        html.push_str(&scores(outcome, &picks).render());
        html.push_str("\n</div>\n");
        slots(&picks, html);
    }
}

fn line(outcome: &Outcome, points: Vec<(f64, f64)>) -> Vec<Series> {
    let (name, colour) = (outcome.strategy.name().to_owned(), colour(outcome.strategy));
    vec![Series { name, colour, dashes: "", end: points.last().map_or(0.0, |point| point.1), points }]
}

/// The share of picks by luck over time, of the last [`PICKS_SEEN`].
fn exploration(outcome: &Outcome, picks: &[(&Job, Pick)]) -> Chart {
    let share = |at: usize| {
        let last = &picks[(at + 1).saturating_sub(PICKS_SEEN)..=at];
        last.iter().filter(|(_, pick)| pick.explored).count() as f64 / last.len() as f64 * 100.0
    };
    let points = (0..picks.len()).map(|at| (picks[at].0.at_user_bytes as f64 / MIB, share(at))).collect();
    chart("Exploration over time".to_owned(), "picks by luck, of the last 100 (%)", line(outcome, points), false)
}

/// How often a slot was picked with which score, as steps; those never picked before have none.
fn scores(outcome: &Outcome, picks: &[(&Job, Pick)]) -> Chart {
    let known = picks.iter().map(|(_, pick)| pick.score_milli).filter(|score| *score != u64::MAX);
    let scores: Vec<f64> = known.map(|score| score as f64 / 1e3).collect();
    let width = scores.iter().copied().fold(0.0, f64::max).max(1e-3) / BARS as f64;
    let mut found = [0u32; BARS];
    for score in scores {
        found[((score / width) as usize).min(BARS - 1)] += 1;
    }
    let step = |(at, picks): (usize, &u32)| {
        [(at as f64 * width, f64::from(*picks)), ((at + 1) as f64 * width, f64::from(*picks))]
    };
    let points = found.iter().enumerate().flat_map(step).collect();
    let bars = chart("Scores of the slots picked".to_owned(), "picks", line(outcome, points), true);
    Chart { x_label: "score".to_owned(), ..bars }
}

/// A line for each slot, those picked most often first.
fn slots(picks: &[(&Job, Pick)], html: &mut String) {
    let mut of_slots: BTreeMap<u32, OfSlot> = BTreeMap::new();
    for (job, pick) in picks {
        let slot = of_slots.entry(pick.slot).or_default();
        slot.picks += 1;
        slot.explored += u64::from(pick.explored);
        slot.mean_milli = pick.mean_milli;
        slot.written_bytes += job.written_bytes;
    }
    let mut of_slots: Vec<(u32, OfSlot)> = of_slots.into_iter().collect();
    of_slots.sort_by_key(|(_, slot)| std::cmp::Reverse(slot.picks));
    html.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>slot</th><th>picks</th><th>of all picks</th><th>by luck</th>\
         <th>mean reward</th><th class=\"left\"></th><th>written</th></tr></thead><tbody>\n",
    );
    for (name, slot) in of_slots {
        let reward = slot.mean_milli as f64 / 1e3;
        let _ = writeln!(
            html,
            "<tr><td>{name}</td><td>{}</td><td>{:.1} %</td><td>{}</td><td>{reward:.3}</td>\
             <td class=\"left\"><span class=\"bar\" style=\"width:{:.0}px\"></span></td><td>{}</td></tr>",
            grouped(slot.picks),
            slot.picks as f64 / picks.len() as f64 * 100.0,
            grouped(slot.explored),
            reward.min(1.0) * 120.0,
            bytes(slot.written_bytes)
        );
    }
    html.push_str(
        "</tbody></table></div>\n<p class=\"hint\">A reward, 0 to 1, is what a merge won: runs saved and heat for bytes \
         written. The mean is that of before the slot's last pick.</p>\n",
    );
}

//! Numbers and tables for people.

use std::io::{self, Write};

/// Bytes with a binary unit and three digits or so: `812 B`, `1.57 KiB`, `23.4 MiB`, `640 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // 999.5 would round to four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A number with three significant digits, none behind the point from 100 on.
pub fn three_digits(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// A whole number with a thin space between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `text` with its byte counts, numbers before ` B`, in units: `347019 B` becomes `339 KiB`.
pub fn with_units(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let rest = words.peek().and_then(|next| next.strip_prefix('B'));
        let rest = rest.filter(|rest| !rest.starts_with(char::is_alphanumeric));
        match (word.parse(), rest) {
            (Ok(number), Some(rest)) => {
                out += &bytes(number);
                out += rest;
                words.next();
            }
            _ => out += word,
        }
        if words.peek().is_some() {
            out.push(' ');
        }
    }
    out
}

/// `1 table`, `3 tables`, `2 batches`.
pub fn count(number: u64, noun: &str) -> String {
    let ending = match noun {
        _ if number == 1 => "",
        "batch" => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

/// Microseconds with a unit: `17 µs`, `1.20 ms`, `2.35 s`.
pub fn micros(micros: f64) -> String {
    match micros {
        us if us < 999.5 => format!("{} µs", three_digits(us)),
        us if us < 999_500.0 => format!("{} ms", three_digits(us / 1e3)),
        us => format!("{} s", three_digits(us / 1e6)),
    }
}

/// Writes rows with their cells aligned to the right.
///
/// # Errors
/// Those of `out`.
pub fn write_rows(rows: &[(String, Vec<String>)], out: &mut dyn Write) -> io::Result<()> {
    let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|(_, cells)| cells.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, cells) in rows {
        write!(out, "{name:<names$}")?;
        for (cell, width) in cells.iter().zip(&widths) {
            write!(out, "  {cell:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_in_a_sentence_get_units_and_nothing_else_changes() {
        let text = "all runs hold 347019 B, over 200 % more than 7 Bytes of 95516 B; 12  B 1024 B";
        assert_eq!(with_units(text), "all runs hold 339 KiB, over 200 % more than 7 Bytes of 93.3 KiB; 12  B 1.00 KiB");
        assert_eq!(with_units(""), "");
    }

    #[test]
    fn numbers_keep_about_three_digits_and_get_the_right_unit() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(1_023_900), "0.98 MiB");
        assert_eq!(bytes(64 << 20), "64.0 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(micros(17.04), "17.0 µs");
        assert_eq!(micros(1_204.0), "1.20 ms");
        assert_eq!(micros(2_350_000.0), "2.35 s");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
        assert_eq!(count(1, "run"), "1 run");
        assert_eq!(count(0, "run"), "0 runs");
        assert_eq!((count(1, "batch"), count(2, "batch")), ("1 batch".into(), "2 batches".into()));
    }
}

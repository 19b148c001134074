//! Lengths of time and sizes, as people write them: a number and a unit.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What a length of time looks like.
pub(super) const TIME_SHAPE: &str = "a number and a unit (ms, s, m, h or d), such as \"5s\"";

/// What a size looks like.
pub(super) const SIZE_SHAPE: &str =
    "a number and a unit (B, KiB, MiB, GiB or TiB), such as \"64MiB\"";

const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a length of time within `range`, such as `5s`; the units are ms, s, m, h
/// and d. The error says in the user's words what is wrong.
pub fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = parse_duration(text)
        .ok_or_else(|| format!("write {TIME_SHAPE}, not \"{}\"", text.escape_debug()))?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let [from, to, found] = [*range.start(), *range.end(), duration].map(show_duration);
    Err(format!("must be between {from} and {to}, not {found}"))
}

/// Reads a size in bytes within `range`, such as `64MiB`; the units are B, KiB,
/// MiB, GiB and TiB. The error says in the user's words what is wrong.
pub fn bytes(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let bytes = parse_bytes(text)
        .ok_or_else(|| format!("write {SIZE_SHAPE}, not \"{}\"", text.escape_debug()))?;
    bytes_within(bytes, range)
}

/// A number of bytes, if it is within `range`.
pub(super) fn bytes_within(bytes: u64, range: RangeInclusive<usize>) -> Result<usize, String> {
    let outside = || {
        let [from, to] = [*range.start(), *range.end()].map(|bound| show_bytes(bound as u64));
        format!("must be between {from} and {to}, not {}", show_bytes(bytes))
    };
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| range.contains(bytes))
        .ok_or_else(outside)
}

/// Reads `5s`. None if it is no length of time.
fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &TIMES).map(Duration::from_millis)
}

/// Writes `5s`, in the largest unit that needs no fraction. Rounds down to
/// milliseconds.
fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, &TIMES)
}

/// Reads `64MiB`, in bytes. None if it is no size.
fn parse_bytes(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// Writes `64MiB`, in the largest unit that needs no fraction.
fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(number: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .rev()
        .find(|(_, factor)| number >= *factor && number.is_multiple_of(*factor))
        .map_or_else(
            || number.to_string(),
            |(name, factor)| format!("{}{name}", number / factor),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        let check = |text, millis: Option<u64>| {
            assert_eq!(
                parse_duration(text),
                millis.map(Duration::from_millis),
                "{text}"
            );
        };
        check("250ms", Some(250));
        check("5s", Some(5_000));
        check("5 m", Some(300_000));
        check("2h", Some(7_200_000));
        check("1d", Some(86_400_000));
        for bad in [
            "", "5", "s", "-5s", "1.5s", "5S", "5sec", "1h30m", " 5s", "ä",
        ] {
            check(bad, None);
        }
        check("99999999999999999d", None);
    }

    #[test]
    fn a_size_is_a_number_and_a_binary_unit() {
        let check = |text, bytes| assert_eq!(parse_bytes(text), bytes, "{text}");
        check("100B", Some(100));
        check("64KiB", Some(65_536));
        check("64 MiB", Some(67_108_864));
        check("1GiB", Some(1_073_741_824));
        for bad in ["64", "64MB", "64mib", "MiB", "99999999999GiB"] {
            check(bad, None);
        }
    }

    #[test]
    fn shows_the_largest_unit_that_fits() {
        assert_eq!(show_duration(Duration::from_secs(900)), "15m");
        assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(show_duration(Duration::ZERO), "0");
        assert_eq!(show_bytes(512 << 20), "512MiB");
    }
}

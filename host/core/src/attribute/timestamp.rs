//! The syntax of a timestamp, and the moment that it means. The text itself is
//! kept as received.

/// The days from the first of the year 0 to the first of 1970.
const DAYS_TO_1970: i64 = 719_528;

/// The moment, in milliseconds since 1970, of a `date-time` of RFC 3339, section
/// 5.6, with the ranges of section 5.7; none if the text is not one.
///
/// A second 60 is allowed where a leap second can be: in the last minute of a
/// day in UTC. Which days had one is not known here, and it means the same
/// moment as the second after it.
pub(super) fn millis(text: &str) -> Option<i64> {
    let mut rest = text;
    date_time(&mut rest).filter(|_| rest.is_empty())
}

fn date_time(rest: &mut &str) -> Option<i64> {
    let days = date(rest)?;
    one_of(rest, "Tt")?;
    let hour = number(rest, 2, 0..=23)?;
    one_of(rest, ":")?;
    let minute = number(rest, 2, 0..=59)?;
    one_of(rest, ":")?;
    let second = number(rest, 2, 0..=60)?;
    let millis = fraction(rest)?;
    let offset = offset_minutes(rest)?;
    let minute_of_day = (hour * 60 + minute - offset).rem_euclid(24 * 60);
    if second == 60 && minute_of_day != 24 * 60 - 1 {
        return None;
    }
    let minutes = days * 24 * 60 + i64::from(hour * 60 + minute - offset);
    Some((minutes * 60 + i64::from(second)) * 1000 + millis)
}

/// Takes a date, as days since 1970.
fn date(rest: &mut &str) -> Option<i64> {
    let year = number(rest, 4, 0..=9999)?;
    one_of(rest, "-")?;
    let month = number(rest, 2, 1..=12)?;
    one_of(rest, "-")?;
    let day = number(rest, 2, 1..=days_in(year, month))?;
    let months: i32 = (1..month).map(|month| days_in(year, month)).sum();
    Some(days_before(i64::from(year)) + i64::from(months + day - 1) - DAYS_TO_1970)
}

/// The days from the first of the year 0, which was a leap year, to the first of
/// this one.
fn days_before(year: i64) -> i64 {
    365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400
}

fn days_in(year: i32, month: i32) -> i32 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Takes the fraction of a second, if one is there: a dot and at least one digit.
/// Gives back the whole milliseconds.
fn fraction(rest: &mut &str) -> Option<i64> {
    let Some(digits) = rest.strip_prefix('.') else {
        return Some(0);
    };
    *rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == digits.len() {
        return None;
    }
    let millis = [100, 10, 1].iter().zip(digits.chars());
    Some(
        millis
            .map_while(|(unit, c)| Some(unit * i64::from(c.to_digit(10)?)))
            .sum(),
    )
}

fn offset_minutes(rest: &mut &str) -> Option<i32> {
    let sign = match one_of(rest, "Zz+-")? {
        '+' => 1,
        '-' => -1,
        _ => return Some(0),
    };
    let hour = number(rest, 2, 0..=23)?;
    one_of(rest, ":")?;
    let minute = number(rest, 2, 0..=59)?;
    Some(sign * (hour * 60 + minute))
}

/// Takes exactly so many digits that make a number in the range.
fn number(rest: &mut &str, digits: usize, range: std::ops::RangeInclusive<i32>) -> Option<i32> {
    let (head, tail) = rest.split_at_checked(digits)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    *rest = tail;
    head.parse().ok().filter(|number| range.contains(number))
}

/// Takes one of these characters.
fn one_of(rest: &mut &str, allowed: &str) -> Option<char> {
    let mut chars = rest.chars();
    let c = chars.next().filter(|c| allowed.contains(*c))?;
    *rest = chars.as_str();
    Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: bool) {
        assert_eq!(millis(text).is_some(), expected, "{text:?}");
    }

    #[test]
    fn takes_what_rfc_3339_takes() {
        for text in [
            "2018-04-05T17:31:00Z",
            "1985-04-12t23:20:50.52z",
            "1996-12-19T16:39:57-08:00",
            "1937-01-01T12:00:27.87+00:20",
            "2026-01-31T12:00:00.123456789Z",
            "2026-01-31T12:00:00.12345678901234567890Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2024-02-29T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "2026-01-31T12:00:00-00:00",
            "2026-01-31T12:00:00+23:59",
            // The leap second of 1990, in UTC and two local times (section 5.8).
            "1990-12-31T23:59:60Z",
            "1990-12-31T15:59:60-08:00",
            "1991-01-01T05:29:60.5+05:30",
        ] {
            check(text, true);
        }
    }

    #[test]
    fn means_the_moment_that_it_names() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.0019Z", 1),
            ("1969-12-31T23:59:59.9Z", -100),
            ("2001-09-09T03:46:40+02:00", 1_000_000_000_000),
            ("2000-02-29T12:00:00.25Z", 951_825_600_250),
            ("1990-12-31T15:59:60-08:00", 662_688_000_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(millis(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_rfc_3339_refuses() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00+01",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+01:60",
            "2026-01-31T12:00:00Z ",
            " 2026-01-31T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:61Z",
            "2026-01-31T12:00:60Z",
            "1990-12-31T23:59:60-08:00",
            "2026-00-10T12:00:00Z",
            "2026-13-10T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "2026-01-32T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "+026-01-31T12:00:00Z",
            "２026-01-31T12:00:00Z",
            "Sat, 31 Jan 2026 12:00:00 GMT",
            "1769860800",
        ] {
            check(text, false);
        }
    }
}

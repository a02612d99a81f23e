//! Days and moments without a clock: the present always comes in as an argument.
//! Calendar arithmetic is the proleptic Gregorian calendar of ISO 8601.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A calendar day, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// A moment in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Date {
    /// A day from year, month and day of the month; `None` when there is no such day.
    pub fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        if day == 0 || day > days_in(year, month) {
            return None;
        }
        // Days from civil: years start in March so that the leap day is the last of them.
        let shifted = i64::from(year) - i64::from(month <= 2);
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let month_index = i64::from((month + 9) % 12);
        let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        i32::try_from(era * 146_097 + day_of_era - 719_468).ok().map(Self)
    }
    /// Parses the first ten characters of `YYYY-MM-DD…`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let part = |range| text.get(range).filter(|digits: &&str| digits.bytes().all(|b| b.is_ascii_digit()));
        Self::new(part(0..4)?.parse().ok()?, part(5..7)?.parse().ok()?, part(8..10)?.parse().ok()?)
    }
    /// Year, month and day of the month.
    pub fn civil(self) -> (i32, u32, u32) {
        let days = i64::from(self.0) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year as i32, month as u32, day as u32)
    }
    /// Whole days from `self` to `later`; negative when `later` is earlier.
    pub fn days_until(self, later: Date) -> i64 {
        i64::from(later.0) - i64::from(self.0)
    }
}

fn days_in(year: i32, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Timestamp {
    /// The day (UTC) of the moment.
    pub fn date(self) -> Date {
        Date(self.0.div_euclid(86_400).clamp(-700_000, 2_900_000) as i32)
    }
    /// Parses RFC 3339 (`2024-05-01T10:20:30.5Z`, `…+02:00`) or a bare day.
    pub fn parse(text: &str) -> Option<Self> {
        let day = Date::parse(text)?;
        let start = i64::from(day.0) * 86_400;
        let rest = text.get(10..)?;
        if rest.is_empty() {
            return Some(Self(start));
        }
        let number = |range| rest.get(range).and_then(|digits: &str| digits.parse::<i64>().ok());
        let (hour, minute) = (number(1..3)?, number(4..6)?);
        let second = number(7..9).unwrap_or(0);
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
            return None;
        }
        let zone = rest.get(9..).map_or(0, |tail| zone_seconds(tail).unwrap_or(0));
        Some(Self(start + hour * 3_600 + minute * 60 + second - zone))
    }
}

fn zone_seconds(tail: &str) -> Option<i64> {
    let at = tail.find(['+', '-'])?;
    let zone = &tail[at..];
    let hours: i64 = zone.get(1..3)?.parse().ok()?;
    let minutes: i64 = zone.get(4..6).unwrap_or("0").parse().ok()?;
    let seconds = hours * 3_600 + minutes * 60;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.rem_euclid(86_400);
        write!(f, "{}T{:02}:{:02}:{:02}Z", self.date(), second / 3_600, second / 60 % 60, second % 60)
    }
}

macro_rules! as_text {
    ($type:ty, $inner:ty, $what:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return <$inner>::deserialize(deserializer).map(Self);
                }
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("not a ", $what)))
            }
        }
    };
}
as_text!(Date, i32, "date (YYYY-MM-DD)");
as_text!(Timestamp, i64, "time (RFC 3339)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_round_trip() {
        for day in -200_000..200_000 {
            let date = Date(day);
            let (y, m, d) = date.civil();
            if (1..=9999).contains(&y) {
                assert_eq!(Date::new(y, m, d), Some(date));
            }
        }
        assert_eq!(Date::new(1970, 1, 1), Some(Date(0)));
        assert_eq!(Date::parse("2026-11-24").map(|d| d.0), Some(20_781));
    }

    #[test]
    fn moments() {
        let cases = [
            ("2024-05-01T10:20:30Z", "2024-05-01T10:20:30Z"),
            ("2024-05-01T10:20:30.123456Z", "2024-05-01T10:20:30Z"),
            ("2024-05-01T00:20:30+02:00", "2024-04-30T22:20:30Z"),
            ("2024-05-01", "2024-05-01T00:00:00Z"),
        ];
        for (input, output) in cases {
            assert_eq!(Timestamp::parse(input).expect(input).to_string(), output);
        }
        for bad in ["", "x", "2024-13-01", "2024-02-30", "2024-05-01T99:00:00Z", "é024-01-011"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }
}

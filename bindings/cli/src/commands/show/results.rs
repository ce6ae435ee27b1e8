//! Results as people compare them: one row per test, the newest value and where it is going.

use pocketchart_core::fhir::summary::{
    BloodPressure, RecordSummary, day, interpretation, measured, reference_range,
};
use serde_json::{Value, json};

/// Values a trend holds at most.
const TREND: usize = 10;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One test with its newest value.
pub(super) struct Test {
    key: String,
    pub(super) what: String,
    pub(super) when: Option<String>,
    pub(super) value: String,
    /// By the laboratory, else by the reference range: "high", "low".
    flag: Option<String>,
    pub(super) range: Option<String>,
    /// The last numbers in the newest one's unit, oldest first.
    pub(super) trend: Vec<f64>,
    unit: Option<String>,
    pub(super) group: Group,
}

/// Where a test stands in the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Vital,
    Laboratory,
    Other,
}

/// One blood pressure.
pub(super) struct Pressure {
    pub(super) when: Option<String>,
    pub(super) value: BloodPressure,
    /// As a row shows it, flag included.
    pub(super) words: String,
}

impl Pressure {
    pub(super) fn object(&self) -> Value {
        json!({ "when": self.when, "systolic": self.value.systolic, "diastolic": self.value.diastolic })
    }
}

impl Test {
    /// The value; with its flag where the laboratory did not give one that stands in it already.
    pub(super) fn flagged(&self) -> String {
        match &self.flag {
            Some(flag) if !self.value.ends_with(')') => format!("{} ({flag})", self.value),
            _ => self.value.clone(),
        }
    }

    pub(super) fn object(&self) -> Value {
        json!({
            "what": self.what,
            "when": self.when,
            "value": self.value,
            "flag": self.flag,
            "reference_range": self.range,
            "trend": self.trend,
            "group": match self.group {
                Group::Vital => "vital-signs",
                Group::Laboratory => "laboratory",
                Group::Other => "other",
            },
        })
    }
}

/// Blood pressures, newest first as they came.
pub(super) fn pressures(observations: &[Value]) -> Vec<Pressure> {
    let one = |observation: &Value| {
        Some(Pressure {
            value: BloodPressure::of(observation)?,
            when: RecordSummary::of(observation, &|_| None).when,
            words: measured(observation)?,
        })
    };
    observations.iter().filter_map(one).take(TREND).collect()
}

/// One test per code, of observations newest first. Blood pressures have a place of their own.
pub(super) fn group(observations: &[Value]) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    let readable = observations
        .iter()
        .filter(|o| BloodPressure::of(o).is_none());
    for observation in readable {
        let row = RecordSummary::of(observation, &|_| None);
        let key = key(observation).unwrap_or_else(|| row.what.clone());
        let (number, unit) = number(observation);
        if let Some(test) = tests.iter_mut().find(|test| test.key == key) {
            if test.unit == unit && !test.trend.is_empty() && test.trend.len() < TREND {
                test.trend.extend(number);
            }
            continue;
        }
        tests.push(Test {
            key,
            what: row.what,
            when: row.when,
            value: measured(observation).unwrap_or_else(|| "no value".into()),
            flag: interpretation(observation).or_else(|| by_range(observation, number)),
            range: reference_range(observation),
            trend: number.into_iter().collect(),
            unit,
            group: group_of(observation),
        });
    }
    for test in &mut tests {
        test.trend.reverse();
    }
    let day_of = |test: &Test| test.when.as_deref().map(day).map(str::to_owned);
    tests.sort_by_cached_key(|test| {
        let newest_first = std::cmp::Reverse(day_of(test));
        // What somebody has to look at, then what was measured, then what was seen.
        let rank = (test.flag.is_none(), test.trend.is_empty());
        (test.group, newest_first, rank, test.what.to_lowercase())
    });
    tests
}

/// What makes two observations the same test.
fn key(observation: &Value) -> Option<String> {
    let code = observation.get("code")?;
    let coding = code.get("coding").and_then(|c| c.get(0));
    let part = |name| coding.and_then(|c| c.get(name)).and_then(Value::as_str);
    match part("code") {
        Some(code) => Some(format!("{}|{code}", part("system").unwrap_or_default())),
        None => code.get("text").and_then(Value::as_str).map(str::to_owned),
    }
}

/// A number that can stand in a trend ("<5" cannot), and its unit.
fn number(observation: &Value) -> (Option<f64>, Option<String>) {
    let integer = observation.get("valueInteger").and_then(Value::as_f64);
    let Some(quantity) = observation.get("valueQuantity") else {
        return (integer, None);
    };
    let unit = quantity.get("code").or_else(|| quantity.get("unit"));
    let unit = unit.and_then(Value::as_str).map(str::to_owned);
    let is_exact = quantity.get("comparator").is_none();
    let value = quantity.get("value").and_then(Value::as_f64);
    (value.filter(|_| is_exact), unit)
}

/// Only where value and range are in one unit.
fn by_range(observation: &Value, number: Option<f64>) -> Option<String> {
    let number = number?;
    let quantity = observation.get("valueQuantity")?;
    let ranges = observation.get("referenceRange")?.as_array()?;
    // Several ranges are for several people: which one is this patient's, a person has to say.
    let [range] = ranges.as_slice() else {
        return None;
    };
    let limit = |side: &str| {
        let limit = range.get(side)?;
        let is_same = |name| limit.get(name).is_none() || limit.get(name) == quantity.get(name);
        let value = limit.get("value")?.as_f64()?;
        (is_same("unit") && is_same("code")).then_some(value)
    };
    let flag = match (limit("low"), limit("high")) {
        (Some(low), _) if number < low => "low",
        (_, Some(high)) if number > high => "high",
        _ => return None,
    };
    Some(flag.into())
}

fn group_of(observation: &Value) -> Group {
    let categories = observation.get("category").and_then(Value::as_array);
    let codings = categories
        .into_iter()
        .flatten()
        .filter_map(|c| c.get("coding")?.as_array());
    let codes: Vec<_> = codings
        .flatten()
        .filter_map(|c| c.get("code")?.as_str())
        .collect();
    if codes.contains(&"vital-signs") {
        Group::Vital
    } else if codes.contains(&"laboratory") {
        Group::Laboratory
    } else {
        Group::Other
    }
}

/// Numbers as bars, between their least and their greatest. Empty for fewer than two.
pub(super) fn spark_line(numbers: &[f64]) -> String {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = greatest - least;
    if numbers.len() < 2 || !span.is_finite() {
        return String::new();
    }
    let bar = |number: &f64| {
        if span == 0.0 {
            return BARS[3];
        }
        let share = (number - least) / span;
        let at = BARS.iter().enumerate().rev();
        let mut steps = at.map(|(step, bar)| (step as f64 / 8.0, *bar));
        steps
            .find(|(from, _)| share >= *from)
            .map_or(BARS[0], |(_, bar)| bar)
    };
    numbers.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spark_lines_reach_from_least_to_greatest() {
        assert_eq!(spark_line(&[1.0, 2.0, 8.0]), "▁▂█");
        assert_eq!(spark_line(&[5.0, 5.0]), "▄▄");
        assert_eq!(spark_line(&[-1e308, 1e308]), "");
        assert_eq!(spark_line(&[3.0]), "");
    }

    #[test]
    fn a_test_is_flagged_by_its_only_range_and_trends_in_one_unit() {
        let glucose = |value: f64, unit: &str, day: &str| {
            json!({"resourceType":"Observation","code":{"coding":[{"system":"s","code":"1"}],"text":"Glucose"},
                "effectiveDateTime":day,"valueQuantity":{"value":value,"unit":unit},
                "referenceRange":[{"low":{"value":3.9,"unit":"mmol/L"},"high":{"value":5.6,"unit":"mmol/L"}}]})
        };
        let tests = group(&[
            glucose(6.1, "mmol/L", "2026-03-01"),
            glucose(110.0, "mg/dL", "2026-02-01"),
            glucose(5.0, "mmol/L", "2026-01-01"),
        ]);
        assert_eq!(tests.len(), 1);
        assert_eq!(tests[0].flagged(), "6.1 mmol/L (high)");
        assert_eq!(tests[0].trend, [5.0, 6.1]);
        assert_eq!(tests[0].range.as_deref(), Some("3.9 – 5.6 mmol/L"));
        let other_unit = group(&[glucose(110.0, "mg/dL", "2026-02-01")]);
        assert_eq!(other_unit[0].flagged(), "110.0 mg/dL");
    }
}

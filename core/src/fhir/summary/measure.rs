//! What was measured, with its unit: values, ranges, blood pressure, doses. Numbers keep the digits they were written
//! with: `7.0` is not `7`.

use super::words::{clean, clean_to, code_of, concept, date, day, first, minute, plain, said};
use serde_json::Value;

/// Components shown of an observation that is not a blood pressure.
const SHOWN_COMPONENTS: usize = 6;
/// Characters of a dosage: room for an insulin scheme, since half of one would be dangerous. Still a bound.
pub const DOSAGE_CHARS: usize = 8_000;

/// A blood pressure in mmHg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BloodPressure {
    /// The upper value.
    pub systolic: f64,
    /// The lower value.
    pub diastolic: f64,
}

impl BloodPressure {
    /// From an observation's components (LOINC 8480-6 and 8462-4). `None` also when they are in another unit.
    pub fn of(observation: &Value) -> Option<Self> {
        let number = |code| {
            let side = part(observation, code)?;
            let is_usual = unit(side).is_none_or(|unit| unit == "mmHg");
            side.get("value")?.as_f64().filter(|_| is_usual)
        };
        Some(Self {
            systolic: number("8480-6")?,
            diastolic: number("8462-4")?,
        })
    }
}

/// An observation's value in words, with unit and flag: "128/82 mmHg", "7.9 % (high)", "no". `None`: it has none.
pub fn measured(observation: &Value) -> Option<String> {
    let value = value_of(observation)
        .or_else(|| blood_pressure(observation))
        .or_else(|| components(observation))
        .or_else(|| absent(observation))
        .or_else(|| {
            let members = observation.get("hasMember")?.as_array()?.len();
            (members > 0).then(|| format!("panel of {members}"))
        })?;
    match interpretation(observation) {
        Some(flag) => clean(&format!("{value} ({flag})")),
        None => Some(value),
    }
}

/// What the laboratory says about a value: "high", "very low", "abnormal"; `None` for a normal one, or when it says nothing.
pub fn interpretation(observation: &Value) -> Option<String> {
    let said = first(observation, "interpretation")?;
    let said = said.as_array().map_or(Some(said), |all| all.first())?;
    let flag = match code_of(said)?.as_str() {
        "N" => return None,
        "H" | "HU" => "high",
        "HH" => "very high",
        "L" | "LU" => "low",
        "LL" => "very low",
        "A" => "abnormal",
        "AA" => "very abnormal",
        _ => return concept(said),
    };
    Some(flag.into())
}

/// The first reference range: "3.5 – 5.1 mmol/L", "< 200 mg/dL", or its text.
pub fn reference_range(observation: &Value) -> Option<String> {
    let ranges = observation.get("referenceRange")?.as_array()?;
    ranges
        .iter()
        .find_map(|given| range(given).or_else(|| said(given, "text")))
}

/// "<0.5 mg/dL".
pub fn quantity(value: &Value) -> Option<String> {
    let number = value.get("value").and_then(plain)?;
    let comparator = said(value, "comparator").unwrap_or_default();
    match unit(value) {
        None => Some(format!("{comparator}{number}")),
        Some(unit) => clean(&format!("{comparator}{number} {unit}")),
    }
}

/// The unit as people write it. UCUM's annotations (`{score}`) count things; they are no unit to read.
fn unit(value: &Value) -> Option<String> {
    let written = said(value, "unit").or_else(|| said(value, "code"))?;
    let known = match written.as_str() {
        "mm[Hg]" => "mmHg",
        "Cel" => "°C",
        "[degF]" => "°F",
        "[lb_av]" => "lb",
        "[in_i]" => "in",
        "10*3/uL" => "10³/µL",
        "10*6/uL" => "10⁶/µL",
        "10*9/L" => "10⁹/L",
        "10*12/L" => "10¹²/L",
        "mL/min/{1.73_m2}" => "mL/min/1.73 m²",
        "kg/m2" => "kg/m²",
        "1" => return None,
        unit if unit.starts_with('{') && unit.ends_with('}') => return None,
        unit => unit,
    };
    Some(known.into())
}

pub(super) fn range(value: &Value) -> Option<String> {
    let side = |name| value.get(name).and_then(quantity);
    let text = match (side("low"), side("high")) {
        (Some(low), Some(high)) => {
            let same = |name| value.get(name).and_then(unit);
            let low = match same("low") {
                Some(unit) if same("high").as_ref() == Some(&unit) => low
                    .strip_suffix(&unit)
                    .unwrap_or(&low)
                    .trim_end()
                    .to_owned(),
                _ => low,
            };
            format!("{low} – {high}")
        }
        (Some(low), None) => format!("≥ {low}"),
        (None, Some(high)) => format!("≤ {high}"),
        (None, None) => return None,
    };
    clean(&text)
}

/// `value[x]` of whatever type.
fn value_of(holder: &Value) -> Option<String> {
    let is_value = |name: &str| {
        name.strip_prefix("value")
            .is_some_and(|form| form.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let members = holder.as_object()?;
    let (name, value) = members.iter().find(|(name, _)| is_value(name))?;
    let ratio = || {
        let side = |name| value.get(name).and_then(quantity);
        clean(&format!("{}:{}", side("numerator")?, side("denominator")?))
    };
    let special = match name.as_str() {
        "valueQuantity" => quantity(value),
        "valueRange" => range(value),
        "valueRatio" => ratio(),
        "valueSampledData" => Some("a curve".into()),
        "valueDateTime" => value.as_str().and_then(clean).map(|d| minute(&d)),
        "valuePeriod" => date(value).map(|d| day(&d).to_owned()),
        _ => None,
    };
    special.or_else(|| concept(value))
}

/// The quantity of the component with this LOINC code.
fn part<'a>(observation: &'a Value, code: &str) -> Option<&'a Value> {
    let has_code = |component: &&Value| {
        let codings = component.get("code").and_then(|c| c.get("coding"));
        let codings = codings.and_then(Value::as_array);
        codings.is_some_and(|all| all.iter().any(|c| c.get("code") == Some(&code.into())))
    };
    let components = observation.get("component")?.as_array()?;
    components.iter().find(has_code)?.get("valueQuantity")
}

fn blood_pressure(observation: &Value) -> Option<String> {
    let systolic = part(observation, "8480-6")?;
    let upper = plain(systolic.get("value")?)?;
    let lower = part(observation, "8462-4").and_then(quantity)?;
    if unit(systolic) != part(observation, "8462-4").and_then(unit) {
        return None;
    }
    clean(&format!("{upper}/{lower}"))
}

fn components(observation: &Value) -> Option<String> {
    let all = observation.get("component")?.as_array()?;
    let mut parts: Vec<String> = Vec::new();
    for component in all.iter().take(SHOWN_COMPONENTS) {
        let Some(value) = value_of(component).or_else(|| absent(component)) else {
            continue;
        };
        parts.push(match component.get("code").and_then(concept) {
            Some(what) => format!("{what} {value}"),
            None => value,
        });
    }
    if all.len() > SHOWN_COMPONENTS {
        parts.push(format!("and {} more", all.len() - SHOWN_COMPONENTS));
    }
    clean(&parts.join("; "))
}

fn absent(holder: &Value) -> Option<String> {
    let why = holder.get("dataAbsentReason").and_then(concept)?;
    clean(&format!("no value ({why})"))
}

/// How a medicine is taken: the text of each dosage, else what its structure says ("1 tablet, twice a day").
pub fn dosage(dosages: &Value) -> Option<String> {
    let one = std::slice::from_ref(dosages);
    let all = dosages.as_array().map_or(one, Vec::as_slice);
    let said = |given: &Value, name| clean_to(given.get(name)?.as_str()?, DOSAGE_CHARS);
    let texts = all.iter().filter_map(|given| {
        said(given, "text")
            .or_else(|| said(given, "patientInstruction"))
            .or_else(|| structured(given))
    });
    clean_to(&texts.collect::<Vec<_>>().join("; then "), DOSAGE_CHARS)
}

fn structured(given: &Value) -> Option<String> {
    let rates = given.get("doseAndRate").and_then(Value::as_array);
    let rate = rates.and_then(|all| all.first()).unwrap_or(given);
    let dose = rate.get("doseQuantity").or_else(|| rate.get("dose"));
    let dose = dose
        .and_then(quantity)
        .or_else(|| rate.get("doseRange").and_then(range));
    let timing = given.get("timing");
    let how_often = timing
        .and_then(|t| t.get("repeat"))
        .and_then(repeated)
        .or_else(|| timing?.get("code").and_then(concept));
    let as_needed = match given.get("asNeededBoolean") {
        Some(Value::Bool(true)) => Some("as needed".into()),
        _ => given
            .get("asNeededCodeableConcept")
            .and_then(concept)
            .map(|why| format!("as needed for {why}")),
    };
    let route = given.get("route").and_then(concept);
    let parts = [
        dose.map(|d| format!("dose {d}")),
        route,
        how_often,
        as_needed,
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    clean(&parts.join(", "))
}

/// "twice a day", "3 times every 8 hours".
fn repeated(repeat: &Value) -> Option<String> {
    let whole = |name: &str| repeat.get(name).and_then(Value::as_f64);
    let (name, names) = match repeat.get("periodUnit")?.as_str()? {
        "s" => ("second", "seconds"),
        "min" => ("minute", "minutes"),
        "h" => ("hour", "hours"),
        "d" => ("day", "days"),
        "wk" => ("week", "weeks"),
        "mo" => ("month", "months"),
        "a" => ("year", "years"),
        _ => return None,
    };
    let times = match whole("frequency").unwrap_or(1.0) {
        1.0 => "once".to_owned(),
        2.0 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    let period = whole("period")?;
    Some(if period == 1.0 {
        format!("{times} {} {name}", if name == "hour" { "an" } else { "a" })
    } else {
        format!("{times} every {period} {names}")
    })
}

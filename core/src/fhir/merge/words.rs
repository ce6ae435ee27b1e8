//! A clash in words, for whoever has to decide it.

use super::Clash;
use super::path::Step;
use super::tree::{Kind, Node};
use crate::fhir::ResourceType;

/// Longest value shown, in characters.
const MOST: usize = 200;

/// Elements whose name does not say what people call them.
const NAMES: [(&str, &str); 14] = [
    ("abatement", "Ended"),
    ("birthDate", "Date of birth"),
    ("deceased", "Death"),
    ("effective", "Date"),
    ("generalPractitioner", "General practitioner"),
    ("given", "Given name"),
    ("family", "Family name"),
    ("line", "Line"),
    ("multipleBirth", "Multiple birth"),
    ("occurrence", "Date"),
    ("onset", "Began"),
    ("performed", "Date"),
    ("postalCode", "Postal code"),
    ("telecom", "Contact"),
];

/// Where both sides differ, for a person: `Phone number 555-01 (home): value`, `Name (official): given name`.
pub fn words(kind: ResourceType, clash: &Clash) -> String {
    let mut parts: Vec<String> = Vec::new();
    let steps = clash.path.steps();
    if steps.is_empty() {
        return format!("The whole {}", spaced(kind.name()).to_lowercase());
    }
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        at += 1;
        let Step::Element(element) = step else {
            continue;
        };
        let item = match steps.get(at) {
            Some(Step::Item { key, nth }) => {
                at += 1;
                Some((key.as_str(), *nth))
            }
            _ => None,
        };
        let is_last = at == steps.len();
        let words = part(element, item, clash, is_last);
        parts.push(if parts.is_empty() {
            words
        } else {
            lower_first(&words)
        });
    }
    parts.join(": ")
}

fn part(element: &str, item: Option<(&str, usize)>, clash: &Clash, is_last: bool) -> String {
    let name = element_words(element);
    let Some((key, nth)) = item else {
        return name;
    };
    let usage = is_last.then(|| member_of(clash, "use")).flatten();
    let usage = usage.map(|usage| format!(" ({usage})")).unwrap_or_default();
    let more = if nth > 0 {
        format!(", {}", nth + 1)
    } else {
        String::new()
    };
    match (element, key.split_once('|')) {
        _ if key.is_empty() => format!("{name} {}", nth + 1),
        ("telecom", Some((system, value))) => {
            format!("{} {}{usage}{more}", contact(system), clean(value))
        }
        // The system of a number or a code says little to people.
        (_, Some((_, value))) => format!("{name} {}{usage}{more}", clean(value)),
        ("name" | "address", None) => format!("{name} ({}){more}", clean(key)),
        (_, None) => format!("{name} {}{usage}{more}", clean(key)),
    }
}

fn contact(system: &str) -> &'static str {
    match system {
        "phone" => "Phone number",
        "email" => "E-mail address",
        "fax" => "Fax number",
        "sms" => "Number for text messages",
        "pager" => "Pager",
        "url" => "Web address",
        _ => "Contact",
    }
}

/// A member that all versions of the value have alike, such as the use of a telephone number.
fn member_of(clash: &Clash, name: &str) -> Option<String> {
    let texts = [&clash.base, &clash.mine, &clash.theirs]
        .into_iter()
        .flatten();
    let mut found = texts.map(|text| {
        let node = Node::parse(text)?;
        Some(node.member(name)?.string()?.into_owned())
    });
    let first = found.next()??;
    found
        .all(|other| other.as_ref() == Some(&first))
        .then(|| clean(&first))
}

fn element_words(element: &str) -> String {
    let known = NAMES.iter().find(|(name, _)| *name == element);
    match known {
        Some((_, words)) => (*words).to_owned(),
        None => spaced(element),
    }
}

/// `clinicalStatus` as `Clinical status`.
fn spaced(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in clean(name).chars().enumerate() {
        match c {
            c if at == 0 => out.extend(c.to_uppercase()),
            c if c.is_uppercase() => {
                out.push(' ');
                out.extend(c.to_lowercase());
            }
            c => out.push(c),
        }
    }
    out
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    first.chain(chars).collect()
}

/// A value of a clash as a person reads it: a text without quotes, a concept's words, a list's items; `-`: not there.
pub fn value_words(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    let said = Node::parse(value).map(|node| say(&node));
    clean(&said.unwrap_or_else(|| value.to_owned()))
}

fn say(node: &Node<'_>) -> String {
    match &node.kind {
        Kind::Scalar | Kind::Opaque => node
            .string()
            .map_or(node.raw.to_owned(), |s| s.into_owned()),
        Kind::Array(items) => items.iter().map(say).collect::<Vec<_>>().join(", "),
        Kind::Object(members) => {
            // Where it has words of its own, those; a number goes before its unit.
            for name in ["text", "display"] {
                if let Some(text) = node.member(name).and_then(Node::string) {
                    return text.into_owned();
                }
            }
            let coding = node
                .member("coding")
                .and_then(Node::items)
                .and_then(<[_]>::first);
            if let Some(coding) = coding {
                return say(coding);
            }
            let said = |m: &super::tree::Member<'_>| {
                !matches!(m.name.as_ref(), "id" | "system" | "extension")
            };
            let all = members.iter().filter(|m| said(m)).map(|m| say(&m.value));
            all.collect::<Vec<_>>().join(" ")
        }
    }
}

/// One line, without what steers a terminal or the direction of writing, and not too long.
fn clean(text: &str) -> String {
    let steers = |c: &char| matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let line: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let mut out: String = line
        .join(" ")
        .chars()
        .filter(|c| !steers(c))
        .take(MOST + 1)
        .collect();
    if out.chars().count() > MOST {
        out = out.chars().take(MOST - 1).collect();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, value: &str) -> String {
        let clash = Clash {
            path: path.parse().unwrap(),
            base: Some(value.to_owned()),
            mine: Some(value.to_owned()),
            theirs: None,
        };
        words(ResourceType::named("Patient").unwrap(), &clash)
    }

    #[test]
    fn paths_are_said_in_words() {
        for (path, value, expected) in [
            (
                "telecom[phone|555-01].value",
                "\"1\"",
                "Phone number 555-01: value",
            ),
            (
                "telecom[phone|555-01]",
                r#"{"use":"home"}"#,
                "Phone number 555-01 (home)",
            ),
            (
                "name[official].given[#0]",
                "\"x\"",
                "Name (official): given name 1",
            ),
            ("birthDate", "\"2000\"", "Date of birth"),
            ("clinicalStatus", "{}", "Clinical status"),
            (
                "identifier[urn:oid:1|77#1].period",
                "{}",
                "Identifier 77, 2: period",
            ),
            ("$this", "{}", "The whole patient"),
            ("a\u{202e}b\n", "1", "Ab"),
        ] {
            assert_eq!(said(path, value), expected, "{path}");
        }
    }

    #[test]
    fn values_are_said_in_words() {
        for (value, expected) in [
            (None, "-"),
            (Some("\"a \\u00e9\\n b\""), "a é b"),
            (Some("1.00"), "1.00"),
            (
                Some(r#"{"coding":[{"system":"s","code":"1","display":"Asthma"}]}"#),
                "Asthma",
            ),
            (Some(r#"{"value":5.0,"unit":"mg","system":"u"}"#), "5.0 mg"),
            (Some(r#"["a","b"]"#), "a, b"),
            (Some("no JSON"), "no JSON"),
        ] {
            assert_eq!(value_words(value), expected);
        }
        assert_eq!(
            value_words(Some(&format!("\"{}\"", "x".repeat(900))))
                .chars()
                .count(),
            MOST
        );
    }
}

//! OperationOutcome: how FHIR says what went wrong.

use super::{json, marks};
use serde::Deserialize;

/// One error as an OperationOutcome.
///
/// `code` is from <http://hl7.org/fhir/R4/valueset-issue-type.html>; `diagnostics` is for a person; `expression` says
/// where (`Bundle.entry[3].request`, `Patient.id`), when that is known.
pub fn error(code: &str, diagnostics: &str, expression: Option<&str>) -> String {
    issue("error", code, diagnostics, expression)
}

/// Something that was left out, as an OperationOutcome.
pub fn warning(code: &str, diagnostics: &str) -> String {
    issue("warning", code, diagnostics, None)
}

/// That all went well, as an OperationOutcome.
pub fn information(diagnostics: &str) -> String {
    issue("information", "informational", diagnostics, None)
}

fn issue(severity: &str, code: &str, diagnostics: &str, expression: Option<&str>) -> String {
    let place = expression
        .map(|e| format!(",\"expression\":[{}]", json::quoted(e)))
        .unwrap_or_default();
    format!(
        "{{\"resourceType\":\"OperationOutcome\",\"issue\":[{{\"severity\":\"{severity}\",\"code\":{},\"diagnostics\":{}{place}}}]}}",
        json::quoted(code),
        json::quoted(diagnostics),
    )
}

/// A refusal (issue code `forbidden`) with a reason of [`marks::REFUSAL`] for the program at the other end.
pub fn refusal(reason: &str, diagnostics: &str) -> String {
    format!(
        "{{\"resourceType\":\"OperationOutcome\",\"issue\":[{{\"severity\":\"error\",\"code\":\"forbidden\",\
         \"details\":{{\"coding\":[{{\"system\":\"{}\",\"code\":{}}}]}},\"diagnostics\":{}}}]}}",
        marks::REFUSAL,
        json::quoted(reason),
        json::quoted(diagnostics),
    )
}

/// The reason of [`marks::REFUSAL`] in an OperationOutcome.
pub fn reason(text: &str) -> Option<String> {
    let outcome: Outcome = serde_json::from_str(text).ok()?;
    let codings = outcome
        .issue
        .into_iter()
        .flat_map(|issue| issue.details.coding);
    codings
        .filter(|coding| coding.system == marks::REFUSAL && is_code(&coding.code.as_str()))
        .map(|coding| coding.code)
        .next()
}

/// The issue codes of a server's OperationOutcome, joined by commas; `None` when the text is none. Its diagnostics are
/// left out on purpose: servers repeat field contents there.
pub fn codes(text: &str) -> Option<String> {
    let outcome: Outcome = serde_json::from_str(text).ok()?;
    let codes: Vec<&str> = outcome
        .issue
        .iter()
        .map(|i| i.code.as_str())
        .filter(is_code)
        .collect();
    (outcome.resource_type == "OperationOutcome").then(|| codes.join(","))
}

/// What a server says to a person in its OperationOutcome: its diagnostics and texts, a line each, at most 2,000
/// characters. It may repeat what stands in the record, so it is as confidential as that.
pub fn words(text: &str) -> Option<String> {
    let outcome: Outcome = serde_json::from_str(text).ok()?;
    let mut lines = Vec::new();
    for issue in outcome.issue {
        let said = [issue.diagnostics, issue.details.text];
        lines.extend(said.into_iter().filter(|line| !line.trim().is_empty()));
    }
    let words: String = lines.join("\n").chars().take(2_000).collect();
    (!words.is_empty()).then_some(words)
}

fn is_code(code: &&str) -> bool {
    !code.is_empty() && code.len() < 40 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(default)]
    issue: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    code: String,
    #[serde(default)]
    details: Details,
    #[serde(default)]
    diagnostics: String,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    coding: Vec<Coding>,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Coding {
    #[serde(default)]
    system: String,
    #[serde(default)]
    code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let text = error(
            "conflict",
            "Version \"3\" is there",
            Some("Patient.meta.versionId"),
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert_eq!(codes(&text).as_deref(), Some("conflict"));
    }

    #[test]
    fn a_reason_is_read_back_and_only_ours() {
        let text = refusal(marks::NOT_APPROVED, "wait");
        assert_eq!(codes(&text).as_deref(), Some("forbidden"));
        assert_eq!(reason(&text).as_deref(), Some(marks::NOT_APPROVED));
        let other = text.replace(marks::REFUSAL, "http://example.org");
        assert_eq!(reason(&other), None);
        assert_eq!(reason(&error("forbidden", "no", None)), None);
    }

    #[test]
    fn only_codes_come_out() {
        let text = r#"{"resourceType":"OperationOutcome","issue":[{"code":"invalid","diagnostics":"Jane Doe"},{"code":"Jane Doe"}]}"#;
        assert_eq!(codes(text).as_deref(), Some("invalid"));
        assert_eq!(words(text).as_deref(), Some("Jane Doe"));
        assert_eq!(words("{}"), None);
        assert_eq!(codes("{\"resourceType\":\"Bundle\"}"), None);
        assert_eq!(codes("<html>"), None);
    }
}

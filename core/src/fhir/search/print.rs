//! From a [`Query`] to a search string that parses to the same query.

use super::model::{Condition, Criterion, Include, Operand, Query, SortKey, TextMatch};
use super::value;
use std::fmt;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parameters = form_urlencoded::Serializer::new(String::new());
        for criterion in &self.criteria {
            let (name, value) = criterion.print();
            parameters.append_pair(&name, &value);
        }
        let keys: Vec<String> = self.sort.iter().map(SortKey::print).collect();
        parameters.append_pair("_sort", &keys.join(","));
        parameters.append_pair("_count", &self.count.to_string());
        if self.total {
            parameters.append_pair("_total", "accurate");
        }
        for include in &self.include {
            parameters.append_pair("_include", &include.print());
        }
        for include in &self.revinclude {
            parameters.append_pair("_revinclude", &include.print());
        }
        if let Some(cursor) = &self.cursor {
            parameters.append_pair("_cursor", cursor);
        }
        write!(f, "{}?{}", self.kind, parameters.finish())
    }
}

impl Criterion {
    fn print(&self) -> (String, String) {
        let code = self.target.code();
        let (modifier, operands) = match &self.condition {
            Condition::Missing(missing) => {
                return (format!("{code}:missing"), missing.to_string());
            }
            Condition::Any(operands) => (text_modifier(operands), operands),
            Condition::Not(operands) => (":not", operands),
        };
        let values: Vec<String> = operands.iter().map(value::print).collect();
        (format!("{code}{modifier}"), values.join(","))
    }
}

/// The values of one criterion are compared alike, so the first one tells.
fn text_modifier(operands: &[Operand]) -> &'static str {
    match operands.first() {
        Some(Operand::Text { how, .. }) => match how {
            TextMatch::StartsWith => "",
            TextMatch::Exact => ":exact",
            TextMatch::Contains => ":contains",
        },
        _ => "",
    }
}

impl SortKey {
    fn print(&self) -> String {
        let minus = if self.descending { "-" } else { "" };
        format!("{minus}{}", self.target.code())
    }
}

impl Include {
    fn print(&self) -> String {
        let base = format!("{}:{}", self.source, self.parameter.code);
        match self.target {
            Some(target) => format!("{base}:{target}"),
            None => base,
        }
    }
}

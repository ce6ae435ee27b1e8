//! What changed between the snapshot and the library, line by line.

use std::collections::BTreeMap;

/// The differences, each with its block: `object Vault: - exists() -> bool`. Nothing when they are the same.
pub(crate) fn drift(committed: &str, built: &str) -> Vec<String> {
    let (old, new) = (blocks(committed), blocks(built));
    let mut said = Vec::new();
    let mut all: Vec<_> = old.keys().chain(new.keys()).collect();
    all.sort_unstable();
    all.dedup();
    for headline in all {
        let none = Vec::new();
        let (before, after) = (
            old.get(headline).unwrap_or(&none),
            new.get(headline).unwrap_or(&none),
        );
        match (old.contains_key(headline), new.contains_key(headline)) {
            (true, false) => said.push(format!("- {headline}")),
            (false, true) => said.push(format!("+ {headline}")),
            _ => {}
        }
        let at = said.len();
        for line in before.iter().filter(|line| !after.contains(line)) {
            said.push(format!("{headline}: - {line}"));
        }
        for line in after.iter().filter(|line| !before.contains(line)) {
            said.push(format!("{headline}: + {line}"));
        }
        if said.len() == at && before != after {
            said.push(format!(
                "{headline}: the order changed, by which its fields or variants cross"
            ));
        }
    }
    said
}

fn blocks(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut blocks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut headline = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(' ') {
            blocks.entry(headline).or_default().push(line.trim());
        } else if !line.is_empty() {
            headline = line;
            blocks.entry(headline).or_default();
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str =
        "# head\n\nobject Vault\n    exists() -> bool\n\nrecord Tick\n    a: u8\n    b: u8\n";

    #[test]
    fn the_same_is_no_drift() {
        assert_eq!(drift(OLD, OLD), Vec::<String>::new());
        assert_eq!(
            drift(OLD, &OLD.replace("# head", "# other words")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_changed_line_is_said_with_its_block() {
        let new = OLD.replace("exists() -> bool", "exists() -> bool throws E") + "\nenum New\n";
        assert_eq!(
            drift(OLD, &new),
            [
                "+ enum New",
                "object Vault: - exists() -> bool",
                "object Vault: + exists() -> bool throws E",
            ]
        );
    }

    #[test]
    fn another_order_of_fields_is_drift() {
        let new = OLD.replace("    a: u8\n    b: u8\n", "    b: u8\n    a: u8\n");
        let said = drift(OLD, &new);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("record Tick"), "{said:?}");
    }
}

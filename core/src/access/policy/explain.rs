//! A policy in words, and what another one would change: for whoever has to sign it.

use super::model::{Allows, Policy, Rule, Scope};
use super::types::{ADMINISTRATIVE, CLINICAL, DIRECTORY};
use crate::fhir::ResourceType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a role gains and loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    /// The role.
    pub role: String,
    /// What it may do that it might not before, a line each.
    pub gains: Vec<String>,
    /// What it might do and may not any more, a line each.
    pub loses: Vec<String>,
}

/// Types, by the groups that hold them whole.
struct Types<'a>(&'a BTreeSet<ResourceType>);

impl fmt::Display for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left: BTreeSet<&str> = self.0.iter().map(|kind| kind.name()).collect();
        if left.len() == ResourceType::all().count() {
            return f.write_str("everything");
        }
        let mut words = Vec::new();
        let groups = [
            ("clinical records", CLINICAL),
            ("administrative records", ADMINISTRATIVE),
            ("the directory", DIRECTORY),
        ];
        for (words_of, names) in groups {
            if names.iter().all(|name| left.contains(name)) {
                left.retain(|name| !names.contains(name));
                words.push(words_of);
            }
        }
        words.extend(left);
        f.write_str(&words.join(", "))
    }
}

fn scope_in_words(scope: Scope) -> &'static str {
    match scope {
        Scope::Own => "of the person's own chart",
        Scope::Panel => "of the patients of the person's panels",
        Scope::Facility => "of the facility",
        Scope::Directory => "that belong to no patient",
        Scope::All => "of everybody",
    }
}

fn listed<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    all.join(", ")
}

impl Rule {
    /// The conditions on an update.
    fn conditions(&self) -> String {
        let Allows::Records {
            fields,
            transition,
            within_booking,
            ..
        } = &self.allows
        else {
            return String::new();
        };
        let mut words = String::new();
        if let Some(fields) = fields {
            words += &format!("; an update may change {} only", fields.join(", "));
        }
        if let Some(change) = transition {
            let from = match change.from.is_empty() {
                true => String::new(),
                false => format!(" from {}", change.from.join(" or ")),
            };
            words += &format!(
                "; {} may go{from} to {}",
                change.element,
                change.to.join(" or ")
            );
        }
        if *within_booking {
            words += "; only together with an Appointment that takes the Slot or gives it up";
        }
        words
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.allows {
            Allows::Vault(actions) => write!(f, "{}: the vault: {}", self.id, listed(actions)),
            Allows::Records {
                types,
                actions,
                scope,
                ..
            } => write!(
                f,
                "{}: {}: {}, {}{}",
                self.id,
                listed(actions),
                Types(types),
                scope_in_words(*scope),
                self.conditions()
            ),
        }
    }
}

impl Policy {
    /// What a role may do: types by action and circumstances.
    fn rights(&self, role: &str) -> BTreeSet<(String, String, Option<ResourceType>)> {
        let mut rights = BTreeSet::new();
        for rule in self.rules(role) {
            match &rule.allows {
                Allows::Vault(actions) => {
                    rights.extend(actions.iter().map(|a| (a.to_string(), String::new(), None)));
                }
                Allows::Records {
                    types,
                    actions,
                    scope,
                    ..
                } => {
                    for action in actions {
                        // The conditions are about updates.
                        let conditions = match action {
                            super::Action::Update => rule.conditions(),
                            _ => String::new(),
                        };
                        let how = format!("{}{conditions}", scope_in_words(*scope));
                        let each =
                            |kind: &ResourceType| (action.to_string(), how.clone(), Some(*kind));
                        rights.extend(types.iter().map(each));
                    }
                }
            }
        }
        rights
    }

    /// What each role gains and loses when `new` takes the place of this one. Panels, people and facilities are compared
    /// by [`Policy::is_about_the_same_patients`].
    pub fn changes_to(&self, new: &Self) -> Vec<RoleChange> {
        let roles: BTreeSet<&String> = self.roles.keys().chain(new.roles.keys()).collect();
        let mut changes = Vec::new();
        for role in roles {
            let (before, after) = (self.rights(role), new.rights(role));
            let change = RoleChange {
                role: role.clone(),
                gains: lines(after.difference(&before)),
                loses: lines(before.difference(&after)),
            };
            if !change.gains.is_empty() || !change.loses.is_empty() {
                changes.push(change);
            }
        }
        changes
    }

    /// Whether the scopes mean the same patients.
    pub fn is_about_the_same_patients(&self, other: &Self) -> bool {
        (&self.panels, &self.people, &self.facilities)
            == (&other.panels, &other.people, &other.facilities)
    }
}

fn lines<'a>(
    rights: impl Iterator<Item = &'a (String, String, Option<ResourceType>)>,
) -> Vec<String> {
    let mut by_how: BTreeMap<(&str, &str), BTreeSet<ResourceType>> = BTreeMap::new();
    for (action, how, kind) in rights {
        by_how.entry((action, how)).or_default().extend(*kind);
    }
    let line =
        |((action, how), types): ((&str, &str), BTreeSet<ResourceType>)| match types.is_empty() {
            true => format!("the vault: {action}"),
            false => format!("{action}: {}, {how}", Types(&types)),
        };
    by_how.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_reads_as_words() {
        let policy = Policy::shipped().unwrap();
        let words: Vec<String> = policy
            .rules("patient")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            words[0],
            "own-chart: read, search, history, export: clinical records, administrative records, of the person's own chart"
        );
        assert_eq!(
            words[5],
            "book-slot: update: Slot, that belong to no patient; an update may change status only; status may go from free \
             to busy; only together with an Appointment that takes the Slot or gives it up"
        );
        assert_eq!(
            policy.rules("auditor")[0].to_string(),
            "trail: the vault: audit"
        );
    }

    #[test]
    fn changes_are_named_by_role() {
        let old = Policy::shipped().unwrap();
        assert!(old.changes_to(&old).is_empty());
        let text = Policy::shipped_text().replace(
            r#""actions": ["audit"]"#,
            r#""actions": ["audit", "upkeep"]"#,
        );
        let text = text.replace(
            r#""fields": ["telecom", "address"] }"#,
            r#""fields": ["telecom"] }"#,
        );
        let changes = old.changes_to(&Policy::parse(&text).unwrap());
        let names: Vec<&str> = changes.iter().map(|change| change.role.as_str()).collect();
        assert_eq!(names, ["auditor", "patient"]);
        assert_eq!(changes[0].gains, ["the vault: upkeep"]);
        assert!(changes[0].loses.is_empty());
        assert_eq!(changes[1].gains.len(), 1);
        assert!(changes[1].loses[0].contains("telecom, address only"));
    }
}

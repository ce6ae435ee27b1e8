//! What an item of a list is known by.

use super::tree::Node;

/// Names of references by which an item is known: a participant by its actor, a member by its entity.
const REFERRING: [&str; 9] = [
    "actor",
    "entity",
    "item",
    "member",
    "individual",
    "other",
    "location",
    "condition",
    "reference",
];

/// Its identity where FHIR gives it one. Two items of a list with the same identity are versions of one.
pub(super) fn key(item: &Node<'_>) -> Option<String> {
    item.members()?;
    let text = |name: &str| item.member(name).and_then(Node::string);
    if let Some(id) = text("id") {
        return Some(id.into_owned());
    }
    if let Some(system) = text("system") {
        let second = text("value").or_else(|| text("code"))?;
        return Some(format!("{system}|{second}"));
    }
    for name in ["reference", "url", "fullUrl", "linkId"] {
        if let Some(found) = text(name) {
            return Some(found.into_owned());
        }
    }
    if let Some(number) = item.member("sequence").filter(|n| n.is_scalar()) {
        return Some(number.raw.to_owned());
    }
    // Names and addresses; what has a value is known by that.
    if let Some(usage) = text("use").filter(|_| item.member("value").is_none()) {
        return Some(usage.into_owned());
    }
    for name in REFERRING {
        if let Some(target) = item
            .member(name)
            .and_then(|r| r.member("reference"))
            .and_then(Node::string)
        {
            return Some(target.into_owned());
        }
    }
    if let Some(name) = text("name") {
        return Some(name.into_owned());
    }
    // A component, a section: by its code.
    let coding = item
        .member("code")
        .and_then(|code| code.member("coding"))?
        .items()?
        .first()?;
    key(coding)
}

/// What an item keeps when its identity changes: the same kind of number at the same place, the same code system.
pub(super) fn role(item: &Node<'_>) -> Option<String> {
    let system = item.member("system").and_then(Node::string)?;
    let usage = item
        .member("use")
        .and_then(Node::string)
        .unwrap_or_default();
    Some(format!("{system}|{usage}"))
}

/// A telephone number, an e-mail address: changed as often as replaced.
pub(super) fn is_contact_point(item: &Node<'_>) -> bool {
    let known = |name: &str| {
        matches!(
            name,
            "id" | "extension" | "system" | "value" | "use" | "rank" | "period"
        )
    };
    item.member("value")
        .is_some_and(|value| value.string().is_some())
        && item
            .members()
            .is_some_and(|all| all.iter().all(|m| known(&m.name)))
}

/// Whether two items of different identity can be versions of one: not with different element ids, and extensions are what
/// their url says.
pub(super) fn may_replace(a: &Node<'_>, b: &Node<'_>) -> bool {
    ["id", "url", "linkId", "fullUrl"]
        .iter()
        .all(|name| match (a.member(name), b.member(name)) {
            (Some(a), Some(b)) => a.is_same(b),
            _ => true,
        })
}

/// How much two items have in common: members of equal content that say more than a use or a status.
pub(super) fn likeness(a: &Node<'_>, b: &Node<'_>) -> usize {
    if is_contact_point(a) && is_contact_point(b) {
        let same = |name: &str| match (a.member(name), b.member(name)) {
            (Some(a), Some(b)) => a.is_same(b),
            _ => false,
        };
        return 1
            + usize::from(same("system"))
            + usize::from(same("use"))
            + usize::from(same("value"));
    }
    let says_little = |name: &str| {
        matches!(
            name,
            "use" | "system" | "status" | "rank" | "type" | "period"
        )
    };
    let members = a.members().unwrap_or_default();
    let shared = members.iter().take(64).filter(|m| {
        !says_little(&m.name)
            && b.member(&m.name)
                .is_some_and(|other| m.value.is_same(other))
    });
    shared.count()
}

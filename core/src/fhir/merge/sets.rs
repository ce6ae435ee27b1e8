//! Labels of a record: order says nothing, and a label is there or not.

use super::identity;
use super::shape::{Unit, same_unit};
use super::tree::Node;
use super::walk::{Printed, Three, print};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// What is in both, and what one side added; what one side took away is gone. `None`: not a list.
pub(super) fn merge<'a>(three: Three<'_, 'a>) -> Option<Vec<Printed<'a>>> {
    let [b, m, t] = three;
    let mut out = Vec::new();
    for (same, taken) in [
        (same_unit(m, t), t),
        (same_unit(b, m), t),
        (same_unit(b, t), m),
    ] {
        if same {
            print(taken, &mut out);
            return Some(out);
        }
    }
    let [base, mine, theirs] = [labels(b)?, labels(m)?, labels(t)?];
    let of = |labels: &[(String, &Node<'a>)]| -> HashMap<String, &'a str> {
        labels
            .iter()
            .map(|(key, node)| (key.clone(), node.raw))
            .collect()
    };
    let (in_base, in_mine, in_theirs) = (of(&base), of(&mine), of(&theirs));
    let content = |key: &str| match (in_mine.get(key), in_theirs.get(key)) {
        (Some(m), Some(t)) if in_base.get(key) == Some(m) => *t,
        (Some(m), Some(t)) if in_base.get(key) == Some(t) => *m,
        // The words of a label: any, but the same whoever merges.
        (Some(m), Some(t)) => m.min(t),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "",
    };
    let kept = base.iter().map(|(key, _)| key);
    let kept = kept.filter(|key| in_mine.contains_key(*key) && in_theirs.contains_key(*key));
    let mut texts: Vec<&str> = kept.map(|key| content(key)).collect();
    let added = mine
        .iter()
        .chain(&theirs)
        .filter(|(key, _)| !in_base.contains_key(key));
    let added: BTreeMap<&str, &str> = added.map(|(key, _)| (key.as_str(), content(key))).collect();
    texts.extend(added.into_values());
    let written = t.or(m)?.members.first()?.written;
    if !texts.is_empty() {
        out.push((written, Cow::Owned(format!("[{}]", texts.join(",")))));
    }
    Some(out)
}

fn labels<'t, 'a>(unit: Option<&Unit<'t, 'a>>) -> Option<Vec<(String, &'t Node<'a>)>> {
    let Some(unit) = unit else {
        return Some(Vec::new());
    };
    let key = |node: &Node<'_>| {
        let text = || node.string().map(Cow::into_owned);
        identity::key(node)
            .or_else(text)
            .unwrap_or_else(|| node.raw.to_owned())
    };
    match unit.members.as_slice() {
        [only] if !only.name.starts_with('_') => Some(
            only.value
                .items()?
                .iter()
                .map(|node| (key(node), node))
                .collect(),
        ),
        _ => None,
    }
}

//! In which order changes go. Pure: texts go in, units come out.
//!
//! A server may want the target of a reference to be there (400 otherwise), so what was made here goes before what refers
//! to it. What refers to each other in a circle, and what was written as one, is a unit: one transaction, never split.

use crate::fhir::links::Follower;
use crate::fhir::{Reference, refers};
use std::collections::HashMap;

/// One change that would be sent.
pub(super) struct Change<'a> {
    pub(super) name: &'a Reference,
    /// What is sent.
    pub(super) text: &'a str,
    /// Nothing of this name is on the server yet.
    pub(super) is_new: bool,
    /// The groups it belongs to.
    pub(super) together: &'a [String],
}

/// Changes that go in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Which of the changes, in their order.
    pub(super) changes: Vec<usize>,
    /// Records made here, by the position of the change that makes each, that must be on the server before.
    pub(super) needs: Vec<usize>,
    /// It refers to a record made here that does not go now.
    pub(super) is_blocked: bool,
}

/// The units of `changes`, each behind those it needs, and otherwise in the order of their oldest change. `is_blocked` says
/// of a name that is among no change whether it was made here and cannot go.
pub(super) fn units(changes: &[Change<'_>], is_blocked: impl Fn(&Reference) -> bool) -> Vec<Unit> {
    let by_name: HashMap<&Reference, usize> = changes
        .iter()
        .enumerate()
        .map(|(at, change)| (change.name, at))
        .collect();
    let follower = Follower::default();
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); changes.len()];
    let mut blocked = vec![false; changes.len()];
    for (at, change) in changes.iter().enumerate() {
        for name in refers::targets(&follower, change.text) {
            match by_name.get(&name) {
                Some(target) if changes[*target].is_new && *target != at => {
                    edges[at].push(*target);
                }
                Some(_) => {}
                None => blocked[at] |= is_blocked(&name),
            }
        }
    }
    let needs: Vec<Vec<usize>> = edges.clone();
    let mut first_of: HashMap<&str, usize> = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        for group in change.together {
            let first = *first_of.entry(group).or_insert(at);
            if first != at {
                edges[at].push(first);
                edges[first].push(at);
            }
        }
    }
    let circles = circles(&edges);
    let mut unit_of = vec![0; changes.len()];
    for (number, circle) in circles.iter().enumerate() {
        for at in circle {
            unit_of[*at] = number;
        }
    }
    let unit = |(number, mut circle): (usize, Vec<usize>)| {
        circle.sort_unstable();
        let outside = |need: &&usize| unit_of[**need] != number;
        let mut needed: Vec<usize> = circle
            .iter()
            .flat_map(|at| needs[*at].iter().filter(outside).copied())
            .collect();
        needed.sort_unstable();
        needed.dedup();
        Unit {
            is_blocked: circle.iter().any(|at| blocked[*at]),
            changes: circle,
            needs: needed,
        }
    };
    circles.into_iter().enumerate().map(unit).collect()
}

/// Strongly connected parts of a graph, each behind all that its edges lead to (Tarjan, without recursion: a chain of
/// references can be as long as an import).
fn circles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut index = vec![UNSEEN; edges.len()];
    let mut low = vec![0; edges.len()];
    let mut on_stack = vec![false; edges.len()];
    let (mut stack, mut found, mut count) = (Vec::new(), Vec::new(), 0);
    for root in 0..edges.len() {
        if index[root] != UNSEEN {
            continue;
        }
        let mut path = vec![(root, 0)];
        while let Some((at, edge)) = path.last_mut() {
            let (node, next) = (*at, edges[*at].get(*edge).copied());
            if *edge == 0 {
                (index[node], low[node]) = (count, count);
                count += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            *edge += 1;
            match next {
                Some(next) if index[next] == UNSEEN => path.push((next, 0)),
                Some(next) => {
                    if on_stack[next] {
                        low[node] = low[node].min(index[next]);
                    }
                }
                None => {
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        low[*parent] = low[*parent].min(low[node]);
                    }
                    if low[node] == index[node] {
                        let from = stack.iter().rposition(|it| *it == node).unwrap_or(0);
                        let circle = stack.split_off(from);
                        circle.iter().for_each(|it| on_stack[*it] = false);
                        found.push(circle);
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        names: Vec<Reference>,
        texts: Vec<String>,
        groups: Vec<Vec<String>>,
    }

    /// `a>b,c` is Basic/a, which refers to Basic/b and Basic/c; `a!g` belongs to the group g.
    fn case(all: &[&str]) -> Case {
        let mut case = Case {
            names: Vec::new(),
            texts: Vec::new(),
            groups: Vec::new(),
        };
        for one in all {
            let (one, group) = one.split_once('!').unwrap_or((one, ""));
            let (id, refers) = one.split_once('>').unwrap_or((one, ""));
            case.names
                .push(Reference::parse(&format!("Basic/{id}")).unwrap());
            let links = refers.split(',').filter(|it| !it.is_empty());
            let links: Vec<String> = links
                .map(|to| format!("{{\"reference\":\"Basic/{to}\"}}"))
                .collect();
            case.texts.push(format!("{{\"x\":[{}]}}", links.join(",")));
            let groups = group.split(',').filter(|it| !it.is_empty());
            case.groups.push(groups.map(str::to_owned).collect());
        }
        case
    }

    fn shown(all: &[&str], old: &[&str], blocked: &[&str]) -> String {
        let case = case(all);
        let changes: Vec<Change<'_>> = (0..all.len())
            .map(|at| Change {
                name: &case.names[at],
                text: &case.texts[at],
                is_new: !old.contains(&case.names[at].id.as_str()),
                together: &case.groups[at],
            })
            .collect();
        let units = units(&changes, |name| blocked.contains(&name.id.as_str()));
        let id = |at: &usize| case.names[*at].id.as_str().to_owned();
        let text = |unit: &Unit| {
            let ids = |all: &[usize]| all.iter().map(id).collect::<Vec<_>>().join("");
            let needs = match unit.needs.is_empty() {
                true => String::new(),
                false => format!("<{}", ids(&unit.needs)),
            };
            let stop = if unit.is_blocked { "x" } else { "" };
            format!("{}{needs}{stop}", ids(&unit.changes))
        };
        units.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_referred_to_goes_first() {
        assert_eq!(shown(&["a", "b", "c"], &[], &[]), "a b c");
        assert_eq!(shown(&["a>b", "b>c", "c"], &[], &[]), "c b<c a<b");
        // What the server has already need not go first.
        assert_eq!(shown(&["a>b", "b"], &["b"], &[]), "a b");
        assert_eq!(shown(&["a>a,z"], &[], &[]), "a");
    }

    #[test]
    fn circles_and_groups_are_one() {
        assert_eq!(
            shown(&["x", "a>b", "b>c", "c>a", "d>a"], &[], &[]),
            "x abc d<a"
        );
        assert_eq!(shown(&["a!g", "b", "c!g"], &[], &[]), "ac b");
        // A group whose members need something goes behind it; what needs a member of it goes behind the group.
        assert_eq!(shown(&["a!g", "b>a", "c>d!g", "d"], &[], &[]), "d ac<d b<a");
        assert_eq!(shown(&["a!g", "b!g,h", "c!h"], &[], &[]), "abc");
    }

    #[test]
    fn what_refers_to_a_refused_creation_waits() {
        assert_eq!(shown(&["a>q", "b>a", "c"], &[], &["q"]), "ax b<a c");
    }

    #[test]
    fn a_chain_as_long_as_an_import_needs_no_recursion() {
        let names: Vec<String> = (0..50_000).map(|n| format!("n{n}>n{}", n + 1)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let case = case(&names);
        let changes: Vec<Change<'_>> = (0..names.len())
            .map(|at| Change {
                name: &case.names[at],
                text: &case.texts[at],
                is_new: true,
                together: &[],
            })
            .collect();
        let units = units(&changes, |_| false);
        assert_eq!(units.len(), names.len());
        assert_eq!(units[0].changes, [49_999]);
    }
}

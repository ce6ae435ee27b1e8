//! Which item of one list is which of another: by content, by identity, and where neither says it, by place.
//!
//! No longest common subsequence: identity finds moved items as well, and everything here is linear in the lists' lengths.

use super::identity::{self, is_contact_point, likeness, may_replace};
use super::tree::Node;
use std::collections::{HashMap, VecDeque};

/// One item: its value, and for primitives the extensions beside it (`_given`).
#[derive(Clone, Copy)]
pub(super) struct Item<'t, 'a> {
    pub(super) value: &'t Node<'a>,
    pub(super) twin: Option<&'t Node<'a>>,
}

impl Item<'_, '_> {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.value.is_same(other.value)
            && match (self.twin, other.twin) {
                (Some(a), Some(b)) => a.is_same(b),
                (None, None) => true,
                _ => false,
            }
    }

    fn hash(&self) -> (u64, Option<u64>) {
        (self.value.hash(), self.twin.map(Node::hash))
    }
}

/// An item of the other list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) at: usize,
    /// It took the place of the first; nothing says that it is a new version of it.
    pub(super) is_replacement: bool,
}

/// More comparisons than this in one gap are not made: items are then paired by place.
const MOST_COMPARED: usize = 4096;

/// For each of `from`, what it is in `to`; each of `to` at most once.
pub(super) fn align(from: &[Item<'_, '_>], to: &[Item<'_, '_>]) -> Vec<Option<Pair>> {
    let mut pairing = Pairing {
        from,
        to,
        pairs: vec![None; from.len()],
        taken: vec![false; to.len()],
    };
    pairing.by_ends();
    pairing.by_content();
    pairing.by_name(identity::key, |_, _| false);
    pairing.by_name(identity::role, |a, b| {
        !(is_contact_point(a) && is_contact_point(b))
    });
    pairing.by_place();
    pairing.pairs
}

/// Items of both lists that are the same thing, added on both sides: by content or identity only.
pub(super) fn align_added(from: &[Item<'_, '_>], to: &[Item<'_, '_>]) -> Vec<Option<Pair>> {
    let mut pairing = Pairing {
        from,
        to,
        pairs: vec![None; from.len()],
        taken: vec![false; to.len()],
    };
    pairing.by_content();
    pairing.by_name(identity::key, |_, _| false);
    pairing.pairs
}

struct Pairing<'l, 't, 'a> {
    from: &'l [Item<'t, 'a>],
    to: &'l [Item<'t, 'a>],
    pairs: Vec<Option<Pair>>,
    taken: Vec<bool>,
}

impl Pairing<'_, '_, '_> {
    fn pair(&mut self, from: usize, to: usize, is_replacement: bool) {
        self.pairs[from] = Some(Pair {
            at: to,
            is_replacement,
        });
        self.taken[to] = true;
    }

    /// What is the same from the front and from the back: most of most lists.
    fn by_ends(&mut self) {
        let both = self.from.len().min(self.to.len());
        let front = (0..both)
            .take_while(|at| self.from[*at].is_same(&self.to[*at]))
            .count();
        for at in 0..front {
            self.pair(at, at, false);
        }
        for back in 1..=both - front {
            let (from, to) = (self.from.len() - back, self.to.len() - back);
            if !self.from[from].is_same(&self.to[to]) {
                break;
            }
            self.pair(from, to, false);
        }
    }

    fn open(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.to.len()).filter(|at| !self.taken[*at])
    }

    fn by_content(&mut self) {
        let mut open: HashMap<_, VecDeque<usize>> = HashMap::new();
        for at in self.open() {
            open.entry(self.to[at].hash()).or_default().push_back(at);
        }
        for at in 0..self.from.len() {
            if self.pairs[at].is_some() {
                continue;
            }
            let Some(found) = open.get_mut(&self.from[at].hash()) else {
                continue;
            };
            // Of equal hash and other content there are none, but for somebody's trick.
            if found
                .front()
                .is_some_and(|to| self.from[at].is_same(&self.to[*to]))
                && let Some(to) = found.pop_front()
            {
                self.pair(at, to, false);
            }
        }
    }

    fn by_name(
        &mut self,
        name: impl Fn(&Node<'_>) -> Option<String>,
        is_replacement: impl Fn(&Node<'_>, &Node<'_>) -> bool,
    ) {
        let mut open: HashMap<String, VecDeque<usize>> = HashMap::new();
        for at in self.open() {
            if let Some(name) = name(self.to[at].value) {
                open.entry(name).or_default().push_back(at);
            }
        }
        if open.is_empty() {
            return;
        }
        for at in 0..self.from.len() {
            if self.pairs[at].is_some() {
                continue;
            }
            let (from, to) = (self.from, self.to);
            let Some(found) = name(from[at].value).and_then(|name| open.get_mut(&name)) else {
                continue;
            };
            let fits = found
                .front()
                .is_some_and(|t| may_replace(from[at].value, to[*t].value));
            if fits && let Some(t) = found.pop_front() {
                self.pair(at, t, is_replacement(from[at].value, to[t].value));
            }
        }
    }

    /// What is left between two that are known: the most alike first, then one by one.
    fn by_place(&mut self) {
        let mut behind = None;
        let mut gap = Vec::new();
        for at in 0..=self.from.len() {
            match self.pairs.get(at) {
                Some(None) => gap.push(at),
                known => {
                    let next = known.copied().flatten().map(|pair| pair.at);
                    if !gap.is_empty() {
                        self.fill(&gap, behind);
                        gap.clear();
                    }
                    behind = next;
                }
            }
        }
    }

    fn fill(&mut self, gap: &[usize], behind: Option<usize>) {
        let first = behind.map_or(0, |at| at + 1);
        let run = (first..self.to.len()).take_while(|at| !self.taken[*at]);
        let mut run: VecDeque<usize> = run.collect();
        let mut rest: Vec<usize> = Vec::new();
        let compares = gap.len().saturating_mul(run.len()) <= MOST_COMPARED;
        for &at in gap {
            let from = self.from[at];
            let alike = |to: &usize| {
                let to = self.to[*to];
                match may_replace(from.value, to.value) {
                    true => likeness(from.value, to.value),
                    false => 0,
                }
            };
            // The first of the best.
            let compared = if compares { run.len() } else { 0 };
            let best = (0..compared)
                .map(|n| (alike(&run[n]), std::cmp::Reverse(n)))
                .max()
                .filter(|(score, _)| *score > 0);
            match best.and_then(|(_, std::cmp::Reverse(n))| run.remove(n)) {
                Some(to) => self.pair(at, to, false),
                None => rest.push(at),
            }
        }
        for (at, to) in rest.into_iter().zip(run) {
            let (from, new) = (self.from[at].value, self.to[to].value);
            if may_replace(from, new) {
                let alike = !compares && likeness(from, new) > 0;
                self.pair(at, to, !alike);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(from: &str, to: &str) -> String {
        let (from, to) = (Node::parse(from).unwrap(), Node::parse(to).unwrap());
        fn items<'t, 'a>(node: &'t Node<'a>) -> Vec<Item<'t, 'a>> {
            let all = node.items().unwrap().iter();
            all.map(|value| Item { value, twin: None }).collect()
        }
        let words = align(&items(&from), &items(&to))
            .into_iter()
            .map(|pair| match pair {
                Some(Pair { at, is_replacement }) => {
                    format!("{at}{}", if is_replacement { "!" } else { "" })
                }
                None => "-".to_owned(),
            });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn items_are_found_by_content_identity_and_place() {
        for (from, to, expected) in [
            ("[1,2,3]", "[1,2,3]", "0 1 2"),
            ("[1,2,3]", "[3,1,2]", "1 2 0"),
            ("[1,2,3]", "[1,3]", "0 - 1"),
            ("[1,2,3]", "[1,9,3]", "0 1! 2"),
            (
                r#"[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"work"}]"#,
                r#"[{"system":"phone","value":"3","use":"work"}]"#,
                "- 0",
            ),
            (
                r#"[{"use":"official","family":"a"},{"use":"maiden","family":"b"}]"#,
                r#"[{"use":"maiden","family":"c"},{"use":"official","family":"d"}]"#,
                "1 0",
            ),
            (
                r#"[{"system":"s","code":"1"}]"#,
                r#"[{"system":"s","code":"2"}]"#,
                "0!",
            ),
            (
                r#"[{"url":"a","valueCode":"x"}]"#,
                r#"[{"url":"b","valueCode":"x"}]"#,
                "-",
            ),
            (
                r#"[{"value":"A"},{"value":"B"}]"#,
                r#"[{"value":"A1"}]"#,
                "0 -",
            ),
            (r#"[{"a":1,"b":2}]"#, r#"[{"a":3,"b":4}]"#, "0!"),
            (
                r#"[{"a":1,"b":2},{"a":5,"b":6}]"#,
                r#"[{"a":5,"b":7}]"#,
                "- 0",
            ),
            ("[]", "[1]", ""),
        ] {
            assert_eq!(aligned(from, to), expected, "{from} {to}");
        }
    }
}

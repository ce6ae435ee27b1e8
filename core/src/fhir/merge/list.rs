//! Lists: items are what they are, not where they stand.

use super::Side;
use super::align::{Item, Pair, align, align_added};
use super::identity;
use super::path::Step;
use super::shape::{Unit, is_whole};
use super::tree::Node;
use super::walk::{Piece, Printed, Walk};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

/// An item of the merged list, and the extensions beside it.
pub(super) struct Merged<'a> {
    pub(super) value: Piece<'a>,
    twin: Option<Piece<'a>>,
}

pub(super) fn plain<'t, 'a>(items: &'t [Node<'a>]) -> Vec<Item<'t, 'a>> {
    items
        .iter()
        .map(|value| Item { value, twin: None })
        .collect()
}

/// A list that one side emptied and the other changed; `left` is the other's. `None` when it is no list.
pub(super) fn emptied<'a>(
    walk: &mut Walk<'_>,
    element: &str,
    base: &Unit<'_, 'a>,
    left: &Unit<'_, 'a>,
    is_mine: bool,
) -> Option<Vec<Printed<'a>>> {
    let mut members = base.members.iter().chain(&left.members);
    // Else one of the choice's types, or what is never taken apart.
    let is_it = |name: &str| name.strip_prefix('_').unwrap_or(name) == element;
    if !members.all(|member| is_it(&member.name) && !is_whole(element, &member.value)) {
        return None;
    }
    let nothing = Unit {
        name: left.name,
        members: Vec::new(),
    };
    match is_mine {
        true => with_twins(walk, element, base, left, &nothing),
        false => with_twins(walk, element, base, &nothing, left),
    }
}

/// A list of primitives with the list of their extensions (`given` and `_given`).
pub(super) fn with_twins<'a>(
    walk: &mut Walk<'_>,
    element: &str,
    b: &Unit<'_, 'a>,
    m: &Unit<'_, 'a>,
    t: &Unit<'_, 'a>,
) -> Option<Vec<Printed<'a>>> {
    let (base, mine, theirs) = (zipped(b)?, zipped(m)?, zipped(t)?);
    let items = merge(walk, element, &base, &mine, &theirs)?;
    let written = |is_twin: bool| {
        let members = t.members.iter().chain(&m.members);
        let mut found = members.filter(|member| member.name.starts_with('_') == is_twin);
        found.next().map(|member| member.written)
    };
    let mut out = Vec::new();
    let values: Vec<&str> = items.iter().map(|item| item.value.as_ref()).collect();
    if !values.is_empty() {
        out.push((
            written(false)?,
            Cow::Owned(format!("[{}]", values.join(","))),
        ));
    }
    if items.iter().any(|item| item.twin.is_some()) {
        let twins: Vec<&str> = items
            .iter()
            .map(|item| item.twin.as_deref().unwrap_or("null"))
            .collect();
        out.push((written(true)?, Cow::Owned(format!("[{}]", twins.join(",")))));
    }
    Some(out)
}

/// Values beside their extensions; `None` when they are no such lists.
fn zipped<'t, 'a>(unit: &'t Unit<'_, 'a>) -> Option<Vec<Item<'t, 'a>>> {
    let (mut values, mut twins): (&[Node<'a>], &[Node<'a>]) = (&[], &[]);
    for member in &unit.members {
        match member.name.starts_with('_') {
            true => twins = member.value.items()?,
            false => values = member.value.items()?,
        }
    }
    let is_null = |node: &&Node<'_>| node.raw == "null";
    // Fewer values than extensions, or a name that is a choice of types: not a list of primitives.
    if twins.len() > values.len() || unit.members.len() > 2 {
        return None;
    }
    let twin = |at: usize| twins.get(at).filter(|twin| !is_null(twin));
    Some(
        values
            .iter()
            .enumerate()
            .map(|(at, value)| Item {
                value,
                twin: twin(at),
            })
            .collect(),
    )
}

/// One item, wherever it is.
#[derive(Clone, Copy)]
struct Entry {
    base: Option<usize>,
    mine: Option<usize>,
    theirs: Option<usize>,
    /// A replacement is never merged with what it replaced.
    is_whole: bool,
}

struct Lists<'l, 't, 'a> {
    element: &'l str,
    base: &'l [Item<'t, 'a>],
    mine: &'l [Item<'t, 'a>],
    theirs: &'l [Item<'t, 'a>],
    entries: Vec<Entry>,
    labels: OnceCell<Vec<Step>>,
}

/// The merged list; `None` when only a person can say in which order it goes.
pub(super) fn merge<'a>(
    walk: &mut Walk<'_>,
    element: &str,
    base: &[Item<'_, 'a>],
    mine: &[Item<'_, 'a>],
    theirs: &[Item<'_, 'a>],
) -> Option<Vec<Merged<'a>>> {
    let lists = Lists {
        element,
        base,
        mine,
        theirs,
        entries: entries(base, mine, theirs),
        labels: OnceCell::new(),
    };
    let by_mine = lists.in_order(mine.len(), |entry| entry.mine);
    let by_theirs = lists.in_order(theirs.len(), |entry| entry.theirs);
    let order = lists.order(&by_mine, &by_theirs)?;
    let (only_mine, only_theirs) = (
        lists.behind(&by_mine, |entry| entry.theirs.is_none()),
        lists.behind(&by_theirs, |entry| entry.mine.is_none()),
    );
    // Given names, lines of an address: what two people put at one place makes no sense one behind the other.
    let adds = |run: Option<&Vec<usize>>| {
        run.is_some_and(|run| run.iter().any(|at| lists.entries[*at].base.is_none()))
    };
    let is_of_values = mine.iter().chain(theirs).any(|item| item.value.is_scalar());
    let both_add =
        |anchor: &Option<usize>| adds(only_mine.get(anchor)) && adds(only_theirs.get(anchor));
    if is_of_values && only_mine.keys().any(both_add) {
        return None;
    }

    let mut out = Vec::with_capacity(mine.len().max(theirs.len()));
    for anchor in std::iter::once(None).chain(order.into_iter().map(Some)) {
        if let Some(at) = anchor {
            out.push(lists.both(walk, at));
        }
        let mut run = |run: Option<&Vec<usize>>| -> Vec<Merged<'a>> {
            run.into_iter()
                .flatten()
                .filter_map(|at| lists.one(walk, *at))
                .collect()
        };
        let (first, second) = (run(only_mine.get(&anchor)), run(only_theirs.get(&anchor)));
        // Whoever merges: the same order.
        let text = |run: &[Merged<'a>]| {
            run.iter()
                .map(|item| item.value.to_string())
                .collect::<Vec<_>>()
        };
        let swaps = !first.is_empty() && !second.is_empty() && text(&first) > text(&second);
        let (first, second) = if swaps {
            (second, first)
        } else {
            (first, second)
        };
        out.extend(first);
        out.extend(second);
    }
    Some(out)
}

fn entries(base: &[Item<'_, '_>], mine: &[Item<'_, '_>], theirs: &[Item<'_, '_>]) -> Vec<Entry> {
    let (to_mine, to_theirs) = (align(base, mine), align(base, theirs));
    let replaces = |pair: Option<Pair>| pair.is_some_and(|pair| pair.is_replacement);
    let mut entries: Vec<Entry> = to_mine
        .iter()
        .zip(&to_theirs)
        .enumerate()
        .map(|(at, (m, t))| Entry {
            base: Some(at),
            mine: m.map(|pair| pair.at),
            theirs: t.map(|pair| pair.at),
            is_whole: replaces(*m) || replaces(*t),
        })
        .collect();
    let new = |items: usize, pairs: &[Option<Pair>]| -> Vec<usize> {
        let mut known = vec![false; items];
        for pair in pairs.iter().flatten() {
            known[pair.at] = true;
        }
        (0..items).filter(|at| !known[*at]).collect()
    };
    let (new_mine, new_theirs) = (new(mine.len(), &to_mine), new(theirs.len(), &to_theirs));
    let added_mine: Vec<Item<'_, '_>> = new_mine.iter().map(|at| mine[*at]).collect();
    let added_theirs: Vec<Item<'_, '_>> = new_theirs.iter().map(|at| theirs[*at]).collect();
    let shared = align_added(&added_mine, &added_theirs);
    let mut is_shared = vec![false; new_theirs.len()];
    for (at, pair) in new_mine.iter().zip(&shared) {
        if let Some(pair) = pair {
            is_shared[pair.at] = true;
        }
        let theirs = pair.map(|pair| new_theirs[pair.at]);
        entries.push(Entry {
            base: None,
            mine: Some(*at),
            theirs,
            is_whole: true,
        });
    }
    for (at, _) in new_theirs
        .iter()
        .zip(is_shared)
        .filter(|(_, is_shared)| !is_shared)
    {
        entries.push(Entry {
            base: None,
            mine: None,
            theirs: Some(*at),
            is_whole: true,
        });
    }
    entries
}

impl<'a> Lists<'_, '_, 'a> {
    /// One side's entries, in its order.
    fn in_order(&self, items: usize, place: impl Fn(&Entry) -> Option<usize>) -> Vec<usize> {
        let mut order = vec![0; items];
        for (at, entry) in self.entries.iter().enumerate() {
            if let Some(place) = place(entry) {
                order[place] = at;
            }
        }
        order
    }

    /// The order of what both have. The side that moved something says it; `None` when both did, and differently.
    fn order(&self, by_mine: &[usize], by_theirs: &[usize]) -> Option<Vec<usize>> {
        let common = |order: &[usize]| -> Vec<usize> {
            let in_both = |at: &&usize| {
                let entry = self.entries[**at];
                entry.mine.is_some() && entry.theirs.is_some()
            };
            order.iter().filter(in_both).copied().collect()
        };
        let (mine, theirs) = (common(by_mine), common(by_theirs));
        if mine == theirs {
            return Some(theirs);
        }
        let known = |order: &[usize]| -> Vec<usize> {
            order
                .iter()
                .filter_map(|at| self.entries[*at].base)
                .collect()
        };
        let (known_mine, known_theirs) = (known(&mine), known(&theirs));
        match (known_mine.is_sorted(), known_theirs.is_sorted()) {
            (true, true) | (false, false) => None,
            (true, false) => Some(theirs),
            (false, true) => Some(mine),
        }
    }

    /// What only one side has, by the last one before it that both have.
    fn behind(
        &self,
        order: &[usize],
        is_alone: impl Fn(&Entry) -> bool,
    ) -> HashMap<Option<usize>, Vec<usize>> {
        let mut anchor = None;
        let mut all: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for &at in order {
            match is_alone(&self.entries[at]) {
                true => all.entry(anchor).or_default().push(at),
                false => anchor = Some(at),
            }
        }
        all
    }

    fn three(&self, entry: Entry) -> [Option<&Item<'_, 'a>>; 3] {
        [
            entry.base.map(|at| &self.base[at]),
            entry.mine.map(|at| &self.mine[at]),
            entry.theirs.map(|at| &self.theirs[at]),
        ]
    }

    /// An item that both sides have.
    fn both(&self, walk: &mut Walk<'_>, at: usize) -> Merged<'a> {
        let entry = self.entries[at];
        let [b, Some(m), Some(t)] = self.three(entry) else {
            return Merged {
                value: Cow::Borrowed("null"),
                twin: None,
            };
        };
        if m.is_same(t) || b.is_some_and(|b| b.is_same(m)) {
            return taken(t);
        }
        if b.is_some_and(|b| b.is_same(t)) {
            return taken(m);
        }
        walk.path.push(self.label(at));
        let has_twins = [b, Some(m), Some(t)]
            .into_iter()
            .flatten()
            .any(|item| item.twin.is_some());
        let merged = match b {
            Some(b) if !entry.is_whole && !has_twins => {
                walk.node(self.element, Some(b.value), m.value, t.value, false)
            }
            _ => None,
        };
        let merged = match merged {
            Some(value) => Merged { value, twin: None },
            None => match walk.clash(b.map(shown), Some(shown(m)), Some(shown(t))) {
                Side::Mine => taken(m),
                Side::Theirs => taken(t),
            },
        };
        walk.path.pop();
        merged
    }

    /// An item that one side has: new there, or deleted by the other. Deleted and changed is for a person.
    fn one(&self, walk: &mut Walk<'_>, at: usize) -> Option<Merged<'a>> {
        let [base, mine, theirs] = self.three(self.entries[at]);
        let left = mine.or(theirs)?;
        let Some(base) = base else {
            return Some(taken(left));
        };
        if left.is_same(base) {
            return None;
        }
        walk.path.push(self.label(at));
        let side = walk.clash(Some(shown(base)), mine.map(shown), theirs.map(shown));
        walk.path.pop();
        let is_kept = match side {
            Side::Mine => mine.is_some(),
            Side::Theirs => theirs.is_some(),
        };
        is_kept.then(|| taken(left))
    }

    fn label(&self, at: usize) -> Step {
        let labels = self.labels.get_or_init(|| {
            let mut seen: HashMap<String, usize> = HashMap::new();
            let label = |(place, entry): (usize, &Entry)| {
                let [base, mine, theirs] = self.three(*entry);
                let key = base
                    .or(mine)
                    .or(theirs)
                    .and_then(|item| identity::key(item.value));
                let Some(key) = key.filter(|key| !key.is_empty()) else {
                    return Step::Item {
                        key: String::new(),
                        nth: place,
                    };
                };
                let count = seen.entry(key.clone()).or_default();
                *count += 1;
                Step::Item {
                    key,
                    nth: *count - 1,
                }
            };
            self.entries.iter().enumerate().map(label).collect()
        });
        labels.get(at).cloned().unwrap_or(Step::Item {
            key: String::new(),
            nth: at,
        })
    }
}

fn taken<'a>(item: &Item<'_, 'a>) -> Merged<'a> {
    Merged {
        value: Cow::Borrowed(item.value.raw),
        twin: item.twin.map(|twin| Cow::Borrowed(twin.raw)),
    }
}

fn shown(item: &Item<'_, '_>) -> String {
    match item.twin {
        None => item.value.raw.to_owned(),
        Some(twin) => format!("{{\"value\":{},\"_value\":{}}}", item.value.raw, twin.raw),
    }
}

//! Element by element: which side's piece of text goes into the merged one.

use super::path::{Path, Step};
use super::shape::{Unit, Units, bond, is_concept, is_whole, same_unit};
use super::tree::{Kind, Member, Node};
use super::{Clash, Side, list, sets};
use std::borrow::Cow;

/// A piece of the merged text.
pub(super) type Piece<'a> = Cow<'a, str>;
/// A member of a merged object: its name as written, and its value.
pub(super) type Printed<'a> = (&'a str, Piece<'a>);

/// Base, mine, theirs; `None` where it is not there.
pub(super) type Three<'t, 'a> = [Option<&'t Unit<'t, 'a>>; 3];

/// One merge on its way through the three texts.
pub(super) struct Walk<'c> {
    /// `resourceType`.
    pub(super) kind: String,
    pub(super) choose: &'c dyn Fn(&Clash) -> Side,
    /// What only one side changed is asked about as well.
    pub(super) asks_everything: bool,
    pub(super) path: Path,
    pub(super) clashes: Vec<Clash>,
}

impl Walk<'_> {
    /// The whole resource, when both sides changed it.
    pub(super) fn resource<'a>(&mut self, b: &Node<'a>, m: &Node<'a>, t: &Node<'a>) -> String {
        let three = [Units::of(Some(b)), Units::of(Some(m)), Units::of(Some(t))];
        let mut out = Vec::new();
        let torn = torn(&self.kind, &three);
        for name in names(&three) {
            let versions = of(&three, name);
            match name {
                "meta" => self.meta(versions, &mut out),
                // It describes neither side's content any more, unless it says more than the content.
                "text" if !says_more(versions) => {}
                _ => self.unit(name, versions, &torn, &mut out),
            }
        }
        object(&out)
    }

    fn object<'a>(&mut self, b: &Node<'a>, m: &Node<'a>, t: &Node<'a>) -> String {
        let three = [Units::of(Some(b)), Units::of(Some(m)), Units::of(Some(t))];
        let mut out = Vec::new();
        let torn = torn(&self.kind, &three);
        for name in names(&three) {
            self.unit(name, of(&three, name), &torn, &mut out);
        }
        object(&out)
    }

    fn unit<'a>(
        &mut self,
        name: &str,
        three: Three<'_, 'a>,
        torn: &[u8],
        out: &mut Vec<Printed<'a>>,
    ) {
        let [b, m, t] = three;
        let is_torn = bond(&self.kind, name).is_some_and(|bond| torn.contains(&bond));
        if same_unit(m, t) {
            return print(t, out);
        }
        let (mine_is_base, theirs_is_base) = (same_unit(b, m), same_unit(b, t));
        let is_one_sided = mine_is_base || theirs_is_base;
        if is_one_sided && !is_torn && !self.asks_everything {
            return print(if mine_is_base { t } else { m }, out);
        }
        self.path.push(Step::Element(name.to_owned()));
        let merged = match is_torn {
            true => None,
            false => self.inside(name, three, is_one_sided),
        };
        match merged {
            Some(members) => out.extend(members),
            None => {
                let [base, mine, theirs] = shown(three);
                match self.clash(base, mine, theirs) {
                    Side::Mine => print(m, out),
                    Side::Theirs => print(t, out),
                }
            }
        }
        self.path.pop();
    }

    /// The element merged by what is in it; `None` when it has to be one side's as a whole.
    fn inside<'a>(
        &mut self,
        name: &str,
        [b, m, t]: Three<'_, 'a>,
        is_one_sided: bool,
    ) -> Option<Vec<Printed<'a>>> {
        let (Some(m), Some(t)) = (m, t) else {
            // A list that is not there is one without items: emptied by one side, and changed by the other.
            return match is_one_sided {
                true => None,
                false => list::emptied(self, name, b?, m.or(t)?, m.is_some()),
            };
        };
        if let ([mine], [theirs]) = (m.members.as_slice(), t.members.as_slice()) {
            let base = match b.map(|b| b.members.as_slice()) {
                None => None,
                Some([base]) if base.name == mine.name => Some(&base.value),
                Some(_) => return None,
            };
            // Extensions without values stand at the places of values that are not there: moving one changes what it is about.
            if mine.name != theirs.name || mine.name.starts_with('_') {
                return None;
            }
            let text = self.node(name, base, &mine.value, &theirs.value, is_one_sided)?;
            return Some(vec![(theirs.written, text)]);
        }
        if is_one_sided {
            return None;
        }
        list::with_twins(self, name, b?, m, t)
    }

    /// Two different versions of one value; `None` when it has to be one side's as a whole.
    pub(super) fn node<'a>(
        &mut self,
        element: &str,
        b: Option<&Node<'a>>,
        m: &Node<'a>,
        t: &Node<'a>,
        is_one_sided: bool,
    ) -> Option<Piece<'a>> {
        if [b, Some(m), Some(t)]
            .into_iter()
            .flatten()
            .any(|node| is_whole(element, node))
        {
            return None;
        }
        match (&m.kind, &t.kind) {
            (Kind::Object(_), Kind::Object(_)) => {
                let b = b?;
                b.members()?;
                if [b, m, t].into_iter().any(is_concept) && !only_adds_codings(b, m, t) {
                    return None;
                }
                Some(Cow::Owned(self.object(b, m, t)))
            }
            (Kind::Array(mine), Kind::Array(theirs)) if !is_one_sided => {
                let base = match b {
                    Some(b) => b.items()?,
                    // Both wrote it for the first time: records beside each other, but never values.
                    None if mine.iter().chain(theirs).any(Node::is_scalar) => return None,
                    None => &[],
                };
                let items = list::merge(
                    self,
                    element,
                    &list::plain(base),
                    &list::plain(mine),
                    &list::plain(theirs),
                )?;
                let texts: Vec<&str> = items.iter().map(|item| item.value.as_ref()).collect();
                Some(Cow::Owned(format!("[{}]", texts.join(","))))
            }
            _ => None,
        }
    }

    pub(super) fn clash(
        &mut self,
        base: Option<String>,
        mine: Option<String>,
        theirs: Option<String>,
    ) -> Side {
        let clash = Clash {
            path: self.path.clone(),
            base,
            mine,
            theirs,
        };
        let side = (self.choose)(&clash);
        self.clashes.push(clash);
        side
    }

    /// `versionId` and `lastUpdated` are the server's, labels are sets, the rest is merged like anything.
    fn meta<'a>(&mut self, three: Three<'_, 'a>, out: &mut Vec<Printed<'a>>) {
        let only = |unit: Option<&Unit<'_, 'a>>| {
            unit.is_none_or(|u| {
                u.members.len() == 1
                    && u.members
                        .iter()
                        .all(|m| m.name == "meta" && m.value.members().is_some())
            })
        };
        if !three.iter().all(|unit| only(*unit)) {
            return self.unit("meta", three, &[], out);
        }
        let members = three.map(|unit| unit.and_then(|u| u.members.first()).copied());
        let inner = members.map(|member| Units::of(member.map(|m| &m.value)));
        let mut kept = Vec::new();
        self.path.push(Step::Element("meta".to_owned()));
        for name in names(&inner) {
            let versions = of(&inner, name);
            match name {
                "versionId" | "lastUpdated" => print(versions[2], &mut kept),
                "tag" | "security" | "profile" => match sets::merge(versions) {
                    Some(members) => kept.extend(members),
                    None => self.unit(name, versions, &[], &mut kept),
                },
                _ => self.unit(name, versions, &[], &mut kept),
            }
        }
        self.path.pop();
        let written = members[2].or(members[1]).map(|m| m.written);
        if let Some(written) = written.filter(|_| !kept.is_empty()) {
            out.push((written, Cow::Owned(object(&kept))));
        }
    }
}

/// Elements of theirs, then what only mine has. What neither has is gone.
fn names<'t>(three: &[Units<'t, '_>; 3]) -> Vec<&'t str> {
    let theirs = three[2].all.iter().map(|unit| unit.name);
    let mine = three[1].all.iter().map(|unit| unit.name);
    theirs
        .chain(mine.filter(|name| three[2].get(name).is_none()))
        .collect()
}

fn of<'t, 'a>(three: &'t [Units<'t, 'a>; 3], name: &str) -> Three<'t, 'a> {
    [three[0].get(name), three[1].get(name), three[2].get(name)]
}

/// Bonds within which both sides changed something, and not one and the same element: that one can speak for itself.
fn torn(kind: &str, three: &[Units<'_, '_>; 3]) -> Vec<u8> {
    let mut changed: [Vec<&str>; 3] = Default::default();
    let mut sides = [[false; 2]; 3];
    for unit in three.iter().flat_map(|units| &units.all) {
        let Some(bond) = bond(kind, unit.name).map(usize::from) else {
            continue;
        };
        let [b, m, t] = of(three, unit.name);
        if !same_unit(m, t) && !changed[bond].contains(&unit.name) {
            changed[bond].push(unit.name);
            sides[bond][0] |= !same_unit(b, m);
            sides[bond][1] |= !same_unit(b, t);
        }
    }
    let is_torn = |bond: &u8| {
        let bond = usize::from(*bond);
        sides[bond] == [true; 2] && changed[bond].len() > 1
    };
    (0..3).filter(is_torn).collect()
}

/// Whether a narrative may hold what the data does not: then it is content.
fn says_more(three: Three<'_, '_>) -> bool {
    three.into_iter().flatten().any(|unit| {
        let status = unit
            .only()
            .and_then(|text| text.value.member("status")?.string());
        status.is_some_and(|status| status == "additional")
    })
}

/// Whether both sides left the codings of a concept as they were and added others, none of one system. Anything else could
/// give a code the words or translations of another.
fn only_adds_codings(b: &Node<'_>, m: &Node<'_>, t: &Node<'_>) -> bool {
    let rest = |node: &Node<'_>| {
        let members = node.members().unwrap_or_default().iter();
        members.filter(|m| m.name != "coding").count()
    };
    let same_rest = |other: &Node<'_>| {
        rest(b) == rest(other)
            && b.members()
                .unwrap_or_default()
                .iter()
                .filter(|m| m.name != "coding")
                .all(|member| {
                    other
                        .member(&member.name)
                        .is_some_and(|o| o.is_same(&member.value))
                })
    };
    let codes = |node: &Node<'_>| -> Option<Vec<(String, String)>> {
        let coding = node.member("coding")?.items()?.iter();
        let text =
            |c: &Node<'_>, name: &str| c.member(name).and_then(Node::string).map(Cow::into_owned);
        coding
            .map(|c| Some((text(c, "system")?, text(c, "code")?)))
            .collect()
    };
    let (Some(base), Some(mine), Some(theirs)) = (codes(b), codes(m), codes(t)) else {
        return false;
    };
    // Concepts have a few codings; more are not worth a search.
    if base.len().max(mine.len()).max(theirs.len()) > 64 {
        return false;
    }
    let added = |all: &[(String, String)]| -> Vec<(String, String)> {
        all.iter()
            .filter(|code| !base.contains(code))
            .cloned()
            .collect()
    };
    let (by_me, by_them) = (added(&mine), added(&theirs));
    let foreign = |code: &(String, String)| {
        by_them
            .iter()
            .all(|other| other.0 != code.0 || other == code)
    };
    !base.is_empty()
        && same_rest(m)
        && same_rest(t)
        && base
            .iter()
            .all(|code| mine.contains(code) && theirs.contains(code))
        && by_me.iter().all(foreign)
}

/// What a person is shown of an element: its value, or where extensions or a choice's type count, its members.
fn shown(three: Three<'_, '_>) -> [Option<String>; 3] {
    let mut names = three
        .into_iter()
        .flatten()
        .filter_map(|unit| unit.only())
        .map(|m| &m.name);
    let first = names.next();
    let is_plain = three
        .into_iter()
        .flatten()
        .all(|unit| unit.only().is_some())
        && names.all(|name| Some(name) == first);
    three.map(|unit| {
        let members: Vec<&Member<'_>> = unit?.members.clone();
        Some(match members.as_slice() {
            [only] if is_plain => only.value.raw.to_owned(),
            all => {
                let all: Vec<Printed<'_>> = all
                    .iter()
                    .map(|m| (m.written, Cow::Borrowed(m.value.raw)))
                    .collect();
                object(&all)
            }
        })
    })
}

pub(super) fn print<'a>(unit: Option<&Unit<'_, 'a>>, out: &mut Vec<Printed<'a>>) {
    for member in unit.iter().flat_map(|unit| &unit.members) {
        out.push((member.written, Cow::Borrowed(member.value.raw)));
    }
}

pub(super) fn object(members: &[Printed<'_>]) -> String {
    let length: usize = members
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    let mut out = String::with_capacity(length + 2);
    for (name, value) in members {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(name);
        out.push(':');
        out.push_str(value);
    }
    if out.is_empty() {
        out.push('{');
    }
    out.push('}');
    out
}

//! The walk over a record's text: down into what the plan wants, past everything else, nothing copied.
//!
//! The text has been checked by [`Resource::parse`](crate::fhir::Resource::parse), so the parser meets no error here; what it meets is shapes that
//! FHIR does not have (an array where an object belongs, a number where a text belongs), and those give no values. Arrays
//! in arrays count as one. A member that stands twice in an object counts twice, or, as part of a value, by its last.

use super::plan::{Filter, Leaf, Make, Member, Node, Slot};
use super::{Found, make, period};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// With `arbitrary_precision` serde_json hands out a number as an object with this one member, unless it is a small integer.
const NUMBER: &str = "$serde_json::private::Number";

/// A value that is not `null`: string, number or boolean.
#[derive(Debug, Clone)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Boolean(bool),
    /// An object or array where FHIR has none.
    Other,
}

/// The parts of a value that is an object, in the places that [`Slot`] names.
#[derive(Debug, Default)]
pub(super) struct Slots<'a>([Option<Scalar<'a>>; 4]);

impl<'a> Slots<'a> {
    /// The text there; empty when there is none.
    pub(super) fn text(&self, slot: Slot) -> Cow<'a, str> {
        match &self.0[slot as usize] {
            Some(Scalar::Text(text)) => text.clone(),
            _ => Cow::Borrowed(""),
        }
    }

    /// The number there.
    pub(super) fn number(&self, slot: Slot) -> Option<f64> {
        match &self.0[slot as usize] {
            Some(Scalar::Number(number)) => Some(*number).filter(|n| n.is_finite()),
            _ => None,
        }
    }

    /// Whether anything stands there, of whatever shape; `null` is nothing.
    pub(super) fn is_set(&self, slot: Slot) -> bool {
        self.0[slot as usize].is_some()
    }
}

/// One element of the record and what the plan wants of it.
pub(super) struct Walk<'o, 'a> {
    pub(super) node: &'static Node,
    pub(super) out: &'o mut Vec<Found<'a>>,
}

impl<'a> Walk<'_, 'a> {
    fn scalar(&mut self, scalar: &Scalar<'a>) {
        for Leaf { parameter, make } in &self.node.leaves {
            make::from_scalar(*parameter, *make, scalar, self.out);
        }
    }

    fn timing(&mut self, raw: &'a RawValue) {
        for span in period::flat(raw).into_iter().filter_map(period::timing) {
            for leaf in &self.node.leaves {
                self.out.push(Found {
                    parameter: leaf.parameter,
                    value: super::Value::Date(span),
                });
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if self.node.leaves.iter().any(|l| l.make == Make::Timing) {
            self.timing(<&RawValue>::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let before = self.out.len();
        let mut slots = Slots::default();
        let mut passed = 0_u32;
        while let Some(key) = map.next_key_seed(Key(self.node))? {
            match key {
                Wanted::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                }
                Wanted::Number => {
                    if let Some(Scalar::Text(text)) = map.next_value_seed(ReadScalar)? {
                        self.scalar(&number(&text));
                    }
                }
                Wanted::Member(member) if member.slot.is_some() || member.is_filter => {
                    let Some(scalar) = map.next_value_seed(ReadScalar)? else {
                        continue;
                    };
                    if member.is_filter {
                        passed |= passes(&self.node.filters, member.name, &scalar);
                    }
                    if let Some(node) = &member.child {
                        Walk {
                            node,
                            out: self.out,
                        }
                        .scalar(&scalar);
                    }
                    if let Some(slot) = member.slot {
                        slots.0[slot as usize] = Some(scalar);
                    }
                }
                Wanted::Member(member) => match &member.child {
                    Some(node) => map.next_value_seed(Walk {
                        node,
                        out: self.out,
                    })?,
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                },
            }
        }
        for Leaf { parameter, make } in &self.node.leaves {
            make::from_object(*parameter, *make, &slots, self.out);
        }
        for (at, filter) in self.node.filters.iter().enumerate() {
            if passed & (1 << at) == 0 {
                drop_found(self.out, before, &filter.parameters);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { node, out } = self;
        while items
            .next_element_seed(Walk {
                node,
                out: &mut *out,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<(), E> {
        self.scalar(&Scalar::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.scalar(&Scalar::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.scalar(&Scalar::Number(value as f64));
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.scalar(&Scalar::Number(value as f64));
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.scalar(&Scalar::Number(value));
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.scalar(&Scalar::Boolean(value));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A number that no `f64` holds is infinite here, and no value.
fn number<'a>(text: &str) -> Scalar<'a> {
    text.parse().map_or(Scalar::Other, Scalar::Number)
}

/// Which of the filters on this member hold.
fn passes(filters: &[Filter], member: &str, scalar: &Scalar<'_>) -> u32 {
    let Scalar::Text(text) = scalar else { return 0 };
    let holds = |f: &Filter| f.member == member && f.value == text;
    let all = filters.iter().enumerate().filter(|(_, f)| holds(f));
    all.fold(0, |bits, (at, _)| bits | (1 << at))
}

/// Takes back what was found under an object that a filter refuses.
fn drop_found(out: &mut Vec<Found<'_>>, from: usize, parameters: &[u16]) {
    let mut kept = from;
    for at in from..out.len() {
        if !parameters.contains(&out[at].parameter) {
            out.swap(kept, at);
            kept += 1;
        }
    }
    out.truncate(kept);
}

/// What the plan wants of the member behind a name.
enum Wanted {
    Nothing,
    Number,
    Member(&'static Member),
}

struct Key(&'static Node);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Wanted;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Wanted, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Wanted, E> {
        match self.0.members.iter().find(|m| m.name == name) {
            Some(member) => Ok(Wanted::Member(member)),
            None if name == NUMBER => Ok(Wanted::Number),
            None => Ok(Wanted::Nothing),
        }
    }
}

/// Reads a scalar; `null` is none.
struct ReadScalar;

impl<'de> DeserializeSeed<'de> for ReadScalar {
    type Value = Option<Scalar<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReadScalar {
    type Value = Option<Scalar<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(value as f64)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(value)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Boolean(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        static NO_MEMBERS: Node = Node {
            members: Vec::new(),
            leaves: Vec::new(),
            filters: Vec::new(),
        };
        let mut read = Scalar::Other;
        while let Some(key) = map.next_key_seed(Key(&NO_MEMBERS))? {
            if !matches!(key, Wanted::Number) {
                map.next_value::<IgnoredAny>()?;
            } else if let Some(Scalar::Text(text)) = map.next_value_seed(Self)? {
                read = number(&text);
            }
        }
        Ok(Some(read))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(Scalar::Other))
    }
}

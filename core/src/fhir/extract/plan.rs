//! The paths of one type as one tree, so that a single walk over the record serves all parameters.
//!
//! Made when the first record of a type is met, and kept: most programs see a dozen of the 146 types.

use super::path::{Path, Step};
use crate::fhir::ResourceType;
use crate::fhir::params::{self, Parameter, ParameterKind, Profile};
use std::sync::OnceLock;

/// All paths of one type under one profile.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The resource.
    pub(super) root: Node,
    /// Parameters that are `false` where nothing else was found.
    pub(super) otherwise_false: Vec<u16>,
}

/// One element: what to do when a walk comes to it.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Members worth a look; the rest is skipped.
    pub(super) members: Vec<Member>,
    /// Values made of the element itself.
    pub(super) leaves: Vec<Leaf>,
    /// Conditions on the element's object.
    pub(super) filters: Vec<Filter>,
}

/// One member worth a look.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    /// Where the walk goes on.
    pub(super) child: Option<Node>,
    /// The part of the object's own value that stands here.
    pub(super) slot: Option<Slot>,
    /// Whether a filter asks for its text.
    pub(super) is_filter: bool,
}

/// Values found under the object count only where this holds.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) member: &'static str,
    pub(super) value: &'static str,
    pub(super) parameters: Vec<u16>,
}

/// A value of a parameter.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) parameter: u16,
    pub(super) make: Make,
}

/// How a value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    /// From a JSON string.
    TokenOfText,
    /// From a JSON boolean.
    TokenOfBoolean,
    /// `true` for any text.
    TokenOfPresence,
    /// Coding or Identifier: system and code.
    Token,
    /// ContactPoint: R4 gives its system no part in the token.
    TokenOfContact,
    Text,
    /// Only those to a type, where one is named.
    Reference(Option<ResourceType>),
    /// Of a canonical or uri; found with its version and without.
    Canonical,
    Date,
    /// R4 gives an instant no width, whatever its digits.
    Instant,
    Period,
    Timing,
    Number,
    /// The number of a Quantity (the ends of a Range).
    NumberOfQuantity,
    Quantity,
    Money,
    Uri,
}

/// Parts of a value that is an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// `system`, `reference`'s `type`, `start`.
    First,
    /// `code`, `value` of an Identifier, `reference`, `end`.
    Second,
    /// `value` of a Quantity.
    Third,
    /// `unit`.
    Fourth,
}

impl Make {
    /// The members that its value is made of.
    fn slots(self) -> &'static [(&'static str, Slot)] {
        match self {
            Self::TokenOfContact => &[("value", Slot::Second)],
            Self::Reference(_) => &[("type", Slot::First), ("reference", Slot::Second)],
            Self::Period => &[("start", Slot::First), ("end", Slot::Second)],
            Self::Money => &[("currency", Slot::Second), ("value", Slot::Third)],
            Self::NumberOfQuantity => &[("value", Slot::Third)],
            Self::Quantity => &[
                ("system", Slot::First),
                ("code", Slot::Second),
                ("value", Slot::Third),
                ("unit", Slot::Fourth),
            ],
            _ => &[],
        }
    }
}

impl Node {
    fn member(&mut self, name: &'static str) -> &mut Member {
        let at = self.members.iter().position(|m| m.name == name);
        let at = at.unwrap_or_else(|| {
            self.members.push(Member {
                name,
                child: None,
                slot: None,
                is_filter: false,
            });
            self.members.len() - 1
        });
        &mut self.members[at]
    }

    fn filter(&mut self, member: &'static str, value: &'static str, parameter: u16) {
        self.member(member).is_filter = true;
        let known = |f: &&mut Filter| f.member == member && f.value == value;
        match self.filters.iter_mut().find(known) {
            Some(filter) => filter.parameters.push(parameter),
            None => self.filters.push(Filter {
                member,
                value,
                parameters: vec![parameter],
            }),
        }
    }

    fn add(&mut self, steps: &[Step], parameter: u16, make: Make, slots: &[(&'static str, Slot)]) {
        if let Some((step, rest)) = steps.split_first() {
            let child = self.member(step.name).child.get_or_insert_default();
            if let Some((member, value)) = step.filter {
                child.filter(member, value, parameter);
            }
            child.add(rest, parameter, make, slots);
            return;
        }
        for (name, slot) in slots {
            self.member(name).slot = Some(*slot);
        }
        self.leaves.push(Leaf { parameter, make });
    }
}

impl Plan {
    /// The plan of a type under a profile.
    pub(super) fn of(kind: ResourceType, profile: Profile) -> &'static Self {
        static NONE: Plan = Plan {
            root: Node {
                members: Vec::new(),
                leaves: Vec::new(),
                filters: Vec::new(),
            },
            otherwise_false: Vec::new(),
        };
        static PLANS: [[OnceLock<Plan>; 146]; 2] = [const { [const { OnceLock::new() }; 146] }; 2];
        let plans = &PLANS[usize::from(profile == Profile::Full)];
        let plan = usize::try_from(kind.number())
            .ok()
            .and_then(|at| plans.get(at));
        plan.map_or(&NONE, |plan| {
            plan.get_or_init(|| Self::make(params::of(kind), profile))
        })
    }

    fn make(parameters: &'static [Parameter], profile: Profile) -> Self {
        let mut plan = Self::default();
        for parameter in parameters.iter().filter(|p| profile.holds(p)) {
            for path in parameter.paths.iter().filter_map(|path| Path::parse(path)) {
                plan.add(parameter, &path);
            }
        }
        plan
    }

    /// Types made of parts become one path for each part.
    fn add(&mut self, parameter: &Parameter, path: &Path) {
        let parts: &[(&[&'static str], &'static str)] = match path.of {
            "CodeableConcept" => &[(&["coding"], "Coding")],
            "Range" => &[(&["low"], "Quantity"), (&["high"], "Quantity")],
            "HumanName" => &[
                (&["text"], "string"),
                (&["family"], "string"),
                (&["given"], "string"),
                (&["prefix"], "string"),
                (&["suffix"], "string"),
            ],
            "Address" => &[
                (&["text"], "string"),
                (&["line"], "string"),
                (&["city"], "string"),
                (&["district"], "string"),
                (&["state"], "string"),
                (&["postalCode"], "string"),
                (&["country"], "string"),
            ],
            "false" => {
                self.otherwise_false.push(parameter.number);
                return;
            }
            _ => {
                if let Some((make, slots)) = leaf(parameter.kind, path) {
                    self.root.add(&path.steps, parameter.number, make, slots);
                }
                return;
            }
        };
        for (names, of) in parts {
            self.add(parameter, &path.then(names, of));
        }
    }
}

/// How a value of this type serves a parameter of this kind, and which members it takes.
fn leaf(kind: ParameterKind, path: &Path) -> Option<(Make, &'static [(&'static str, Slot)])> {
    let make = match (kind, path.of) {
        (ParameterKind::Token, "Coding") => {
            return Some((
                Make::Token,
                &[("system", Slot::First), ("code", Slot::Second)],
            ));
        }
        (ParameterKind::Token, "Identifier") => {
            return Some((
                Make::Token,
                &[("system", Slot::First), ("value", Slot::Second)],
            ));
        }
        (ParameterKind::Token, "ContactPoint") => Make::TokenOfContact,
        (ParameterKind::Token, "boolean") => Make::TokenOfBoolean,
        (ParameterKind::Token, "exists") => Make::TokenOfPresence,
        (ParameterKind::Token, _) => Make::TokenOfText,
        (ParameterKind::String, _) => Make::Text,
        (ParameterKind::Reference, "Reference") => Make::Reference(path.target),
        (ParameterKind::Reference, _) => Make::Canonical,
        (ParameterKind::Date, "Period") => Make::Period,
        (ParameterKind::Date, "Timing") => Make::Timing,
        (ParameterKind::Date, "instant") => Make::Instant,
        (ParameterKind::Date, _) => Make::Date,
        (ParameterKind::Number, "Quantity") => Make::NumberOfQuantity,
        (ParameterKind::Number, _) => Make::Number,
        (ParameterKind::Quantity, "Money") => Make::Money,
        (ParameterKind::Quantity, _) => Make::Quantity,
        (ParameterKind::Uri, _) => Make::Uri,
    };
    Some((make, make.slots()))
}

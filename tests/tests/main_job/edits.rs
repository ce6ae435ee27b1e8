//! What two people do to the same records: planned from a seed, before anything happens.

use pocketchart_tests::draw::Draw;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is done to one record, once.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// `Type/id`.
    pub(crate) record: String,
    /// How.
    pub(crate) act: Act,
    /// Text that this edit and no other leaves in the record.
    pub(crate) mark: String,
}

/// How a record is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A member gets the mark as its value: `code.text`.
    Set(&'static str),
    /// A list gets an item with the mark.
    Append(&'static str),
    /// The first item of `telecom` gets the mark as its value.
    Change,
    /// The last item of a list goes.
    Remove(&'static str),
    /// A new Observation.
    Create,
    /// It is deleted.
    Delete,
}

/// All that happens between two syncs: the edits of each of the two devices, in their order.
pub(crate) type Round = [Vec<Edit>; 2];

/// A plan.
pub(crate) struct Plan {
    /// In their order.
    pub(crate) rounds: Vec<Round>,
    /// The records that both change in a way that only a person can settle.
    pub(crate) conflicting: BTreeSet<String>,
}

/// Two members and a list of each type that is edited.
const EDITED: [(&str, [&str; 2], &str); 10] = [
    ("Observation", ["code.text", "method.text"], "note"),
    ("Condition", ["code.text", "asserter.display"], "note"),
    ("Procedure", ["code.text", "outcome.text"], "note"),
    (
        "Encounter",
        ["priority.text", "serviceType.text"],
        "identifier",
    ),
    (
        "DiagnosticReport",
        ["conclusion", "code.text"],
        "identifier",
    ),
    ("CarePlan", ["title", "description"], "note"),
    ("Goal", ["description.text", "statusReason"], "note"),
    (
        "Patient",
        ["maritalStatus.text", "managingOrganization.display"],
        "telecom",
    ),
    ("Organization", ["name", "partOf.display"], "telecom"),
    ("Location", ["description", "name"], "telecom"),
];
/// As [`EDITED`]; what both sides change of these goes before a person, on whatever paths.
const FOR_A_PERSON: [(&str, [&str; 2], &str); 3] = [
    ("Immunization", ["lotNumber", "vaccineCode.text"], "note"),
    (
        "MedicationRequest",
        ["statusReason.text", "groupIdentifier.value"],
        "note",
    ),
    (
        "AllergyIntolerance",
        ["code.text", "asserter.display"],
        "note",
    ),
];
const DELETED: [&str; 2] = ["Observation", "Procedure"];
/// Types whose records all have telecoms.
const CALLED: [&str; 2] = ["Patient", "Organization"];
/// Types and a list that is never empty.
const SHORTENED: [(&str, &str); 3] = [
    ("Observation", "category"),
    ("ExplanationOfBenefit", "item"),
    ("Claim", "item"),
];

/// The edits of one device in one round: 50.
const FIELDS: usize = 20;
const ITEMS: usize = 6;
const TWICE: usize = 3;
const CREATED: usize = 6;
const DELETES: usize = 5;

struct Planner<'a> {
    draw: Draw,
    /// Records that nobody has touched, by type.
    untouched: BTreeMap<&'a str, Vec<&'a str>>,
    rounds: Vec<Round>,
    /// Records that both change in the same round.
    shared: BTreeSet<String>,
    conflicting: BTreeSet<String>,
    marks: usize,
}

impl Plan {
    /// Rounds of 50 edits by each of the two devices. `names`: all records, as `Type/id`.
    pub(crate) fn new(seed: u64, rounds: usize, names: &[String]) -> Self {
        let mut untouched: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in names {
            let (kind, _) = name.split_once('/').unwrap();
            untouched.entry(kind).or_default().push(name);
        }
        let mut draw = Draw::new(seed);
        untouched
            .values_mut()
            .for_each(|of_kind| draw.shuffle(of_kind));
        let mut planner = Planner {
            draw,
            untouched,
            rounds: Vec::new(),
            shared: BTreeSet::new(),
            conflicting: BTreeSet::new(),
            marks: 0,
        };
        for _ in 0..rounds {
            planner.round();
        }
        Self {
            rounds: planner.rounds,
            conflicting: planner.conflicting,
        }
    }

    /// All edits of both devices.
    pub(crate) fn edits(&self) -> impl Iterator<Item = &Edit> {
        self.rounds.iter().flatten().flatten()
    }
}

impl<'a> Planner<'a> {
    fn round(&mut self) {
        let mut round: Round = [Vec::new(), Vec::new()];
        for device in 0..2 {
            let mine = &mut round[device];
            // What the other device did in the round before has arrived by now.
            let before = self
                .rounds
                .last()
                .map_or(&[][..], |round| &round[1 - device]);
            let goes_on = |it: &&Edit| it.is_a_set() && !self.shared.contains(&it.record);
            let known: Vec<Edit> = before.iter().filter(goes_on).cloned().collect();
            for _ in 0..FIELDS {
                let (record, fields, _) = self.record_of(&EDITED);
                let field = fields[self.draw.below(2)];
                mine.push(self.edit(record, Act::Set(field)));
            }
            for at in 0..TWICE {
                let record = mine[at].record.clone();
                mine.push(self.edit(&record, Act::Append(list_of(&record))));
            }
            for at in 0..ITEMS {
                let edit = match (at, known.get(at)) {
                    (0, _) => {
                        let record = self.one_of(&CALLED);
                        self.edit(record, Act::Change)
                    }
                    (1 | 2, _) => {
                        let (kind, list) = SHORTENED[self.draw.below(SHORTENED.len())];
                        let record = self.one_of(&[kind]);
                        self.edit(record, Act::Remove(list))
                    }
                    (_, Some(edit)) => self.edit(&edit.record, Act::Append(list_of(&edit.record))),
                    (_, None) => {
                        let (record, _, list) = self.record_of(&EDITED);
                        self.edit(record, Act::Append(list))
                    }
                };
                mine.push(edit);
            }
            for _ in 0..CREATED {
                let record = format!("Observation/{}", self.draw.uuid());
                mine.push(self.edit(&record, Act::Create));
            }
            for _ in 0..DELETES {
                let record = self.one_of(&DELETED);
                mine.push(self.edit(record, Act::Delete));
            }
        }
        self.both(&mut round);
        for edits in &mut round {
            self.in_some_order(edits);
        }
        self.rounds.push(round);
    }

    /// What both devices do to the same records: 10 edits of each.
    fn both(&mut self, round: &mut Round) {
        let mut pair = |planner: &mut Self, record: &str, acts: [Act; 2], conflicts: bool| {
            // Who does which is a matter of luck.
            let first = planner.draw.below(2);
            for (edits, act) in round.iter_mut().zip([acts[first], acts[1 - first]]) {
                edits.push(planner.edit(record, act));
            }
            planner.shared.insert(record.to_owned());
            if conflicts {
                planner.conflicting.insert(record.to_owned());
            }
        };
        let (record, fields, _) = self.record_of(&EDITED);
        pair(self, record, fields.map(Act::Set), false);
        for _ in 0..2 {
            let (record, fields, list) = self.record_of(&EDITED);
            pair(
                self,
                record,
                [Act::Set(fields[0]), Act::Append(list)],
                false,
            );
        }
        let (record, _, list) = self.record_of(&EDITED);
        pair(self, record, [Act::Append(list); 2], false);
        for at in 0..2 {
            let (record, fields, _) = self.record_of(&EDITED);
            pair(self, record, [Act::Set(fields[at]); 2], true);
        }
        let (record, fields, list) = self.record_of(&FOR_A_PERSON);
        pair(self, record, [Act::Set(fields[0]), Act::Append(list)], true);
        for _ in 0..2 {
            let record = self.one_of(&DELETED);
            pair(self, record, [Act::Delete, Act::Set("code.text")], true);
        }
        let record = self.one_of(&DELETED);
        pair(self, record, [Act::Delete; 2], false);
    }

    fn edit(&mut self, record: &str, act: Act) -> Edit {
        self.marks += 1;
        Edit {
            record: record.to_owned(),
            act,
            mark: format!("mark-{:05}-of-an-edit", self.marks),
        }
    }

    /// Edits of the same record stay in their order.
    fn in_some_order(&mut self, edits: &mut [Edit]) {
        let mut places: Vec<usize> = (0..edits.len()).collect();
        self.draw.shuffle(&mut places);
        let mut by_record: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
        for edit in edits.iter() {
            by_record
                .entry(edit.record.clone())
                .or_default()
                .push(edit.clone());
        }
        let records: Vec<String> = places.iter().map(|at| edits[*at].record.clone()).collect();
        for (place, record) in edits.iter_mut().zip(records) {
            *place = by_record.get_mut(&record).unwrap().remove(0);
        }
    }

    fn record_of<'t>(
        &mut self,
        types: &'t [(&'static str, [&'static str; 2], &'static str)],
    ) -> (&'a str, &'t [&'static str; 2], &'static str) {
        let kinds: Vec<&str> = types.iter().map(|(kind, ..)| *kind).collect();
        let record = self.one_of(&kinds);
        let is_its =
            |of: &&(&str, _, _)| record.split_once('/').is_some_and(|(kind, _)| kind == of.0);
        let (_, fields, list) = types.iter().find(is_its).unwrap();
        (record, fields, list)
    }

    fn one_of(&mut self, kinds: &[&str]) -> &'a str {
        let mut left = kinds.to_vec();
        left.retain(|kind| {
            self.untouched
                .get(kind)
                .is_some_and(|names| !names.is_empty())
        });
        assert!(!left.is_empty(), "too few records of {kinds:?}");
        let kind = left[self.draw.below(left.len())];
        self.untouched.get_mut(kind).and_then(Vec::pop).unwrap()
    }
}

impl Edit {
    /// The text after the edit; `None`: it is a deletion. `before`: the text that stands there.
    pub(crate) fn applied(&self, before: Option<&str>) -> Option<String> {
        if self.act == Act::Delete {
            return None;
        }
        let mut record = match before {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => self.created(),
        };
        match self.act {
            Act::Set(path) => {
                let mut place = &mut record;
                for member in path.split('.') {
                    // A member that is not there is made.
                    place = &mut place[member];
                }
                *place = Value::from(self.mark.as_str());
            }
            Act::Append(list) => {
                let item = match list {
                    "note" => json!({"text": self.mark}),
                    "identifier" => json!({"system": "urn:x:edits", "value": self.mark}),
                    _ => json!({"system": "phone", "value": self.mark, "use": "mobile"}),
                };
                let list = &mut record[list];
                match list.as_array_mut() {
                    Some(items) => items.push(item),
                    None => *list = json!([item]),
                }
            }
            Act::Change => record["telecom"][0]["value"] = Value::from(self.mark.as_str()),
            Act::Remove(list) => {
                let items = record[list].as_array_mut().unwrap();
                items.pop();
                if items.is_empty() {
                    record.as_object_mut().unwrap().shift_remove(list);
                }
            }
            Act::Create | Act::Delete => {}
        }
        Some(record.to_string())
    }

    fn created(&self) -> Value {
        let (kind, id) = self.record.split_once('/').unwrap();
        json!({
            "resourceType": kind, "id": id, "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "valueQuantity": {"value": 72, "unit": "/min"}, "note": [{"text": self.mark}],
        })
    }

    fn is_a_set(&self) -> bool {
        matches!(self.act, Act::Set(_))
    }
}

/// The list of records of this type that gets items.
pub(crate) fn list_of(record: &str) -> &'static str {
    let (kind, _) = record.split_once('/').unwrap();
    let mut all = EDITED.iter().chain(&FOR_A_PERSON);
    all.find(|(of, ..)| *of == kind)
        .map(|(.., list)| *list)
        .unwrap()
}

//! What belongs together: an element and its extensions, a choice and its type, parts that mean something only as one.

use super::tree::{Kind, Member, Node};
use std::collections::HashMap;

/// Elements of R4 with a choice of types (`value[x]`), sorted. From R4's definitions.
const CHOICES: [&str; 67] = [
    "abatement",
    "additive",
    "age",
    "allowed",
    "amount",
    "answer",
    "asNeeded",
    "author",
    "born",
    "bounds",
    "characteristic",
    "chargeItem",
    "code",
    "collected",
    "content",
    "created",
    "date",
    "deceased",
    "defaultValue",
    "definingSubstance",
    "definition",
    "detail",
    "diagnosis",
    "dose",
    "doseNumber",
    "due",
    "effective",
    "entity",
    "event",
    "example",
    "fastingStatus",
    "fixed",
    "identified",
    "indication",
    "item",
    "legallyBinding",
    "location",
    "manufacturer",
    "maxValue",
    "medication",
    "minValue",
    "minimumVolume",
    "module",
    "multipleBirth",
    "name",
    "occurred",
    "occurrence",
    "offset",
    "onset",
    "participantEffective",
    "pattern",
    "performed",
    "probability",
    "procedure",
    "product",
    "quantity",
    "rate",
    "reported",
    "scheduled",
    "seriesDoses",
    "serviced",
    "source",
    "start",
    "statusReason",
    "studyEffective",
    "subject",
    "substance",
];
/// The rest of them, sorted.
const MORE_CHOICES: [&str; 7] = ["target", "time", "timing", "topic", "used", "value", "when"];

/// Types that a choice may end in, sorted.
const TYPES: [&str; 50] = [
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "Base64Binary",
    "Boolean",
    "Canonical",
    "Code",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Date",
    "DateTime",
    "Decimal",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "HumanName",
    "Id",
    "Identifier",
    "Instant",
    "Integer",
    "Markdown",
    "Meta",
    "Money",
    "Oid",
    "ParameterDefinition",
    "Period",
    "PositiveInt",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "String",
    "Time",
    "Timing",
    "TriggerDefinition",
    "UnsignedInt",
    "Uri",
    "Url",
    "UsageContext",
    "Uuid",
];

/// The element that a member is of: `_birthDate` is of `birthDate`, `valueQuantity` of `value`.
pub(super) fn element(member: &str) -> &str {
    let name = member.strip_prefix('_').unwrap_or(member);
    let is_choice = |at: usize| {
        let (stem, kind) = (&name[..at], &name[at..]);
        TYPES.binary_search(&kind).is_ok()
            && (CHOICES.binary_search(&stem).is_ok() || MORE_CHOICES.binary_search(&stem).is_ok())
    };
    let capitals = name.char_indices().filter(|(_, c)| c.is_ascii_uppercase());
    let mut stems = capitals.map(|(at, _)| at).filter(|at| is_choice(*at));
    stems.next().map_or(name, |at| &name[..at])
}

/// One element of an object, with all members that are of it.
pub(super) struct Unit<'t, 'a> {
    pub(super) name: &'t str,
    /// Sorted by name: `birthDate` stands behind `_birthDate`.
    pub(super) members: Vec<&'t Member<'a>>,
}

impl<'t, 'a> Unit<'t, 'a> {
    pub(super) fn is_same(&self, other: &Unit<'_, '_>) -> bool {
        self.members.len() == other.members.len()
            && self
                .members
                .iter()
                .zip(&other.members)
                .all(|(a, b)| a.name == b.name && a.value.is_same(&b.value))
    }

    /// The member that is the whole of it, where it has no extensions beside it.
    pub(super) fn only(&self) -> Option<&'t Member<'a>> {
        match self.members.as_slice() {
            [only] if !only.name.starts_with('_') => Some(*only),
            _ => None,
        }
    }
}

/// Elements of an object, in the order of their first members.
pub(super) struct Units<'t, 'a> {
    pub(super) all: Vec<Unit<'t, 'a>>,
    places: HashMap<&'t str, usize>,
}

impl<'t, 'a> Units<'t, 'a> {
    pub(super) fn of(node: Option<&'t Node<'a>>) -> Self {
        let members = node.and_then(Node::members).unwrap_or_default();
        let mut all: Vec<Unit<'t, 'a>> = Vec::with_capacity(members.len());
        let mut places = HashMap::with_capacity(members.len());
        for member in members {
            let name = element(&member.name);
            let at = *places.entry(name).or_insert_with(|| {
                all.push(Unit {
                    name,
                    members: Vec::with_capacity(1),
                });
                all.len() - 1
            });
            all[at].members.push(member);
        }
        for unit in all.iter_mut().filter(|unit| unit.members.len() > 1) {
            unit.members.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Self { all, places }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Unit<'t, 'a>> {
        self.places.get(name).map(|at| &self.all[*at])
    }
}

/// Whether two versions of an element are the same, being there included.
pub(super) fn same_unit(a: Option<&Unit<'_, '_>>, b: Option<&Unit<'_, '_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.is_same(b),
        (None, None) => true,
        _ => false,
    }
}

/// Elements of one object that are about one thing. When both sides changed within such a group, what they changed does not
/// go together: a code with another's value, a start behind its end.
pub(super) fn bond(kind: &str, element: &str) -> Option<u8> {
    match element {
        "start" | "end" | "minutesDuration" => Some(0),
        "status" | "slot" | "cancelationReason" if kind == "Appointment" => Some(0),
        "system" | "code" | "value" | "dataAbsentReason" => Some(1),
        "clinicalStatus" | "verificationStatus" | "abatement" => Some(2),
        _ => None,
    }
}

/// Elements that are one decision, whatever is in them.
const WHOLE: [&str; 6] = [
    "dosage",
    "dosageInstruction",
    "doseAndRate",
    "repeat",
    "timing",
    "text",
];

/// Whether an object is never taken apart: its members mean something only together.
pub(super) fn is_whole(element: &str, node: &Node<'_>) -> bool {
    if WHOLE.contains(&element) {
        return true;
    }
    let Kind::Object(members) = &node.kind else {
        return matches!(node.kind, Kind::Opaque);
    };
    let only = |known: &[&str]| {
        let known = |name: &str| known.contains(&name) || matches!(name, "id" | "extension");
        members
            .iter()
            .all(|m| known(m.name.strip_prefix('_').unwrap_or(&m.name)))
    };
    let has = |name: &str| members.iter().any(|m| m.name == name);
    let is_number = |name: &str| {
        node.member(name)
            .is_some_and(|v| v.is_scalar() && v.string().is_none())
    };
    // Quantity and Money, Coding, Reference, Period, Range, Ratio.
    (is_number("value") && only(&["value", "comparator", "unit", "system", "code", "currency"]))
        || (only(&["system", "version", "code", "display", "userSelected", "unit"]) && has("code"))
        || (only(&["reference", "type", "identifier", "display"]) && (has("reference") || has("identifier")))
        || only(&["start", "end"])
        || only(&["low", "high"])
        || only(&["numerator", "denominator"])
        // Narrative, Attachment, Address, SampledData.
        || (only(&["status", "div"]) && has("div"))
        || (only(&["contentType", "language", "data", "url", "size", "hash", "title", "creation"]) && has("contentType"))
        || (only(&["use", "type", "text", "line", "city", "district", "state", "postalCode", "country", "period"])
            && (has("line") || has("city") || has("postalCode") || has("country")))
        || (has("origin") && has("dimensions"))
}

/// Whether an object is a concept: alternative codings of one thing, and its words.
pub(super) fn is_concept(node: &Node<'_>) -> bool {
    let known = |m: &Member<'_>| {
        matches!(
            m.name.as_ref(),
            "id" | "extension" | "coding" | "text" | "_text"
        )
    };
    node.members().is_some_and(|members| {
        members.iter().all(known) && members.iter().any(|m| matches!(m.name.as_ref(), "coding"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_so_that_look_up_finds_each() {
        assert!(CHOICES.is_sorted() && MORE_CHOICES.is_sorted() && TYPES.is_sorted());
    }

    #[test]
    fn members_are_of_elements() {
        for (member, name) in [
            ("birthDate", "birthDate"),
            ("_birthDate", "birthDate"),
            ("valueQuantity", "value"),
            ("_valueString", "value"),
            ("valueSet", "valueSet"),
            ("deceasedDateTime", "deceased"),
            ("multipleBirthInteger", "multipleBirth"),
            ("defaultValueCodeableConcept", "defaultValue"),
            ("referenceRange", "referenceRange"),
            ("é", "é"),
        ] {
            assert_eq!(element(member), name);
        }
    }

    #[test]
    fn wholes_are_known_by_their_shape() {
        for (text, whole) in [
            (r#"{"value":5.0,"unit":"mg"}"#, true),
            (r#"{"system":"phone","value":"555"}"#, false),
            (r#"{"system":"http://loinc.org","code":"1"}"#, true),
            (r#"{"reference":"Patient/1","display":"x"}"#, true),
            (r#"{"start":"2026"}"#, true),
            (r#"{"use":"home","line":["a"],"city":"b"}"#, true),
            (r#"{"use":"official","family":"a"}"#, false),
            (r#"{"a":1,"a":2}"#, true),
            (r#"{"name":"x"}"#, false),
        ] {
            assert_eq!(is_whole("x", &Node::parse(text).unwrap()), whole, "{text}");
        }
    }
}

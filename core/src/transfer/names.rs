//! Where references lead: two tables that are small per entry, since a Bundle may have millions.
//!
//! [`Links`] holds the `urn:` names of one Bundle (at most 64 bytes each), [`Identifiers`] the business identifiers of
//! those types that conditional references ask for. Names of other kinds than UUIDs lie in one text beside the table.

use crate::fhir::{Reference, Resource, ResourceId, ResourceType, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

/// What stands for a longer text in a table.
pub(super) type Key = [u8; 16];

/// A `Type/id` in 18 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packed {
    kind: u8,
    form: Form,
    /// A UUID, or the place in the text beside the table: offset and length.
    id: [u8; 16],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Uuid,
    Text,
    /// Several records: none of them is meant.
    Several,
}

/// Ids that are no UUIDs, one behind the other.
#[derive(Default)]
struct Ids(String);

impl Ids {
    fn pack(&mut self, name: &Reference) -> Packed {
        let kind = u8::try_from(name.kind.number()).unwrap_or(u8::MAX);
        let text = name.id.as_str();
        if let Some(id) = canonical_uuid(text) {
            return Packed {
                kind,
                form: Form::Uuid,
                id,
            };
        }
        let place = (self.0.len() as u128) << 8 | text.len() as u128;
        self.0.push_str(text);
        Packed {
            kind,
            form: Form::Text,
            id: place.to_be_bytes(),
        }
    }

    fn unpack(&self, packed: Packed) -> Option<Reference> {
        let kind = ResourceType::numbered(packed.kind.into())?;
        let id = match packed.form {
            Form::Several => return None,
            Form::Uuid => ResourceId::new(&Uuid::from_bytes(packed.id).hyphenated().to_string()),
            Form::Text => {
                let place = u128::from_be_bytes(packed.id);
                let start = usize::try_from(place >> 8).ok()?;
                let length = usize::try_from(place & 0xff).ok()?;
                ResourceId::new(self.0.get(start..start + length)?)
            }
        };
        Some(Reference { kind, id: id.ok()? })
    }
}

/// The UUID whose usual form is `text`.
fn canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let uuid = Uuid::try_parse(text).ok()?;
    let mut buffer = [0; 36];
    (uuid.hyphenated().encode_lower(&mut buffer) == text).then(|| *uuid.as_bytes())
}

/// The `urn:` names of one Bundle and what they lead to.
#[derive(Default)]
pub(super) struct Links {
    rows: Vec<(Key, Packed)>,
    ids: Ids,
    sorted: bool,
}

impl Links {
    /// `urn` leads to `name`. Of several the first one holds.
    pub(super) fn add(&mut self, urn: &str, name: &Reference) {
        if self.rows.len() == self.rows.capacity() {
            // A quarter more, not twice as much: this table is what a large Bundle costs.
            self.rows.reserve_exact(self.rows.len() / 4 + 64);
        }
        let packed = self.ids.pack(name);
        self.rows.push((urn_key(urn), packed));
        self.sorted = false;
    }

    /// Ends the adding.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by_key(|row| row.0);
        self.sorted = true;
    }

    /// Where `urn` leads.
    pub(super) fn get(&self, urn: &str) -> Option<Reference> {
        debug_assert!(self.sorted);
        let key = urn_key(urn);
        let at = self.rows.partition_point(|row| row.0 < key);
        let row = self.rows.get(at).filter(|row| row.0 == key)?;
        self.ids.unpack(row.1)
    }
}

fn urn_key(urn: &str) -> Key {
    let uuid = urn
        .get(..9)
        .filter(|start| start.eq_ignore_ascii_case("urn:uuid:"))
        .and_then(|_| Uuid::try_parse(&urn[9..]).ok());
    uuid.map_or_else(|| key_of(&[urn]), |uuid| *uuid.as_bytes())
}

fn key_of(texts: &[&str]) -> Key {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text);
        digest.update([0]);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&digest.finalize()[..16]);
    key
}

/// What `Type?identifier=system|value` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) kind: ResourceType,
    key: Key,
}

impl Wanted {
    /// Reads a conditional reference. `None`: it asks for something else than one identifier with its system.
    pub(super) fn parse(reference: &str) -> Option<Self> {
        let (kind, query) = reference.split_once('?')?;
        let kind = ResourceType::named(kind)?;
        let decoded: Vec<_> = form_urlencoded::parse(query.replace('+', "%2B").as_bytes())
            .into_owned()
            .collect();
        let [(name, value)] = &decoded[..] else {
            return None;
        };
        let (system, value) = value.split_once('|')?;
        // Several values, or escapes: more than one identifier, or none that is written like this.
        let is_plain =
            name == "identifier" && !value.is_empty() && !value.contains([',', '\\', '|']);
        is_plain.then(|| Self {
            kind,
            key: identifier_key(system, value),
        })
    }
}

/// Hands out what stands for each identifier of `resource`.
pub(super) fn each_identifier(resource: &Resource<'_>, mut take: impl FnMut(Key)) {
    let Some(all) = resource.member("identifier") else {
        return;
    };
    for item in json::items(all) {
        let Ok(members) = json::members(item.get()) else {
            continue;
        };
        let text = |wanted: &str| {
            let found = members.iter().find(|(name, _)| name == wanted);
            found.and_then(|(_, value)| json::string(value))
        };
        if let Some(value) = text("value") {
            take(identifier_key(&text("system").unwrap_or_default(), &value));
        }
    }
}

/// What stands for an identifier.
fn identifier_key(system: &str, value: &str) -> Key {
    key_of(&[system, value])
}

/// Records by their business identifiers, for the types that were asked for.
#[derive(Default)]
pub(super) struct Identifiers {
    by_key: HashMap<(u8, Key), Packed>,
    kinds: Vec<ResourceType>,
    ids: Ids,
}

impl Identifiers {
    /// Whether records of this type are in the table.
    pub(super) fn covers(&self, kind: ResourceType) -> bool {
        self.kinds.contains(&kind)
    }

    /// From now on records of this type belong into the table.
    pub(super) fn cover(&mut self, kind: ResourceType) {
        self.kinds.push(kind);
    }

    /// A record with an identifier.
    pub(super) fn add(&mut self, name: &Reference, key: Key) {
        let packed = self.ids.pack(name);
        match self.by_key.entry((packed.kind, key)) {
            Entry::Vacant(free) => {
                free.insert(packed);
            }
            Entry::Occupied(mut taken) => {
                if self.ids.unpack(*taken.get()).as_ref() != Some(name) {
                    taken.get_mut().form = Form::Several;
                }
            }
        }
    }

    /// The only record with this identifier.
    pub(super) fn get(&self, wanted: &Wanted) -> Option<Reference> {
        let kind = u8::try_from(wanted.kind.number()).ok()?;
        let packed = self.by_key.get(&(kind, wanted.key))?;
        self.ids.unpack(*packed)
    }
}

/// Names to come back to, small.
#[derive(Default)]
pub(super) struct NameList {
    rows: Vec<Packed>,
    ids: Ids,
}

impl NameList {
    pub(super) fn push(&mut self, name: &Reference) {
        let packed = self.ids.pack(name);
        self.rows.push(packed);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The names in `range`.
    pub(super) fn part(&self, range: std::ops::Range<usize>) -> Vec<Reference> {
        let rows = self.rows.get(range).unwrap_or_default();
        rows.iter()
            .filter_map(|row| self.ids.unpack(*row))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    const A: &str = "b541fe39-8ec3-4f50-ac3c-9109374a1609";

    #[test]
    fn urns_lead_to_names_of_both_forms() {
        let mut links = Links::default();
        links.add(&format!("urn:uuid:{A}"), &name(&format!("Patient/{A}")));
        links.add("urn:uuid:not-one", &name("Patient/x"));
        links.add("urn:oid:1.2.3", &name("Basic/y.Z"));
        links.add("urn:oid:1.2.3", &name("Basic/later"));
        links.sort();
        let get = |urn: &str| links.get(urn).map(|n| n.to_string());
        assert_eq!(get(&format!("urn:uuid:{A}")), Some(format!("Patient/{A}")));
        assert_eq!(
            get(&format!("URN:UUID:{}", A.to_uppercase())),
            Some(format!("Patient/{A}"))
        );
        assert_eq!(get("urn:uuid:not-one"), Some("Patient/x".into()));
        assert_eq!(get("urn:oid:1.2.3"), Some("Basic/y.Z".into()));
        assert_eq!(get("urn:oid:1.2.4"), None);
    }

    #[test]
    fn a_row_costs_at_most_64_bytes_with_its_slack() {
        assert_eq!(size_of::<(Key, Packed)>(), 34);
        let mut links = Links::default();
        for n in 0..100_000_u128 {
            let id = Uuid::from_u128(n).hyphenated().to_string();
            links.add(&format!("urn:uuid:{id}"), &name(&format!("Patient/{id}")));
        }
        assert!(links.rows.capacity() * 34 <= 100_000 * 44);
        assert!(links.ids.0.is_empty());
    }

    #[test]
    fn conditional_references() {
        let wanted = Wanted::parse("Practitioner?identifier=http://x|99+1").unwrap();
        assert_eq!(wanted.kind.name(), "Practitioner");
        assert_eq!(wanted.key, identifier_key("http://x", "99+1"));
        assert_eq!(
            Wanted::parse("Practitioner?identifier=http%3A%2F%2Fx%7C99%2B1"),
            Some(wanted)
        );
        for other in [
            "Practitioner/1",
            "Nobody?identifier=a|b",
            "Patient?identifier=b",
            "Patient?name=a|b",
            "Patient?identifier=a|b&name=c",
            "Patient?identifier=a|b,a|c",
            "Patient?identifier=a|",
        ] {
            assert_eq!(Wanted::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_identifier_of_two_records_leads_nowhere() {
        let mut table = Identifiers::default();
        let wanted = Wanted::parse("Patient?identifier=s|1").unwrap();
        table.add(&name("Practitioner/a"), identifier_key("s", "1"));
        assert_eq!(table.get(&wanted), None);
        table.add(&name("Patient/a"), identifier_key("s", "1"));
        table.add(&name("Patient/a"), identifier_key("s", "1"));
        assert_eq!(table.get(&wanted), Some(name("Patient/a")));
        table.add(&name("Patient/b"), identifier_key("s", "1"));
        assert_eq!(table.get(&wanted), None);
    }
}

//! What a decision makes of the versions. Pure.

use super::{NotResolved, Resolution};
use crate::access::AccessError;
use crate::fhir::merge::{self, Clash, NotMergeable, Path, Side};
use crate::fhir::{Reference, Resource};
use std::collections::BTreeMap;

/// The versions of a record that waits for a person.
pub(super) struct Versions<'a> {
    pub(super) name: &'a Reference,
    pub(super) base: Option<&'a str>,
    pub(super) mine: Option<&'a str>,
    /// What the server has.
    pub(super) theirs: Option<&'a str>,
}

/// What comes out of a decision.
pub(super) enum Decided {
    Theirs,
    Deletion,
    Text(String),
}

impl Versions<'_> {
    pub(super) fn decided(&self, resolution: &Resolution) -> Result<Decided, AccessError> {
        Ok(match resolution {
            Resolution::Side(Side::Theirs) => Decided::Theirs,
            Resolution::Side(Side::Mine) => match self.mine {
                None => Decided::Deletion,
                Some(mine) => Decided::Text(self.kept(mine)),
            },
            Resolution::ByPath(sides) => Decided::Text(self.by_path(sides)?),
            Resolution::Edited(text) => {
                of_record(self.name, text)?;
                Decided::Text(text.clone())
            }
        })
    }

    /// What was written here, with what the server changed elsewhere where that can be told.
    fn kept(&self, mine: &str) -> String {
        let (Some(base), Some(theirs)) = (self.base, self.theirs) else {
            return mine.to_owned();
        };
        if merge::needs_a_person(self.name.kind) {
            return mine.to_owned();
        }
        let settled = merge::settle(base, mine, theirs, &|_| Side::Mine);
        settled.unwrap_or_else(|_| mine.to_owned())
    }

    fn by_path(&self, sides: &BTreeMap<Path, Side>) -> Result<String, NotResolved> {
        let name = || self.name.clone();
        let Some([base, mine, theirs]) = self.all() else {
            return Err(NotResolved::NoPaths(name()));
        };
        let refused = |why| NotResolved::NotMergeable { name: name(), why };
        let clashes = self.differences().map_err(refused)?;
        let is_open = |clash: &&Clash| !sides.contains_key(&clash.path);
        let left = clashes.iter().filter(is_open).count();
        if left > 0 {
            return Err(NotResolved::Undecided { name: name(), left });
        }
        let is_known = |path: &Path| clashes.iter().any(|clash| clash.path == *path);
        let unknown = sides.keys().filter(|path| !is_known(path)).count();
        if unknown > 0 {
            return Err(NotResolved::UnknownPath {
                name: name(),
                unknown,
            });
        }
        let choose = |clash: &Clash| sides.get(&clash.path).copied().unwrap_or(Side::Theirs);
        let settled = match self.is_looked_at_whole() {
            true => merge::settle_each(base, mine, theirs, &choose),
            false => merge::settle(base, mine, theirs, &choose),
        };
        settled.map_err(refused)
    }

    /// Where the versions differ and a person has to choose; nowhere, where one side deleted the record.
    pub(super) fn differences(&self) -> Result<Vec<Clash>, NotMergeable> {
        let Some([base, mine, theirs]) = self.all() else {
            return Ok(Vec::new());
        };
        match self.is_looked_at_whole() {
            true => merge::compare(base, mine, theirs),
            false => Ok(merge::merge(base, mine, theirs)?.clashes),
        }
    }

    /// All three, where all are there. A record made on both sides has nothing in common but its name.
    fn all(&self) -> Option<[&str; 3]> {
        Some([self.base?, self.mine?, self.theirs?])
    }

    /// Whether every difference is decided, and not only those that both sides made: where the type demands it, or
    /// nothing clashes.
    fn is_looked_at_whole(&self) -> bool {
        let merged = self
            .all()
            .and_then(|[base, mine, theirs]| merge::merge(base, mine, theirs).ok());
        merge::needs_a_person(self.name.kind)
            || merged.is_some_and(|merged| merged.clashes.is_empty())
    }
}

/// The text as a resource, if it is of that record.
pub(super) fn of_record<'a>(name: &Reference, text: &'a str) -> Result<Resource<'a>, AccessError> {
    let resource = Resource::parse_text(text)?;
    if resource.name() == name {
        return Ok(resource);
    }
    Err(NotResolved::OtherRecord {
        name: name.clone(),
        found: resource.name().clone(),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, rest: &str) -> String {
        format!(r#"{{"resourceType":"{kind}","id":"a"{rest}}}"#)
    }

    fn decide(
        kind: &str,
        three: [Option<&str>; 3],
        resolution: &Resolution,
    ) -> Result<Option<String>, String> {
        let name = Reference::parse(&format!("{kind}/a")).unwrap();
        let [base, mine, theirs] = three.map(|rest| rest.map(|rest| text(kind, rest)));
        let versions = Versions {
            name: &name,
            base: base.as_deref(),
            mine: mine.as_deref(),
            theirs: theirs.as_deref(),
        };
        match versions.decided(resolution) {
            Ok(Decided::Text(text)) => Ok(Some(text)),
            Ok(Decided::Deletion) => Ok(Some("deleted".into())),
            Ok(Decided::Theirs) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    const BASE: &str = r#","x":1,"y":1"#;
    const MINE: &str = r#","x":2,"y":1,"m":1"#;
    const THEIRS: &str = r#","x":3,"y":3"#;
    const ALL: [Option<&str>; 3] = [Some(BASE), Some(MINE), Some(THEIRS)];

    fn sides(paths: &[(&str, Side)]) -> Resolution {
        let sides = paths
            .iter()
            .map(|(path, side)| (path.parse().unwrap(), *side));
        Resolution::ByPath(sides.collect())
    }

    #[test]
    fn mine_keeps_what_the_server_changed_elsewhere() {
        let mine = Resolution::Side(Side::Mine);
        let kept = text("Patient", r#","x":2,"y":3,"m":1"#);
        assert_eq!(decide("Patient", ALL, &mine), Ok(Some(kept)));
        // But never mixes a medicine that nobody looked at.
        let whole = text("MedicationRequest", MINE);
        assert_eq!(decide("MedicationRequest", ALL, &mine), Ok(Some(whole)));
        // Made on both sides; deleted there; deleted here.
        let mine_alone = text("Patient", MINE);
        for three in [
            [None, Some(MINE), Some(THEIRS)],
            [Some(BASE), Some(MINE), None],
        ] {
            assert_eq!(
                decide("Patient", three, &mine),
                Ok(Some(mine_alone.clone()))
            );
        }
        let deleted = [Some(BASE), None, Some(THEIRS)];
        assert_eq!(
            decide("Patient", deleted, &mine),
            Ok(Some("deleted".into()))
        );
        assert_eq!(
            decide("Patient", ALL, &Resolution::Side(Side::Theirs)),
            Ok(None)
        );
    }

    #[test]
    fn every_path_that_waits_has_to_be_decided() {
        let (mine, theirs) = (Side::Mine, Side::Theirs);
        let merged = text("Patient", r#","x":3,"y":3,"m":1"#);
        assert_eq!(
            decide("Patient", ALL, &sides(&[("x", theirs)])),
            Ok(Some(merged))
        );
        for (given, error) in [
            (&[][..], "1 of the differences in Patient/a are not decided"),
            (&[("x", mine), ("m", mine)], "1 of the paths given are none"),
        ] {
            let refused = decide("Patient", ALL, &sides(given)).unwrap_err();
            assert!(refused.starts_with(error), "{refused}");
        }
        // A medicine: each difference, also what one side alone changed.
        let each = sides(&[("x", theirs), ("y", mine), ("m", theirs)]);
        let merged = text("MedicationRequest", r#","x":3,"y":1"#);
        assert_eq!(decide("MedicationRequest", ALL, &each), Ok(Some(merged)));
        assert!(decide("MedicationRequest", ALL, &sides(&[("x", mine)])).is_err());
        // Nothing clashes, and it is a conflict all the same: each is looked at.
        let apart = [Some(BASE), Some(r#","x":2,"y":1"#), Some(r#","x":1,"y":2"#)];
        assert!(decide("Patient", apart, &sides(&[])).is_err());
        assert!(decide("Patient", apart, &sides(&[("x", mine), ("y", mine)])).is_ok());
        for three in [
            [Some(BASE), None, Some(THEIRS)],
            [Some(BASE), Some(MINE), None],
            [None, Some(MINE), Some(THEIRS)],
        ] {
            assert!(
                decide("Patient", three, &sides(&[]))
                    .unwrap_err()
                    .contains("no paths")
            );
        }
    }

    #[test]
    fn another_text_has_to_be_of_that_record() {
        let other = Resolution::Edited(text("Patient", "").replace("\"a\"", "\"b\""));
        let refused = decide("Patient", ALL, &other).unwrap_err();
        assert_eq!(refused, "the text is of Patient/b, not of Patient/a");
        let edited = Resolution::Edited(text("Patient", r#","x":9"#));
        assert_eq!(
            decide("Patient", ALL, &edited),
            Ok(Some(text("Patient", r#","x":9"#)))
        );
        assert!(decide("Patient", ALL, &Resolution::Edited("no JSON".into())).is_err());
    }
}

//! The paths of the parameter table: `participant.actor:Reference(Patient)`.
//!
//! ```text
//! path   = steps ":" type [ "(" target ")" ]     target: only references to that type
//! steps  = [ step *( "." step ) ]                names as in JSON: `valueQuantity`, not `value`
//! step   = name [ "[" member "=" value "]" ]     only objects whose member has that text
//! type   = a FHIR type | "exists" | "false"      exists: `true` where anything stands; false: `false` where nothing was found
//! ```

use crate::fhir::ResourceType;

/// One path, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// From the resource down.
    pub(super) steps: Vec<Step>,
    /// The FHIR type of what stands there.
    pub(super) of: &'static str,
    /// The type that a reference has to lead to.
    pub(super) target: Option<ResourceType>,
}

/// One element name and what its objects must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) filter: Option<(&'static str, &'static str)>,
}

impl Step {
    /// A step without a condition.
    pub(super) fn named(name: &'static str) -> Self {
        Self { name, filter: None }
    }
}

impl Path {
    /// Reads a path of the table. `None`: it breaks the grammar, which a test rules out for the committed table.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        // A filter may hold a URL, so the type stands behind the *last* colon.
        let (mut rest, of) = text.rsplit_once(':')?;
        let (of, target) = match of.strip_suffix(')') {
            Some(of) => {
                let (of, target) = of.split_once('(')?;
                (of, Some(ResourceType::named(target)?))
            }
            None => (of, None),
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let mut step = Step::named(name);
            rest = behind;
            if let Some(inside) = rest.strip_prefix('[') {
                let (filter, behind) = inside.split_once(']')?;
                step.filter = Some(filter.split_once('=')?);
                rest = behind;
            }
            steps.push(step);
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        Some(Self { steps, of, target })
    }

    /// The same path, some steps further.
    pub(super) fn then(&self, names: &[&'static str], of: &'static str) -> Self {
        let mut longer = self.clone();
        longer
            .steps
            .extend(names.iter().map(|name| Step::named(name)));
        longer.of = of;
        longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::params;

    #[test]
    fn every_path_of_the_table_is_read() {
        for kind in ResourceType::all() {
            for parameter in params::of(kind) {
                assert!(!parameter.paths.is_empty(), "{kind}?{}", parameter.code);
                for path in parameter.paths {
                    assert!(Path::parse(path).is_some(), "{path}");
                }
            }
        }
    }

    #[test]
    fn filters_may_hold_urls() {
        let path = Path::parse("extension[url=http://a.b/c].valueDateTime:dateTime").unwrap();
        assert_eq!(path.steps[0].filter, Some(("url", "http://a.b/c")));
        assert_eq!((path.steps[1].name, path.of), ("valueDateTime", "dateTime"));
        let path = Path::parse("participant.actor:Reference(Patient)").unwrap();
        assert_eq!(path.target, ResourceType::named("Patient"));
    }
}

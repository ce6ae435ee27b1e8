//! From a search string to a [`Query`].
//!
//! Whatever is not understood is an error that names it: a filter that is silently ignored hands out records nobody
//! asked for.

use super::error::InvalidQuery;
use super::escape::split;
use super::model::{Condition, Criterion, Include, Query, SortKey, Target, TextMatch};
use super::{MAX_COUNT, MAX_VALUES, value};
use crate::fhir::ResourceType;
use crate::fhir::params::{self, Parameter, ParameterKind};

/// Parameters that shape the answer and that this version does not answer yet. Those that R4 has as search parameters
/// but this program's table does not hold are known to [`params::is_known`].
const PLANNED: [&str; 7] = [
    "_contained",
    "_containedType",
    "_elements",
    "_score",
    "_summary",
    "_type",
    "_has",
];

impl Query {
    /// Reads `Type?name=value&...`, percent-encoded as in a URL.
    ///
    /// # Errors
    /// [`InvalidQuery`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        let (kind, parameters) = text.split_once('?').unwrap_or((text, ""));
        let kind = ResourceType::named(kind).ok_or(InvalidQuery::Type)?;
        Self::from_parameters(kind, form_urlencoded::parse(parameters.as_bytes()))
    }

    /// Reads decoded parameters.
    ///
    /// # Errors
    /// [`InvalidQuery`] names what is wrong.
    pub fn from_parameters<N: AsRef<str>, V: AsRef<str>>(
        kind: ResourceType,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidQuery> {
        let mut reader = Reader {
            query: Self::all(kind),
            seen: Vec::new(),
            values: 0,
        };
        for (name, value) in parameters {
            reader.take(name.as_ref(), value.as_ref())?;
        }
        Ok(reader.query)
    }

    /// As [`Query::from_parameters`], but leaves out parameters that FHIR or this version does not have
    /// (`Prefer: handling=lenient`), and says which. Values and modifiers that do not fit are errors all the same: R4
    /// wants a search refused whose modifier is not understood.
    ///
    /// # Errors
    /// [`InvalidQuery`] names what is wrong.
    pub fn leniently<N: AsRef<str>, V: AsRef<str>>(
        kind: ResourceType,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(Self, Vec<InvalidQuery>), InvalidQuery> {
        let mut reader = Reader {
            query: Self::all(kind),
            seen: Vec::new(),
            values: 0,
        };
        let mut left_out = Vec::new();
        for (name, value) in parameters {
            let name = name.as_ref();
            match reader.take(name, value.as_ref()) {
                Ok(()) => {}
                Err(why @ (InvalidQuery::Unknown { .. } | InvalidQuery::Unsupported { .. }))
                    if !name.contains(':') =>
                {
                    left_out.push(why);
                }
                Err(other) => return Err(other),
            }
        }
        Ok((reader.query, left_out))
    }
}

struct Reader {
    query: Query,
    seen: Vec<&'static str>,
    values: usize,
}

impl Reader {
    fn take(&mut self, name: &str, value: &str) -> Result<(), InvalidQuery> {
        let bad = |why: &str| wrong(name, why.into());
        match name {
            "_sort" => {
                self.once("_sort")?;
                self.query.sort = sort_keys(self.query.kind, value)?;
            }
            "_count" => {
                self.once("_count")?;
                let wanted = value.parse().ok().filter(|n: &usize| *n >= 1);
                let wanted = wanted.ok_or_else(|| bad("expected a number of at least 1"))?;
                self.query.count = wanted.min(MAX_COUNT);
            }
            "_total" => {
                self.once("_total")?;
                self.query.total = match value {
                    "none" => false,
                    // The best estimate is the number itself.
                    "accurate" | "estimate" => true,
                    _ => return Err(bad("expected none, estimate or accurate")),
                };
            }
            "_cursor" => {
                self.once("_cursor")?;
                self.query.cursor = Some(value.to_owned());
            }
            "_include" => {
                let include = include(name, value, self.query.kind, true)?;
                self.query.include.push(include);
            }
            "_revinclude" => {
                let include = include(name, value, self.query.kind, false)?;
                self.query.revinclude.push(include);
            }
            "_include:iterate"
            | "_include:recurse"
            | "_revinclude:iterate"
            | "_revinclude:recurse" => return Err(unsupported(name)),
            _ => {
                let criterion = self.criterion(name, value)?;
                self.query.criteria.push(criterion);
            }
        }
        Ok(())
    }

    fn once(&mut self, name: &'static str) -> Result<(), InvalidQuery> {
        if self.seen.contains(&name) {
            return Err(InvalidQuery::Twice { name });
        }
        self.seen.push(name);
        Ok(())
    }

    fn criterion(&mut self, name: &str, text: &str) -> Result<Criterion, InvalidQuery> {
        let kind = self.query.kind;
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        let known = |code: &str| PLANNED.contains(&code) || params::is_known(kind, code);
        let target = match params::find(kind, code) {
            _ if code == "_id" => Target::Id,
            Some(parameter) => Target::Parameter(parameter),
            // A chain is as known as what it starts with.
            None if code.split_once('.').is_some_and(|(base, _)| known(base)) => {
                return Err(unsupported(name));
            }
            None if known(code) => return Err(unsupported(name)),
            None => return Err(InvalidQuery::Unknown { name: cut(name) }),
        };
        if modifier.is_some_and(|m| m.contains('.')) {
            return Err(unsupported(name));
        }
        if modifier == Some("missing") {
            let missing = match text {
                "true" => true,
                "false" => false,
                _ => return Err(wrong(name, "expected true or false".into())),
            };
            return Ok(Criterion {
                target,
                condition: Condition::Missing(missing),
            });
        }
        let (how, of) = Self::modifier(target, name, modifier)?;
        let values = split(text, ',');
        self.values += values.len();
        if self.values > MAX_VALUES {
            let why = format!("a search takes at most {MAX_VALUES} values");
            return Err(wrong(name, why));
        }
        let operands = values
            .into_iter()
            .map(|text| match target {
                Target::Id => value::read_id(text),
                Target::Parameter(parameter) => value::read(parameter, text, how, of),
            })
            .collect::<Result<_, _>>()
            .map_err(|why| wrong(name, why))?;
        let condition = match modifier {
            Some("not") => Condition::Not(operands),
            _ => Condition::Any(operands),
        };
        Ok(Criterion { target, condition })
    }

    /// What a modifier other than `:missing` means for the values.
    fn modifier(
        target: Target,
        name: &str,
        modifier: Option<&str>,
    ) -> Result<(TextMatch, Option<ResourceType>), InvalidQuery> {
        use ParameterKind::{Reference, String, Token, Uri};
        let kind = match target {
            Target::Id => Token,
            Target::Parameter(parameter) => parameter.kind,
        };
        let plain = (TextMatch::StartsWith, None);
        let Some(modifier) = modifier else {
            return Ok(plain);
        };
        match (kind, modifier) {
            (String, "exact") => Ok((TextMatch::Exact, None)),
            (String, "contains") => Ok((TextMatch::Contains, None)),
            (Token, "not") => Ok(plain),
            (String, "text")
            | (Token, "text" | "in" | "not-in" | "of-type" | "above" | "below")
            | (Reference, "identifier" | "above" | "below")
            | (Uri, "above" | "below") => Err(unsupported(name)),
            (Reference, of) => match (target, ResourceType::named(of)) {
                (Target::Parameter(parameter), Some(of)) if parameter.may_target(of) => {
                    Ok((TextMatch::StartsWith, Some(of)))
                }
                _ => Err(refused(target, modifier)),
            },
            _ => Err(refused(target, modifier)),
        }
    }
}

fn sort_keys(kind: ResourceType, text: &str) -> Result<Vec<SortKey>, InvalidQuery> {
    let mut keys: Vec<SortKey> = Vec::new();
    for key in text.split(',') {
        let (descending, code) = match key.strip_prefix('-') {
            Some(code) => (true, code),
            None => (false, key),
        };
        let target = match params::find(kind, code) {
            _ if code == "_id" => Target::Id,
            Some(parameter) if is_ordered(parameter) => Target::Parameter(parameter),
            found => {
                // The key is what somebody wrote as a value, so it is named only when R4 has it.
                let known = found.is_some() || PLANNED.contains(&code);
                return Err(if known || params::is_known(kind, code) {
                    unsupported(&format!("_sort by {code}"))
                } else {
                    let why = "expected _id, _lastUpdated or parameters of this type that are \
                               dates, strings, tokens or numbers";
                    wrong("_sort", why.into())
                });
            }
        };
        if keys.iter().any(|k| k.target == target) {
            return Err(wrong("_sort", "a key stands twice".into()));
        }
        keys.push(SortKey { target, descending });
    }
    Ok(keys)
}

fn is_ordered(parameter: &Parameter) -> bool {
    use ParameterKind::{Date, Number, String, Token};
    matches!(parameter.kind, Date | String | Token | Number)
}

/// `Source:parameter` or `Source:parameter:Target`.
fn include(
    name: &str,
    text: &str,
    searched: ResourceType,
    forward: bool,
) -> Result<Include, InvalidQuery> {
    let bad = |why: &str| wrong(name, why.into());
    if text == "*" || text.ends_with(":*") {
        return Err(unsupported(&format!("{name}=*")));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (source, code, target) = match *parts.as_slice() {
        [source, code] => (source, code, None),
        [source, code, target] => (source, code, Some(target)),
        _ => return Err(bad("expected Type:parameter or Type:parameter:Target")),
    };
    let type_named =
        |text: &str| ResourceType::named(text).ok_or_else(|| bad("expected FHIR R4 types"));
    let source = type_named(source)?;
    let target = target.map(type_named).transpose()?;
    let parameter = params::find(source, code)
        .filter(|p| p.kind == ParameterKind::Reference)
        .ok_or_else(|| bad("expected a reference parameter of the first type"))?;
    if forward && source != searched {
        return Err(bad("the first type has to be the one searched"));
    }
    if !forward && target.is_some_and(|t| t != searched) {
        return Err(bad("the last type has to be the one searched"));
    }
    let leads_to = if forward { target } else { Some(searched) };
    if leads_to.is_some_and(|t| !parameter.may_target(t)) {
        return Err(bad("the parameter does not refer to that type"));
    }
    Ok(Include {
        source,
        parameter,
        target,
    })
}

fn wrong(name: &str, why: String) -> InvalidQuery {
    let name = cut(name);
    InvalidQuery::Value { name, why }
}

fn unsupported(name: &str) -> InvalidQuery {
    InvalidQuery::Unsupported { name: cut(name) }
}

fn refused(target: Target, modifier: &str) -> InvalidQuery {
    InvalidQuery::Modifier {
        name: target.code().to_owned(),
        modifier: cut(modifier),
    }
}

/// Names come from outside: a message holds the start of a long one.
fn cut(name: &str) -> String {
    name.chars().take(80).collect()
}

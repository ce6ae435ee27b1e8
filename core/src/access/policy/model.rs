//! A policy as data: which role may do what, and whose patients are whose. Read strictly, with limits.
//!
//! A text that is not understood whole is refused whole: a member that this program does not know could be the one that
//! takes a right away. Errors say where, as a path into the JSON.

use super::types::{Group, group};
use crate::fhir::{ResourceId, ResourceType};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longest text of a policy.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
const MAX_ROLES: usize = 64;
const MAX_RULES: usize = 128;
const MAX_PANELS: usize = 1_000;
const MAX_PATIENTS: usize = 20_000;
const MAX_PEOPLE: usize = 10_000;
const MAX_NAME: usize = 64;
const FORMAT: u64 = 1;

/// What a person does with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reads one by name.
    Read,
    /// Finds some, and what `_include` and `_revinclude` bring along.
    Search,
    /// Reads older versions.
    History,
    /// Makes one.
    Create,
    /// Changes one.
    Update,
    /// Deletes one.
    Delete,
    /// Writes some to a file.
    Export,
    /// Takes some in from a file.
    Import,
}

/// What a person does with the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VaultAction {
    /// Reads the audit trail.
    Audit,
    /// Adds and removes people.
    People,
    /// Approves and revokes devices.
    Devices,
    /// Installs a policy.
    Policy,
    /// Slots, keys, secrets of programs.
    Keys,
    /// What is indexed, which servers there are.
    Settings,
    /// Checks all files; accepts a loss; sees how the store finds things.
    Upkeep,
}

/// Which records a rule is about, of its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Those in the compartment of the person's own Patient.
    Own,
    /// Those in the compartments of the patients of the person's panels.
    Panel,
    /// Those of the facility that the person works for.
    Facility,
    /// Those in no patient's compartment.
    Directory,
    /// All.
    All,
}

/// A status may go from some values to some others only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Top-level element.
    pub element: String,
    /// Values it may have before; empty: any.
    pub from: Vec<String>,
    /// Values it may have behind it.
    pub to: Vec<String>,
}

/// One rule: what it names is allowed. What no rule allows is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique within the role.
    pub id: String,
    /// What it allows, and to which records.
    pub allows: Allows,
}

/// What a rule allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allows {
    /// Actions on records.
    Records {
        /// Their types.
        types: BTreeSet<ResourceType>,
        /// The actions.
        actions: BTreeSet<Action>,
        /// Which of them.
        scope: Scope,
        /// Top-level elements that an update may change; `None`: all.
        fields: Option<Vec<String>>,
        /// What an update may turn a status into.
        transition: Option<Transition>,
        /// Only together with an Appointment that takes the Slot or gives it up, in one transaction.
        within_booking: bool,
    },
    /// Actions on the vault.
    Vault(BTreeSet<VaultAction>),
}

/// The patients of a facility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facility {
    /// Everything in the vault.
    Everything,
    /// Those of some panels.
    Panels(Vec<String>),
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Counts up; an older one is never put back.
    pub version: u64,
    /// When it was made, as its author says.
    pub issued: String,
    /// Rules by role.
    pub roles: BTreeMap<String, Vec<Rule>>,
    /// Named sets of patients (ids on the first server).
    pub panels: BTreeMap<String, Vec<ResourceId>>,
    /// Whose panels they are, by person.
    pub people: BTreeMap<String, Vec<String>>,
    /// By name; `*`: every other, and where none is named.
    pub facilities: BTreeMap<String, Facility>,
}

/// Why a text is not a policy. `path` leads into the JSON: `roles.nurse[2].scope`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct InvalidPolicy {
    /// Where.
    pub path: String,
    /// What is wrong, in words.
    pub why: String,
}

/// What a name in the text stands for.
trait Named: Copy + Sized + 'static {
    const WHAT: &'static str;
    const ALL: &'static [(&'static str, Self)];

    fn named(text: &str) -> Option<Self> {
        let all = Self::ALL.iter();
        all.clone()
            .find(|(name, _)| *name == text)
            .map(|(_, it)| *it)
    }
}

impl Named for Action {
    const WHAT: &'static str = "action";
    const ALL: &'static [(&'static str, Self)] = &[
        ("read", Self::Read),
        ("search", Self::Search),
        ("history", Self::History),
        ("create", Self::Create),
        ("update", Self::Update),
        ("delete", Self::Delete),
        ("export", Self::Export),
        ("import", Self::Import),
    ];
}

impl Named for VaultAction {
    const WHAT: &'static str = "action";
    const ALL: &'static [(&'static str, Self)] = &[
        ("audit", Self::Audit),
        ("people", Self::People),
        ("devices", Self::Devices),
        ("policy", Self::Policy),
        ("keys", Self::Keys),
        ("settings", Self::Settings),
        ("upkeep", Self::Upkeep),
    ];
}

impl Named for Scope {
    const WHAT: &'static str = "scope";
    const ALL: &'static [(&'static str, Self)] = &[
        ("own", Self::Own),
        ("panel", Self::Panel),
        ("facility", Self::Facility),
        ("directory", Self::Directory),
        ("all", Self::All),
    ];
}

fn name_of<T: Named + PartialEq>(it: T) -> &'static str {
    let named = T::ALL.iter().find(|(_, one)| *one == it);
    named.map_or("", |(name, _)| name)
}

impl Action {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().map(|(_, action)| *action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(*self))
    }
}

impl fmt::Display for VaultAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(*self))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(*self))
    }
}

impl Policy {
    /// Reads a policy's JSON.
    ///
    /// # Errors
    /// [`InvalidPolicy`] says where and why.
    pub fn parse(text: &str) -> Result<Self, InvalidPolicy> {
        let root = At::root();
        if text.len() > MAX_BYTES {
            return Err(root.wrong(format!("longer than {MAX_BYTES} bytes")));
        }
        let value: Value = serde_json::from_str(text).map_err(|e| {
            let place = format!("line {}, column {}", e.line(), e.column());
            root.wrong(format!("not JSON ({place})"))
        })?;
        let members = root.object(&value)?;
        root.knows(
            members,
            &[
                "format",
                "version",
                "issued",
                "roles",
                "panels",
                "people",
                "facilities",
            ],
        )?;
        let number = |name: &str| {
            let at = root.member(name);
            let value = members.get(name).and_then(Value::as_u64);
            value.ok_or_else(|| at.wrong("a whole number is needed"))
        };
        if number("format")? != FORMAT {
            return Err(root
                .member("format")
                .wrong(format!("this program reads format {FORMAT}")));
        }
        let panels = root.map(members, "panels", MAX_PANELS, |at, value| {
            let members = at.object(value)?;
            at.knows(members, &["patients"])?;
            at.list(members, "patients", MAX_PATIENTS, |at, text| {
                ResourceId::new(text).map_err(|e| at.wrong(e))
            })
        })?;
        let panels_at = |at: &At, members: &Map<String, Value>| {
            at.list(members, "panels", MAX_PANELS, |at, text| {
                match panels.contains_key(text) {
                    true => Ok(text.to_owned()),
                    false => Err(at.wrong("no panel of this name")),
                }
            })
        };
        let policy = Self {
            version: number("version")?,
            issued: root.text(members, "issued")?,
            roles: root.map(members, "roles", MAX_ROLES, rules)?,
            people: root.map(members, "people", MAX_PEOPLE, |at, value| {
                let members = at.object(value)?;
                at.knows(members, &["panels"])?;
                panels_at(at, members)
            })?,
            facilities: root.map(members, "facilities", MAX_PANELS, |at, value| {
                if value.as_str() == Some("everything") {
                    return Ok(Facility::Everything);
                }
                let members = value
                    .as_object()
                    .ok_or_else(|| at.wrong("`everything`, or an object with `panels`"))?;
                at.knows(members, &["panels"])?;
                panels_at(at, members).map(Facility::Panels)
            })?,
            panels: panels.clone(),
        };
        if policy.version == 0 {
            return Err(root.member("version").wrong("versions count from 1"));
        }
        if policy.roles.contains_key("owner") {
            let at = root.member("roles").member("owner");
            return Err(at.wrong("no policy limits the owner of a vault"));
        }
        Ok(policy)
    }

    /// The rules of a role; none where the policy does not know it.
    pub fn rules(&self, role: &str) -> &[Rule] {
        self.roles.get(role).map(Vec::as_slice).unwrap_or_default()
    }
}

fn rules(at: &At, value: &Value) -> Result<Vec<Rule>, InvalidPolicy> {
    let all = at.array(value, MAX_RULES)?;
    let mut rules: Vec<Rule> = Vec::with_capacity(all.len());
    for (index, value) in all.iter().enumerate() {
        let at = at.item(index);
        let rule = rule(&at, value)?;
        if rules.iter().any(|known| known.id == rule.id) {
            return Err(at.member("id").wrong("stands twice in this role"));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(at: &At, value: &Value) -> Result<Rule, InvalidPolicy> {
    let members = at.object(value)?;
    at.knows(
        members,
        &[
            "id",
            "types",
            "actions",
            "scope",
            "fields",
            "transition",
            "within",
        ],
    )?;
    let id = at.text(members, "id")?;
    if !members.contains_key("types") {
        at.knows(members, &["id", "actions"])
            .map_err(|e| InvalidPolicy {
                why: format!("{} (a rule without `types` is about the vault)", e.why),
                ..e
            })?;
        let actions = at.list(members, "actions", MAX_RULES, named)?;
        return Ok(Rule {
            id,
            allows: Allows::Vault(nonempty(&at.member("actions"), actions)?),
        });
    }
    let types_at = at.member("types");
    let mut types = BTreeSet::new();
    let mut add = |at: &At, text: &str| {
        match group(text) {
            Some(Group::Everything) => types.extend(ResourceType::all()),
            Some(Group::Some(names)) => {
                types.extend(names.iter().filter_map(|name| ResourceType::named(name)));
            }
            None => {
                let kind = ResourceType::named(text);
                types.insert(kind.ok_or_else(|| at.wrong("no resource type of R4, and no group"))?);
            }
        }
        Ok(())
    };
    match members.get("types") {
        Some(Value::String(text)) => add(&types_at, text)?,
        _ => drop(at.list(members, "types", ResourceType::all().count(), add)?),
    }
    let actions: Vec<Action> = at.list(members, "actions", MAX_RULES, named)?;
    let actions: BTreeSet<Action> = nonempty(&at.member("actions"), actions)?;
    let scope = named(&at.member("scope"), &at.text(members, "scope")?)?;
    let is_update = actions.contains(&Action::Update);
    let only_for_updates = |name: &str| match members.contains_key(name) && !is_update {
        true => Err(at.member(name).wrong("only a rule with `update` has it")),
        false => Ok(()),
    };
    only_for_updates("fields")?;
    only_for_updates("transition")?;
    let fields = members
        .contains_key("fields")
        .then(|| at.list(members, "fields", MAX_RULES, element))
        .transpose()?;
    let transition = members
        .get("transition")
        .map(|value| transition(&at.member("transition"), value))
        .transpose()?;
    let within = at.member("within");
    let within_booking = match members.get("within").map(Value::as_str) {
        None => false,
        Some(Some("booking")) => true,
        Some(_) => return Err(within.wrong("`booking` is all it can be")),
    };
    if within_booking && (types.len() != 1 || ResourceType::named("Slot") != types.first().copied())
    {
        return Err(within.wrong("only a rule about Slot alone has it"));
    }
    Ok(Rule {
        id,
        allows: Allows::Records {
            types: nonempty(&types_at, types)?,
            actions,
            scope,
            fields,
            transition,
            within_booking,
        },
    })
}

fn transition(at: &At, value: &Value) -> Result<Transition, InvalidPolicy> {
    let members = at.object(value)?;
    at.knows(members, &["element", "from", "to"])?;
    let any = |_: &At, text: &str| Ok(text.to_owned());
    let from = match members.contains_key("from") {
        true => at.list(members, "from", MAX_RULES, any)?,
        false => Vec::new(),
    };
    let to = nonempty(&at.member("to"), at.list(members, "to", MAX_RULES, any)?)?;
    Ok(Transition {
        element: element(&at.member("element"), &at.text(members, "element")?)?,
        from,
        to,
    })
}

/// The name of a top-level element. What identifies a record never changes.
fn element(at: &At, text: &str) -> Result<String, InvalidPolicy> {
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric());
    if text.is_empty() || !is_name || matches!(text, "id" | "resourceType") {
        return Err(at.wrong("not the name of an element that may change"));
    }
    Ok(text.to_owned())
}

fn named<T: Named>(at: &At, text: &str) -> Result<T, InvalidPolicy> {
    T::named(text).ok_or_else(|| {
        let all: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
        at.wrong(format!(
            "no {} of this name; there are {}",
            T::WHAT,
            all.join(", ")
        ))
    })
}

fn nonempty<T, I, C>(at: &At, all: I) -> Result<C, InvalidPolicy>
where
    I: IntoIterator<Item = T>,
    C: FromIterator<T>,
{
    let mut all = all.into_iter().peekable();
    match all.peek() {
        Some(_) => Ok(all.collect()),
        None => Err(at.wrong("needs at least one")),
    }
}

/// A place in the JSON.
struct At(String);

impl At {
    fn root() -> Self {
        Self(String::new())
    }

    fn member(&self, name: &str) -> Self {
        // A name from the text is cut, so that an error stays a line.
        let name: String = name.chars().take(MAX_NAME).collect();
        match self.0.as_str() {
            "" => Self(name),
            above => Self(format!("{above}.{name}")),
        }
    }

    fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    fn wrong(&self, why: impl fmt::Display) -> InvalidPolicy {
        let path = match self.0.as_str() {
            "" => "policy".to_owned(),
            path => path.to_owned(),
        };
        InvalidPolicy {
            path,
            why: why.to_string(),
        }
    }

    fn object<'v>(&self, value: &'v Value) -> Result<&'v Map<String, Value>, InvalidPolicy> {
        value
            .as_object()
            .ok_or_else(|| self.wrong("an object is needed"))
    }

    fn array<'v>(&self, value: &'v Value, most: usize) -> Result<&'v [Value], InvalidPolicy> {
        let all = value
            .as_array()
            .ok_or_else(|| self.wrong("a list is needed"))?;
        match all.len() <= most {
            true => Ok(all),
            false => Err(self.wrong(format!("more than {most}"))),
        }
    }

    fn knows(&self, members: &Map<String, Value>, names: &[&str]) -> Result<(), InvalidPolicy> {
        match members.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => Err(self.member(other).wrong("not known here")),
        }
    }

    fn text(&self, members: &Map<String, Value>, name: &str) -> Result<String, InvalidPolicy> {
        let at = self.member(name);
        let text = members.get(name).and_then(Value::as_str);
        let text = text.ok_or_else(|| at.wrong("a text is needed"))?;
        if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return Err(at.wrong(format!("1 to {MAX_NAME} printable bytes")));
        }
        Ok(text.to_owned())
    }

    fn list<T>(
        &self,
        members: &Map<String, Value>,
        name: &str,
        most: usize,
        mut read: impl FnMut(&Self, &str) -> Result<T, InvalidPolicy>,
    ) -> Result<Vec<T>, InvalidPolicy> {
        let at = self.member(name);
        let value = members.get(name).ok_or_else(|| at.wrong("is missing"))?;
        let all = at.array(value, most)?;
        let each = |(index, value): (usize, &Value)| {
            let at = at.item(index);
            let text = value.as_str().ok_or_else(|| at.wrong("a text is needed"))?;
            read(&at, text)
        };
        all.iter().enumerate().map(each).collect()
    }

    /// A member whose members are named by the policy's author; missing: none.
    fn map<T>(
        &self,
        members: &Map<String, Value>,
        name: &str,
        most: usize,
        mut read: impl FnMut(&Self, &Value) -> Result<T, InvalidPolicy>,
    ) -> Result<BTreeMap<String, T>, InvalidPolicy> {
        let at = self.member(name);
        let Some(value) = members.get(name) else {
            return Ok(BTreeMap::new());
        };
        let all = at.object(value)?;
        if all.len() > most {
            return Err(at.wrong(format!("more than {most}")));
        }
        let mut read_all = BTreeMap::new();
        for (name, value) in all {
            let at = at.member(name);
            if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
                return Err(at.wrong(format!("a name has 1 to {MAX_NAME} printable bytes")));
            }
            read_all.insert(name.clone(), read(&at, value)?);
        }
        Ok(read_all)
    }
}

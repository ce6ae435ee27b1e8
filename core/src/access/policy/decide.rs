//! The decision. Pure: a policy, who acts, and what is asked; no store, no clock.
//!
//! A refusal names the role, the action, the type and the rule that came closest. It says nothing about a record: the
//! same words would come back if the record were another, or were not there.

use super::model::{Action, Allows, Facility, Policy, Rule, Scope, VaultAction};
use crate::access::{Actor, Role};
use crate::fhir::compartment::patients_of;
use crate::fhir::content::{changed_elements, drops_generated_narrative};
use crate::fhir::{Resource, ResourceId, ResourceType, json};
use crate::store::{Limited, Patients, PeerId, Sees, View};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Actors whose views are kept. More than one hub has at a time; when full it starts again.
const MAX_VIEWS: usize = 512;

/// Why something was not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the role {role} may not {what}: {why} (policy {version})")]
pub struct Refusal {
    /// In which role it was asked.
    pub role: Role,
    /// Version of the policy.
    pub version: u64,
    /// What was asked: an action, and a type where it is about records.
    pub what: String,
    /// Which rule is missing, or what the closest one asks for.
    pub why: Why,
}

/// Which rule is missing. The later ones came closer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The installed policy cannot be read, so nobody but the owner may do anything.
    Unreadable,
    /// None names the action and the type.
    NoRule,
    /// A rule does, but not under this id.
    Id,
    /// A rule does, within its scope.
    Scope {
        /// Which.
        rule: String,
        /// Its scope.
        scope: Scope,
    },
    /// A rule does, for some elements.
    Fields {
        /// Which.
        rule: String,
        /// The elements.
        fields: Vec<String>,
    },
    /// A rule does, for some changes of a status.
    Transition {
        /// Which.
        rule: String,
        /// The element.
        element: String,
        /// What it may become.
        to: Vec<String>,
    },
    /// A rule does, in the transaction of an Appointment that takes the Slot or gives it up.
    Booking {
        /// Which.
        rule: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the installed policy cannot be read"),
            Self::NoRule => f.write_str("no rule allows it"),
            Self::Id => f.write_str("not under this id"),
            Self::Scope { rule, scope } => {
                write!(
                    f,
                    "the rule {rule} allows it in its scope ({scope}) only, before and after"
                )
            }
            Self::Fields { rule, fields } => {
                write!(
                    f,
                    "the rule {rule} allows it for {} only",
                    fields.join(", ")
                )
            }
            Self::Transition { rule, element, to } => write!(
                f,
                "the rule {rule} allows it where {element} becomes {}, from what the rule names",
                to.join(" or ")
            ),
            Self::Booking { rule } => write!(
                f,
                "the rule {rule} allows it in one transaction with an Appointment that takes the Slot or gives it up"
            ),
        }
    }
}

/// A write that somebody wants to do.
pub(in crate::access) struct Asked<'a> {
    pub(in crate::access) action: Action,
    pub(in crate::access) kind: ResourceType,
    pub(in crate::access) peer: PeerId,
    /// What stands there; `None`: nothing.
    pub(in crate::access) old: Option<&'a Resource<'a>>,
    /// What shall stand there; `None`: nothing.
    pub(in crate::access) new: Option<&'a Resource<'a>>,
    /// An Appointment in the same transaction takes it or gives it up.
    pub(in crate::access) is_booked: bool,
}

/// A policy at work: with its panels as sets, and the views it gave.
pub(in crate::access) struct InForce {
    /// `None`: the installed one cannot be read.
    policy: Option<Policy>,
    panels: BTreeMap<String, Arc<Patients>>,
    views: Mutex<HashMap<(Actor, Action), View>>,
}

/// Which records a scope means for an actor.
enum Extent {
    Nothing,
    Everything,
    Nobodys,
    Of(Vec<Arc<Patients>>),
}

impl InForce {
    pub(in crate::access) fn new(policy: Policy) -> Self {
        let panels = policy.panels.iter();
        let panels = panels
            .map(|(name, ids)| (name.clone(), Arc::new(Patients::new(ids.iter().cloned()))))
            .collect();
        Self {
            policy: Some(policy),
            panels,
            views: Mutex::default(),
        }
    }

    /// Where an installed policy cannot be read: nobody but the owner may do anything.
    pub(in crate::access) fn unreadable() -> Self {
        Self {
            policy: None,
            panels: BTreeMap::new(),
            views: Mutex::default(),
        }
    }

    pub(in crate::access) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(in crate::access) fn version(&self) -> u64 {
        self.policy.as_ref().map_or(0, |policy| policy.version)
    }

    /// What `actor` may see where `action` is done.
    pub(in crate::access) fn view(&self, actor: &Actor, action: Action) -> View {
        if actor.role == Role::OWNER {
            return View::All;
        }
        let key = (actor.clone(), action);
        let views = || self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views().get(&key) {
            return view.clone();
        }
        let mut limited = Limited::default();
        for rule in self.rules(actor) {
            let Allows::Records {
                types,
                actions,
                scope,
                ..
            } = &rule.allows
            else {
                continue;
            };
            if !actions.contains(&action) {
                continue;
            }
            let sees = match self.extent(*scope, actor) {
                Extent::Nothing => continue,
                Extent::Everything => Sees {
                    all: true,
                    ..Sees::default()
                },
                Extent::Nobodys => Sees {
                    nobodys: true,
                    ..Sees::default()
                },
                Extent::Of(patients) => Sees {
                    patients,
                    ..Sees::default()
                },
            };
            types.iter().for_each(|kind| limited.open(*kind, &sees));
        }
        let view = View::Limited(Arc::new(limited));
        let mut views = views();
        if views.len() >= MAX_VIEWS {
            views.clear();
        }
        views.insert(key, view.clone());
        view
    }

    /// Whether `actor` may do `action` on any record of the type at all.
    pub(in crate::access) fn may_at_all(
        &self,
        actor: &Actor,
        action: Action,
        kind: ResourceType,
    ) -> Result<(), Box<Refusal>> {
        let allows = |rule: &Rule| match &rule.allows {
            Allows::Records { types, actions, .. } => {
                actions.contains(&action) && types.contains(&kind)
            }
            Allows::Vault(_) => false,
        };
        if actor.role == Role::OWNER || self.rules(actor).iter().any(allows) {
            return Ok(());
        }
        Err(self.refusal(actor, format!("{action} {kind}"), Why::NoRule))
    }

    /// Whether `actor` may do `action` on records of some type.
    pub(in crate::access) fn may_somewhere(
        &self,
        actor: &Actor,
        action: Action,
    ) -> Result<(), Box<Refusal>> {
        let allows = |rule: &Rule| match &rule.allows {
            Allows::Records { actions, .. } => actions.contains(&action),
            Allows::Vault(_) => false,
        };
        if actor.role == Role::OWNER || self.rules(actor).iter().any(allows) {
            return Ok(());
        }
        Err(self.refusal(actor, format!("{action} records"), Why::NoRule))
    }

    /// Whether `actor` may do this with the vault.
    pub(in crate::access) fn may_vault(
        &self,
        actor: &Actor,
        action: VaultAction,
    ) -> Result<(), Box<Refusal>> {
        let allows = |rule: &Rule| matches!(&rule.allows, Allows::Vault(actions) if actions.contains(&action));
        if actor.role == Role::OWNER || self.rules(actor).iter().any(allows) {
            return Ok(());
        }
        let what = match action {
            VaultAction::Audit => "read the audit trail",
            VaultAction::People => "add or remove people",
            VaultAction::Devices => "approve or revoke devices",
            VaultAction::Policy => "install a policy",
            VaultAction::Keys => "work with the vault's keys",
            VaultAction::Settings => "change the vault's settings",
            VaultAction::Upkeep => "look after the vault's files",
        };
        Err(self.refusal(actor, what.to_owned(), Why::NoRule))
    }

    /// Whether `actor` may write this. Answers with the rule that allows it; empty: no policy limits the actor.
    pub(in crate::access) fn may_write<'p>(
        &'p self,
        actor: &Actor,
        asked: &Asked<'_>,
    ) -> Result<&'p str, Box<Refusal>> {
        if actor.role == Role::OWNER {
            return Ok("");
        }
        let mut closest = Why::NoRule;
        for rule in self.rules(actor) {
            match self.allows(rule, actor, asked) {
                Ok(()) => return Ok(&rule.id),
                Err(why) => closest = closest.max(why),
            }
        }
        let what = format!("{} {}", asked.action, asked.kind);
        Err(self.refusal(actor, what, closest))
    }

    /// The refusal of a write that would be allowed, were something not there that the actor may not see.
    pub(in crate::access) fn taken(&self, actor: &Actor, asked: &Asked<'_>) -> Box<Refusal> {
        self.refusal(actor, format!("{} {}", asked.action, asked.kind), Why::Id)
    }

    fn allows(&self, rule: &Rule, actor: &Actor, asked: &Asked<'_>) -> Result<(), Why> {
        let Allows::Records {
            types,
            actions,
            scope,
            fields,
            transition,
            within_booking,
        } = &rule.allows
        else {
            return Err(Why::NoRule);
        };
        if !actions.contains(&asked.action) || !types.contains(&asked.kind) {
            return Err(Why::NoRule);
        }
        let id = || rule.id.clone();
        // Old and new: nobody moves a record out of somebody's chart, or into it.
        let extent = self.extent(*scope, actor);
        let versions = [asked.old, asked.new];
        if !versions
            .into_iter()
            .flatten()
            .all(|one| extent.holds(asked.peer, &patients_of(one)))
        {
            return Err(Why::Scope {
                rule: id(),
                scope: *scope,
            });
        }
        let (Some(old), Some(new)) = (asked.old, asked.new) else {
            return Ok(());
        };
        if let Some(fields) = fields {
            let mut changed = changed_elements(old, new);
            // What a merge leaves out, of a record in which something else may be changed.
            if changed.len() > 1 && drops_generated_narrative(old, new) {
                changed.retain(|name| name != "text");
            }
            if changed.iter().any(|name| !fields.contains(name)) {
                return Err(Why::Fields {
                    rule: id(),
                    fields: fields.clone(),
                });
            }
        }
        if let Some(transition) = transition {
            let value = |of: &Resource<'_>| {
                let value = of.member(&transition.element).and_then(json::string);
                value.unwrap_or_default().into_owned()
            };
            let from = transition.from.is_empty() || transition.from.contains(&value(old));
            if !from || !transition.to.contains(&value(new)) {
                return Err(Why::Transition {
                    rule: id(),
                    element: transition.element.clone(),
                    to: transition.to.clone(),
                });
            }
        }
        if *within_booking && !asked.is_booked {
            return Err(Why::Booking { rule: id() });
        }
        Ok(())
    }

    fn rules(&self, actor: &Actor) -> &[Rule] {
        let policy = self.policy.as_ref();
        policy
            .map(|policy| policy.rules(actor.role.name()))
            .unwrap_or_default()
    }

    fn refusal(&self, actor: &Actor, what: String, why: Why) -> Box<Refusal> {
        Box::new(Refusal {
            role: actor.role.clone(),
            version: self.version(),
            what,
            why: if self.policy.is_some() {
                why
            } else {
                Why::Unreadable
            },
        })
    }

    fn extent(&self, scope: Scope, actor: &Actor) -> Extent {
        let Some(policy) = &self.policy else {
            return Extent::Nothing;
        };
        match scope {
            Scope::All => Extent::Everything,
            Scope::Directory => Extent::Nobodys,
            Scope::Own => match &actor.patient {
                Some(id) => Extent::Of(vec![Arc::new(Patients::new([id.clone()]))]),
                None => Extent::Nothing,
            },
            Scope::Panel => {
                let panels = policy.people.get(actor.person.id());
                self.of_panels(panels.map(Vec::as_slice).unwrap_or_default())
            }
            Scope::Facility => {
                let named = actor
                    .facility
                    .as_ref()
                    .and_then(|name| policy.facilities.get(name));
                match named.or_else(|| policy.facilities.get("*")) {
                    None => Extent::Nothing,
                    Some(Facility::Everything) => Extent::Everything,
                    Some(Facility::Panels(panels)) => self.of_panels(panels),
                }
            }
        }
    }

    fn of_panels(&self, names: &[String]) -> Extent {
        let all = names.iter().filter_map(|name| self.panels.get(name));
        Extent::Of(all.cloned().collect())
    }
}

impl Extent {
    /// Whether somebody who is limited to it may write a record with these patients: it must name none that is not
    /// within.
    fn holds(&self, peer: PeerId, patients: &[ResourceId]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Nobodys => patients.is_empty(),
            Self::Of(sets) => {
                let is_theirs = |id: &ResourceId| sets.iter().any(|set| set.contains(id));
                peer == PeerId::FIRST && !patients.is_empty() && patients.iter().all(is_theirs)
            }
        }
    }
}

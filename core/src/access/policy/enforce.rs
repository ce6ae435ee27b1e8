//! The decision at work: what a guard may see and do, and how a policy comes into force.

use super::decide::{Asked, InForce, Refusal};
use super::model::{Action, Policy, VaultAction};
use super::signed::{BadPolicy, read_policy, sign_policy};
use crate::access::{AccessError, Actor, Guard, Role};
use crate::fhir::compartment::patients_of;
use crate::fhir::search::{MAX_COUNT, Query};
use crate::fhir::{Reference, Resource, ResourceType, json};
use crate::store::{PeerId, Reader, Record, RecordName, Refused, StoreError, Tx, View};
use std::sync::{Arc, PoisonError};

/// Where the signed text lies: in the store, since panels can be larger than a header may be.
pub(super) const INSTALLED: &str = "policy";

/// A write, before it is judged.
pub(in crate::access) struct Wish<'a> {
    pub(in crate::access) name: RecordName,
    /// `None`: it shall be deleted.
    pub(in crate::access) new: Option<&'a Resource<'a>>,
    /// By whose role it is judged.
    pub(in crate::access) actor: &'a Actor,
    /// It is conditional on the version that stands there.
    pub(in crate::access) expects_version: bool,
}

/// What became of a wish that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::access) enum Judged {
    /// A rule allows it; empty: no policy limits the actor.
    Allowed(String),
    /// It shall delete what is not there, or what the actor may not read, which is the same.
    Absent,
}

impl Guard {
    /// The policy in force.
    pub(in crate::access) fn in_force(&self) -> Arc<InForce> {
        let policy = self.shared.policy.read();
        Arc::clone(&policy.unwrap_or_else(PoisonError::into_inner))
    }

    /// The policy in force; `None`: the installed one cannot be read.
    pub fn policy(&self) -> Option<Policy> {
        self.in_force().policy().cloned()
    }

    /// Whether the policy in force has rules for this role. One that it does not know lets a person in and shows them
    /// nothing.
    pub fn knows_role(&self, role: &Role) -> bool {
        let in_force = self.in_force();
        let policy = in_force.policy();
        policy.is_none_or(|policy| policy.roles.contains_key(role.name()))
    }

    /// What this person may see where `action` is done.
    pub(in crate::access) fn view(&self, action: Action) -> View {
        self.in_force().view(&self.actor, action)
    }

    /// Whether this person may do that with the vault. A refusal is written to the trail.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`].
    pub fn must(&self, action: VaultAction) -> Result<(), AccessError> {
        self.noted(self.in_force().may_vault(&self.actor, action))
    }

    /// Whether this person may do that on any record of the type. A refusal is written to the trail.
    pub(in crate::access) fn must_at_all(
        &self,
        action: Action,
        kind: ResourceType,
    ) -> Result<(), AccessError> {
        self.noted(self.in_force().may_at_all(&self.actor, action, kind))
    }

    /// As [`Guard::must_at_all`], for records of some type.
    pub(in crate::access) fn must_somewhere(&self, action: Action) -> Result<(), AccessError> {
        self.noted(self.in_force().may_somewhere(&self.actor, action))
    }

    /// As [`Guard::must_at_all`], within a transaction, where nothing can be written to the trail. Answers with the action.
    pub(in crate::access) fn may_at_all(
        &self,
        action: Action,
        kind: ResourceType,
    ) -> Result<Action, AccessError> {
        self.in_force().may_at_all(&self.actor, action, kind)?;
        Ok(action)
    }

    fn noted(&self, decided: Result<(), Box<Refusal>>) -> Result<(), AccessError> {
        let Err(refusal) = decided else { return Ok(()) };
        self.note_refusal(&refusal)?;
        Err(refusal.into())
    }

    /// Writes to the trail that something was refused, and by which rule.
    pub(in crate::access) fn note_refusal(&self, refusal: &Refusal) -> Result<(), AccessError> {
        self.note_refused(&refusal.what, &refusal.to_string())
    }

    /// Judges the writes of one transaction, in their order, before any of them is stored.
    ///
    /// # Errors
    /// The index of the first that is not allowed.
    pub(in crate::access) fn judge(
        &self,
        tx: &Tx<'_>,
        import: bool,
        wishes: &[Wish<'_>],
    ) -> Result<Vec<Judged>, (usize, AccessError)> {
        let in_force = self.in_force();
        let mut judged = Vec::with_capacity(wishes.len());
        let visits = visits_in(tx, wishes).map_err(|error| (0, error))?;
        for (at, wish) in wishes.iter().enumerate() {
            let one = || {
                let standing = tx.standing(&wish.name)?;
                let old = standing.as_ref().map(|record| record.text.as_str());
                let slot = &wish.name.reference;
                let is_booked = self.is_within_booking(tx, slot, wish.new, &visits)?;
                judge_one(&in_force, import, wish, old, is_booked)
            };
            judged.push(one().map_err(|error| (at, error))?);
        }
        Ok(judged)
    }

    /// Whether a change of a Slot is a part of what happens to Appointments in the same transaction: one takes it, or gives
    /// it up and no other has it. (It says nothing about who may do that to the Appointments: they are judged, too.)
    pub(in crate::access) fn is_within_booking(
        &self,
        reader: &Reader<'_>,
        slot: &Reference,
        new: Option<&Resource<'_>>,
        visits: &[Visit],
    ) -> Result<bool, AccessError> {
        if slot.kind.name() != "Slot" {
            return Ok(false);
        }
        let status = new
            .and_then(|new| new.member("status"))
            .and_then(json::string);
        let takes = visits.iter().any(|visit| visit.new_takes(slot));
        if status.as_deref() != Some("free") {
            return Ok(takes);
        }
        let gives = visits.iter().any(|visit| visit.old_takes(slot));
        if takes || !gives {
            return Ok(false);
        }
        let query = Query::parse(&format!("Appointment?slot={slot}&_count={MAX_COUNT}"));
        let Ok(query) = query else { return Ok(false) };
        let found = reader.search_unseen(&query, self.shared.clock.now())?;
        // More than can be looked at is more than one.
        let is_anothers = |record: &Record| {
            let name = &record.name.reference;
            takes_slot(&record.text, slot) && visits.iter().all(|visit| visit.name != *name)
        };
        Ok(found.next.is_none() && !found.records.iter().any(is_anothers))
    }

    /// Judges one write that a hub takes: by the role of those who wrote it. `old`: the text that stands there.
    ///
    /// Where several had a part in it, each of them must be allowed all of it.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`], or what a write to nothing would be answered with.
    pub(in crate::access) fn judge_served(
        &self,
        wish: &Wish<'_>,
        authors: &[&Actor],
        old: Option<&str>,
        is_booked: bool,
    ) -> Result<Judged, AccessError> {
        let in_force = self.in_force();
        let judged = |actor| {
            let wish = Wish {
                actor,
                name: wish.name.clone(),
                // To a device that sees what its author may not, "another version" would be no answer: it has that one.
                expects_version: wish.expects_version && authors.is_empty(),
                ..*wish
            };
            judge_one(&in_force, false, &wish, old, is_booked)
        };
        let Some((last, before)) = authors.split_last() else {
            return judged(wish.actor);
        };
        // A device that hears of a deletion that there was nothing forgets it. What it holds stands here, too.
        let judged = |actor| match judged(actor)? {
            Judged::Absent if old.is_some() => {
                let asked = Asked {
                    action: Action::Delete,
                    kind: wish.name.reference.kind,
                    peer: wish.name.peer,
                    old: None,
                    new: None,
                    is_booked,
                };
                Err(AccessError::from(in_force.taken(actor, &asked)))
            }
            judged => Ok(judged),
        };
        // The last one signed all of these bytes: were an earlier one's role enough, whoever comes last could write
        // with the rights of anybody whose change still waits.
        for actor in before {
            judged(actor)?;
        }
        judged(last)
    }

    /// Whether this person may not read what stands under a name of the first server.
    pub(in crate::access) fn hides(
        &self,
        name: &Reference,
        text: &str,
    ) -> Result<bool, AccessError> {
        let standing = Resource::parse_text(text).map_err(|_| StoreError::DamagedValue {
            what: "body",
            row: 0,
        })?;
        let view = self.view(Action::Read);
        Ok(!view.shows(PeerId::FIRST, name.kind, &patients_of(&standing)))
    }

    /// Puts a signed policy into force. It must be newer than the one that is.
    ///
    /// # Errors
    /// [`AccessError::Policy`]; the one before stays in force.
    pub fn install_policy(&self, signed: &str) -> Result<u64, AccessError> {
        self.must(VaultAction::Policy)?;
        let policy = match read_policy(&self.policy_authority()?, signed) {
            Err(BadPolicy::Signature(bad)) => {
                let hubs = self.not_the_hubs()?;
                return Err(hubs.unwrap_or(BadPolicy::Signature(bad)).into());
            }
            read => read?,
        };
        self.is_newer(&policy)??;
        let version = policy.version;
        self.put_into_force(policy, signed, "")?;
        Ok(version)
    }

    /// Signs a policy's text as this vault's authority and puts it into force. A vault that joined a hub takes the hub's.
    ///
    /// # Errors
    /// [`AccessError`]; the one before stays in force.
    pub fn sign_and_install_policy(&self, text: &str) -> Result<u64, AccessError> {
        self.must(VaultAction::Policy)?;
        Policy::parse(text).map_err(BadPolicy::from)?;
        if let Some(refused) = self.not_the_hubs()? {
            return Err(refused.into());
        }
        let signed = sign_policy(&self.authority_key()?, text);
        self.install_policy(&signed)
    }

    /// Reads the installed policy, when the vault is opened. One that cannot be read closes the vault to all but the
    /// owner; it never opens it by falling back.
    pub(in crate::access) fn load_policy(&self) -> Result<(), AccessError> {
        if let Some(installed) = self.installed()? {
            let policy = installed.policy;
            self.judge_by(policy.map_or_else(InForce::unreadable, InForce::new));
        }
        Ok(())
    }
}

/// The shipped policy, at work.
pub(in crate::access) fn shipped() -> InForce {
    Policy::shipped().map_or_else(|_| InForce::unreadable(), InForce::new)
}

fn judge_one(
    in_force: &InForce,
    import: bool,
    wish: &Wish<'_>,
    standing: Option<&str>,
    is_booked: bool,
) -> Result<Judged, AccessError> {
    if wish.actor.role == Role::OWNER {
        return Ok(Judged::Allowed(String::new()));
    }
    let kind = wish.name.reference.kind;
    let damaged = |_| StoreError::DamagedValue {
        what: "body",
        row: 0,
    };
    let old = standing.map(Resource::parse_text);
    let old = old.transpose().map_err(damaged)?;
    // What the actor may not read is not there: asked as if it were not, and refused as if it were not.
    let view = in_force.view(wish.actor, Action::Read);
    let is_seen = |old: &Resource<'_>| view.shows(wish.name.peer, kind, &patients_of(old));
    let is_hidden = old.as_ref().is_some_and(|old| !is_seen(old));
    let old = old.filter(|_| !is_hidden);
    let action = match (import, &old, wish.new) {
        (true, ..) => Action::Import,
        (_, None, Some(_)) => Action::Create,
        (_, Some(_), Some(_)) => Action::Update,
        (_, _, None) => Action::Delete,
    };
    let asked = Asked {
        action,
        kind,
        peer: wish.name.peer,
        old: old.as_ref(),
        new: wish.new,
        is_booked,
    };
    if action == Action::Delete {
        in_force.may_at_all(wish.actor, action, kind)?;
        if old.is_none() {
            return Ok(Judged::Absent);
        }
    }
    let rule = in_force.may_write(wish.actor, &asked)?;
    if !is_hidden {
        return Ok(Judged::Allowed(rule.to_owned()));
    }
    let name = wish.name.reference.clone();
    if wish.expects_version {
        return Err(Refused::Stale {
            name,
            current: None,
        }
        .into());
    }
    // An id that is taken cannot be given twice; this much a person learns who guesses it.
    Err(in_force.taken(wish.actor, &asked).into())
}

/// An Appointment that a transaction writes: what stood there, and what will.
pub(in crate::access) struct Visit {
    pub(in crate::access) name: Reference,
    pub(in crate::access) old: Option<String>,
    pub(in crate::access) new: Option<String>,
}

impl Visit {
    fn new_takes(&self, slot: &Reference) -> bool {
        self.new.as_ref().is_some_and(|text| takes_slot(text, slot))
    }

    fn old_takes(&self, slot: &Reference) -> bool {
        self.old.as_ref().is_some_and(|text| takes_slot(text, slot))
    }
}

/// The Appointments that are written.
fn visits_in(tx: &Tx<'_>, wishes: &[Wish<'_>]) -> Result<Vec<Visit>, AccessError> {
    let mut visits = Vec::new();
    for wish in wishes {
        if wish.name.reference.kind.name() == "Appointment" {
            visits.push(Visit {
                name: wish.name.reference.clone(),
                old: tx.standing(&wish.name)?.map(|record| record.text),
                new: wish.new.map(|new| new.text().to_owned()),
            });
        }
    }
    Ok(visits)
}

fn takes_slot(text: &str, slot: &Reference) -> bool {
    let resource = Resource::parse_text(text).ok();
    books(resource.as_ref(), slot)
}

/// Whether what is written is an Appointment that takes place and names this Slot. It is judged by itself.
fn books(new: Option<&Resource<'_>>, slot: &Reference) -> bool {
    let Some(appointment) = new.filter(|new| new.kind().name() == "Appointment") else {
        return false;
    };
    let status = appointment.member("status").and_then(json::string);
    let is_off = matches!(
        status.as_deref(),
        Some("cancelled" | "entered-in-error" | "noshow")
    );
    let named = appointment
        .member("slot")
        .map(json::items)
        .unwrap_or_default();
    !is_off
        && named.into_iter().any(|one| {
            let members = json::members(one.get()).unwrap_or_default();
            let reference = members.iter().find(|(name, _)| name == "reference");
            let text = reference.and_then(|(_, value)| json::string(value));
            text.is_some_and(|text| Reference::parse(&text).as_ref() == Ok(slot))
        })
}

impl<'a> Wish<'a> {
    /// A write on the first server.
    pub(in crate::access) fn served(
        name: &Reference,
        new: Option<&'a Resource<'a>>,
        actor: &'a Actor,
    ) -> Self {
        Self {
            name: RecordName {
                peer: PeerId::FIRST,
                reference: name.clone(),
            },
            new,
            actor,
            expects_version: false,
        }
    }
}

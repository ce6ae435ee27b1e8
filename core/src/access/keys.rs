//! Whose hands the vault is in: opening it for a person, changing persons, new slots and new people.
//!
//! A header is only ever written while nothing else runs on the vault, so two writers cannot come between each other.
//! A gate is only ever asked while no lock is held.

use super::audit::{AuditEntry, AuditKind};
use super::guard::Digested;
use super::policy::VaultAction;
use super::{AccessError, Actor, Certificate, Guard, Person, Role};
use crate::clock::Clock;
use crate::crypto::sign::{PublicKey, SigningKey};
use crate::vault::{self, Gate, Moment, NewSlot, Opener, SlotId, SlotSummary, Vault, With};
use std::path::Path;
use std::sync::Arc;

/// Whose slot is to be opened, and with what.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The person.
    pub person: &'a Person,
    /// With what.
    pub with: With<'a>,
    /// The device's gate, where there is one.
    pub gate: Option<&'a dyn Gate>,
}

impl<'a> Opening<'a> {
    pub(super) fn opener(&self, clock: &dyn Clock) -> Opener<'a> {
        Opener {
            person: in_header(self.person),
            with: self.with,
            gate: self.gate,
            at: Moment {
                since_boot: clock.since_boot(),
                wall_ms: clock.now().epoch_ms(),
            },
        }
    }
}

/// A person who can open the vault, or could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSummary {
    /// Who.
    pub person: Person,
    /// As what.
    pub role: Role,
    /// Checks what this person signed.
    pub public_key: PublicKey,
    /// Who vouches for that; empty: nobody yet.
    pub certificate: String,
    /// How many slots are theirs; 0: they have to be enrolled anew.
    pub slots: usize,
}

impl Guard {
    /// Opens the vault in `home` for a person, with a gate if there is one. The gate is asked with no lock held;
    /// dropping the future leaves everything as it was, save a try that was counted.
    ///
    /// # Errors
    /// [`AccessError`]; nothing was changed but the count of wrong tries.
    pub async fn unlock_with(
        home: &Path,
        opening: &Opening<'_>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        let vault = vault::unlock_with(home, &opening.opener(&*clock)).await?;
        Self::over(vault, clock)
    }

    /// Opens the vault in `home` with what only the gate gives back. `reason` is shown to the person.
    ///
    /// # Errors
    /// As [`Guard::unlock_with`].
    pub async fn unlock_by_gate(
        home: &Path,
        person: &Person,
        gate: &dyn Gate,
        reason: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AccessError> {
        let opening = Opening {
            person,
            with: With::Gate { reason },
            gate: Some(gate),
        };
        Self::unlock_with(home, &opening, clock).await
    }

    /// Puts the open vault into another person's hands. The guards of the person before end at once, wherever their
    /// clones are: their calls answer [`AccessError::Locked`]. The files stay open.
    ///
    /// # Errors
    /// [`AccessError`]; then nothing has changed. Only where wrong tries could not be audited the vault is locked.
    pub async fn switch_person(&self, opening: &Opening<'_>) -> Result<Self, AccessError> {
        let switching = self.with_open(|open| Ok(open.vault.switching()))?;
        let opener = opening.opener(&*self.shared.clock);
        let switch = switching.open(&opener).await?;
        // What the person before still reads is not to be waited for.
        self.interrupt_reads()?;
        let (from, at_ms) = (self.actor.person.id().to_owned(), opener.at.wall_ms);
        let holder = self.with_open_mut(|open| {
            let entry = AuditEntry {
                what: format!("from {from}"),
                ..AuditEntry::new(at_ms, opening.person.id(), AuditKind::Switch)
            };
            open.audit().append(&entry, opener.at.since_boot)?;
            open.vault.switch(switch)?;
            Ok((self.shared.next_holder(), actor_of(&open.vault)))
        })?;
        let guard = self.of_holder(holder.0, holder.1);
        match guard.settle_tries() {
            Ok(()) => Ok(guard),
            // Nobody holds it now: the guards before have ended.
            Err(error) => {
                let _ = guard.lock();
                Err(error)
            }
        }
    }

    /// The vault's slots.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn slots(&self) -> Result<Vec<SlotSummary>, AccessError> {
        self.with_open(|open| Ok(open.vault.slots()))
    }

    /// Makes another slot for the person whose slot is open.
    ///
    /// # Errors
    /// [`AccessError`]; there is no new slot then.
    pub async fn add_slot(
        &self,
        new: NewSlot,
        gate: Option<&dyn Gate>,
    ) -> Result<SlotId, AccessError> {
        let plan = self.with_open(|open| {
            if in_header(&self.actor.person) != open.vault.person() {
                return Err(AccessError::OwnerOnly {
                    what: "make a slot for someone else",
                });
            }
            Ok(open.vault.plan_slot(new)?)
        })?;
        let ready = plan.make_key(gate).await?;
        let what = format!("new slot {}", ready.id());
        self.audited_on(AuditKind::Slots, &what, |open| {
            Ok(open.vault.add_slot(ready)?)
        })
    }

    /// Makes the first slot of a new person. They get a signing key of their own, which only their slots hold.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`] by the policy; else as [`Guard::add_slot`].
    pub async fn add_person(
        &self,
        person: &Person,
        role: &Role,
        new: NewSlot,
        gate: Option<&dyn Gate>,
    ) -> Result<PublicKey, AccessError> {
        self.must(VaultAction::People)?;
        let plan =
            self.with_open(|open| Ok(open.vault.plan_person(person.id(), role.name(), new)?))?;
        let ready = plan.make_key(gate).await?;
        let what = format!("new person {person} as {role}");
        let member = self.audited_on(AuditKind::People, &what, |open| {
            Ok(open.vault.add_person(role.name(), ready)?)
        })?;
        Ok(member.public_key)
    }

    /// Everybody in the vault.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn people(&self) -> Result<Vec<PersonSummary>, AccessError> {
        self.with_open(|open| {
            let slots = open.vault.slots();
            let summary = |member: &vault::Member| PersonSummary {
                person: of_header(&member.person),
                role: actor_as(&open.vault, member).role,
                public_key: member.public_key,
                certificate: member.certificate.clone(),
                slots: slots.iter().filter(|s| s.person == member.person).count(),
            };
            Ok(open.vault.members().iter().map(summary).collect())
        })
    }

    /// Gives the person whose slot is open a signing key where there is none: in a vault that an older program made.
    /// Afterwards that program does not open the vault any more.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn ensure_signing_key(&self) -> Result<(), AccessError> {
        if self.with_open(|open| Ok(open.vault.member().is_some()))? {
            return Ok(());
        }
        self.audited_on(AuditKind::People, "signing key", |open| {
            Ok(open.vault.ensure_signing_key()?)
        })
    }

    /// What this person's signatures are checked with. `None`: this slot signs nothing.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn public_key(&self) -> Result<Option<PublicKey>, AccessError> {
        self.with_signer(|key| key.map(SigningKey::public))
    }

    /// Runs `body` with the signing key of the person who acts, if it is their slot that is open: nobody signs for
    /// another. It is zeroed at lock and at a change of person.
    pub(super) fn with_signer<R>(
        &self,
        body: impl FnOnce(Option<&SigningKey>) -> R,
    ) -> Result<R, AccessError> {
        self.with_open(|open| {
            let theirs = in_header(&self.actor.person) == open.vault.person();
            Ok(body(open.vault.signing_key().filter(|_| theirs)))
        })
    }

    /// Hands the wrong tries to the audit trail, and takes the slots that they ended out of the header. Where a file of
    /// the vault cannot be read or written it is done the next time: the slots are refused all the same, and whoever has
    /// opened another one is not kept out.
    pub(super) fn settle_tries(&self) -> Result<(), AccessError> {
        match self.try_settling_tries() {
            Err(AccessError::Vault(_)) => Ok(()),
            other => other,
        }
    }

    fn try_settling_tries(&self) -> Result<(), AccessError> {
        let (failed, ended) =
            self.with_open(|open| Ok((open.vault.failed_tries()?, open.vault.ended_slots()?)))?;
        for tries in &failed {
            let what = format!("slot {} of {}", tries.slot, of_header(&tries.person));
            let count = Digested::counted(u64::from(tries.count));
            self.note(AuditKind::FailedTries, &what, Some(count), None)?;
        }
        if !failed.is_empty() {
            self.with_open(|open| Ok(open.vault.tries_noted()?))?;
        }
        if !ended.is_empty() {
            let names: Vec<_> = ended.iter().map(SlotId::to_string).collect();
            let what = format!("slot {} ended by wrong tries", names.join(", "));
            self.audited_on(AuditKind::Slots, &what, |open| {
                Ok(open.vault.remove_slots(&ended)?)
            })?;
        }
        Ok(())
    }
}

/// Who acts when this vault was just opened, or changed hands.
pub(super) fn actor_of(vault: &Vault) -> Actor {
    if vault.person().is_empty() {
        return Actor::owner();
    }
    // A slot whose person the header does not know gets a role that no policy knows: it may do nothing.
    let Some(member) = vault.member() else {
        return Actor::new(of_header(vault.person()), Role::named("unknown"));
    };
    actor_as(vault, member)
}

/// A member in the role that the authority certified, else in the one that the vault's owner gave.
fn actor_as(vault: &Vault, member: &vault::Member) -> Actor {
    let certified = vault.authority().and_then(|authority| {
        Certificate::holder(authority, &member.certificate, &member.public_key).ok()
    });
    let person = of_header(&member.person);
    // An authority certifies people in roles. Whom no policy limits is nobody's to say but the vault's own.
    match certified.filter(|actor| actor.role != Role::OWNER) {
        // The name stays the one that stands in this vault's records of changes.
        Some(actor) => Actor { person, ..actor },
        None => Actor::new(person, Role::named(member.role.clone())),
    }
}

fn of_header(person: &str) -> Person {
    if person.is_empty() {
        Person::owner()
    } else {
        Person::new(person)
    }
}

fn in_header(person: &Person) -> &str {
    if *person == Person::owner() {
        ""
    } else {
        person.id()
    }
}

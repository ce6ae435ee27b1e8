//! A device takes the policy of the hub that it joined.
//!
//! It comes with each sync that finds another one there than here, is checked against the authority that the vault keeps
//! to, and holds at once for whoever has the device in hand. What is refused changes nothing.

use super::decide::InForce;
use super::enforce::INSTALLED;
use super::model::Policy;
use super::signed::{BadPolicy, read_policy};
use crate::access::audit::AuditKind;
use crate::access::{AccessError, Guard, fingerprint};
use crate::crypto::sign::PublicKey;
use crate::store::Durability;
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError};

/// How a hub's refusal by its policy is kept with the change (sync/push).
const BY_POLICY: &str = "403 forbidden";

/// What is installed.
pub(super) struct Installed {
    /// `None`: it cannot be read.
    pub(super) policy: Option<Policy>,
    /// Whether the authority of today signed it. A device that joined after it installed one of its own keeps that until
    /// the hub's arrives.
    is_current: bool,
}

impl Guard {
    /// SHA-256 of the signed policy that is installed, in hex; `None`: none is.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn policy_digest(&self) -> Result<Option<String>, AccessError> {
        Ok(self.kept(INSTALLED)?.map(|signed| digest(&signed)))
    }

    /// The signed policy for a device that has the one of this digest; `None`: it is the same, or none is installed.
    pub(in crate::access) fn policy_beside(
        &self,
        theirs: Option<&str>,
    ) -> Result<Option<String>, AccessError> {
        let signed = self
            .kept(INSTALLED)?
            .map(|signed| signed.as_str().to_owned());
        Ok(signed.filter(|signed| theirs != Some(digest(signed).as_str())))
    }

    /// Takes the policy that a hub handed over, for the device, whoever has it in hand. It must be signed by the
    /// authority that this vault keeps to, and newer than that authority's policy here. Answers with the version, or with
    /// what is wrong with it; then the one before stays in force, and the trail says so.
    ///
    /// # Errors
    /// [`AccessError`] of the vault.
    pub fn take_policy(&self, signed: &str) -> Result<Result<u64, BadPolicy>, AccessError> {
        let Some(hub) = self.authority()? else {
            return Ok(Err(BadPolicy::NotJoined));
        };
        let policy = match read_policy(&hub, signed) {
            Ok(policy) => policy,
            Err(bad) => return self.refused_policy(bad),
        };
        if let Err(bad) = self.is_newer(&policy)? {
            return self.refused_policy(bad);
        }
        let version = policy.version;
        self.put_into_force(policy, signed, "of the hub, ")?;
        // What the policy before did not allow may be allowed now: the hub is asked again.
        self.write(Durability::Full, |tx| tx.send_refused_again(BY_POLICY))?;
        Ok(Ok(version))
    }

    fn refused_policy(&self, bad: BadPolicy) -> Result<Result<u64, BadPolicy>, AccessError> {
        // Where in it something is wrong may name patients: that is for the answer, not for the trail.
        let rule = match &bad {
            BadPolicy::Invalid(_) => "it cannot be read".to_owned(),
            other => other.to_string(),
        };
        self.note_refused("policy of the hub", &rule)?;
        Ok(Err(bad))
    }

    /// Whether it may follow the one that is installed. What is shipped gives way to any, and so does what cannot be read
    /// or was signed by whom this vault does not follow any more.
    pub(super) fn is_newer(&self, policy: &Policy) -> Result<Result<(), BadPolicy>, AccessError> {
        let standing = self.installed()?.filter(|standing| standing.is_current);
        let current = standing.and_then(|standing| Some(standing.policy?.version));
        let found = policy.version;
        Ok(match current {
            Some(current) if found <= current => Err(BadPolicy::NotNewer { found, current }),
            _ => Ok(()),
        })
    }

    /// Stores a policy that was checked, and judges by it from now on. `whose` goes before the version in the trail.
    pub(super) fn put_into_force(
        &self,
        policy: Policy,
        signed: &str,
        whose: &str,
    ) -> Result<(), AccessError> {
        let what = format!("{whose}version {}", policy.version);
        self.audited(AuditKind::Policy, &what, |guard| {
            let stored = guard.write(Durability::Full, |tx| tx.set_secret(INSTALLED, signed))?;
            guard.judge_by(InForce::new(policy));
            Ok::<_, AccessError>(((), Some(stored.1)))
        })
    }

    pub(super) fn judge_by(&self, in_force: InForce) {
        let policy = self.shared.policy.write();
        *policy.unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        self.shared.changes.note_all();
    }

    pub(super) fn installed(&self) -> Result<Option<Installed>, AccessError> {
        let Some(signed) = self.kept(INSTALLED)? else {
            return Ok(None);
        };
        let installed = |policy, is_current| Installed { policy, is_current };
        if let Ok(policy) = read_policy(&self.policy_authority()?, &signed) {
            return Ok(Some(installed(Some(policy), true)));
        }
        let own = read_policy(&self.authority_key()?.public(), &signed).ok();
        Ok(Some(installed(own, false)))
    }

    /// Whose signature a policy needs: the hub's that this vault joined, else its own.
    pub(super) fn policy_authority(&self) -> Result<PublicKey, AccessError> {
        match self.authority()? {
            Some(joined) => Ok(joined),
            None => Ok(self.authority_key()?.public()),
        }
    }

    /// Whose signature is missing, in a vault that joined a hub.
    pub(super) fn not_the_hubs(&self) -> Result<Option<BadPolicy>, AccessError> {
        Ok(self.authority()?.map(|hub| BadPolicy::NotTheHubs {
            authority: fingerprint(&hub),
        }))
    }
}

fn digest(signed: &str) -> String {
    hex::encode(Sha256::digest(signed))
}

//! The servers that an open vault syncs with, as whoever uses it names them.

use crate::access::{AccessError, Guard, PeerId, PeerSettings};
use crate::net::{NetError, Server};
use crate::sync::{SyncError, probe};

/// A server that is known here.
pub struct KnownServer {
    /// Its number in the vault.
    pub id: PeerId,
    /// Its base URL.
    pub url: String,
    /// How it is reached.
    pub settings: PeerSettings,
}

/// A server that was just named, and how it was known before.
pub struct Named {
    /// As it is known now.
    pub server: KnownServer,
    /// `None`: it is new.
    pub before: Option<PeerSettings>,
}

impl KnownServer {
    /// A client for it.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn client(&self) -> Result<Server, NetError> {
        let (ca, token) = (&self.settings.ca_pem, &self.settings.token);
        Server::new(&self.url, ca.as_deref(), token.as_deref())
    }
}

/// All servers that are known here, in the order in which they were met.
///
/// # Errors
/// [`AccessError`].
pub fn all(guard: &Guard) -> Result<Vec<KnownServer>, AccessError> {
    let known = guard.peers()?.into_iter();
    Ok(known
        .map(|(id, url, settings)| KnownServer { id, url, settings })
        .collect())
}

/// Remembers the server at `url`, once it has answered as a FHIR server. `change` gets what is known of it, or the
/// default.
///
/// # Errors
/// [`SyncError`]; then it is known as it was before.
pub async fn name(
    guard: &Guard,
    url: &str,
    change: impl FnOnce(&mut PeerSettings),
) -> Result<Named, SyncError> {
    let url = Server::new(url, None, None)?.url().to_owned();
    let known = all(guard)?.into_iter().find(|known| known.url == url);
    let before = known.map(|known| known.settings);
    let mut settings = before.clone().unwrap_or_default();
    change(&mut settings);
    let server = Server::new(&url, settings.ca_pem.as_deref(), settings.token.as_deref())?;
    // One that was met before may be away just now.
    if before.as_ref() != Some(&settings) {
        probe(&server).await?;
    }
    let id = guard.remember_peer(&url, &settings)?;
    let server = KnownServer { id, url, settings };
    Ok(Named { server, before })
}

/// What was known of a server comes back: it does not take the new token.
///
/// # Errors
/// [`AccessError`].
pub fn restore(guard: &Guard, url: &str, before: Option<PeerSettings>) -> Result<(), AccessError> {
    if let Some(before) = before {
        guard.remember_peer(url, &before)?;
    }
    Ok(())
}

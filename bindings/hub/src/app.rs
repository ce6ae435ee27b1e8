//! What all requests share.

use crate::answer::{Answer, Problem};
use crate::ask::Ask;
use crate::denied::Denied;
use crate::limits::{Limits, failed};
use axum::http::StatusCode;
use pocketchart_core::access::Guard;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What all requests share.
#[derive(Clone)]
pub(crate) struct App {
    /// The vault in the hub's own hands. Handlers take their caller's guard instead.
    pub(crate) guard: Guard,
    pub(crate) admin_token_hash: [u8; 32],
    /// Of the certificate of the hub's authority, for enrolment codes.
    pub(crate) ca_sha256: [u8; 32],
    /// For requests that name no host.
    pub(crate) address: SocketAddr,
    pub(crate) denied: Arc<Denied>,
    pub(crate) limits: Limits,
    /// Requests that may be open.
    pub(crate) open: Arc<Semaphore>,
    /// Requests that may be worked on.
    slots: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        guard: Guard,
        admin_token_hash: [u8; 32],
        ca_sha256: [u8; 32],
        address: SocketAddr,
        limits: Limits,
    ) -> Self {
        Self {
            guard,
            admin_token_hash,
            ca_sha256,
            address,
            denied: Arc::default(),
            limits,
            open: Arc::new(Semaphore::new(limits.open)),
            slots: Arc::new(Semaphore::new(limits.concurrent)),
        }
    }

    /// The database blocks; the threads that serve connections must not.
    pub(crate) async fn off_the_reactor(
        &self,
        ask: Ask,
        work: impl FnOnce(&Ask) -> Answer + Send + 'static,
    ) -> Answer {
        // Taken when the request is complete, so that slow senders do not keep the quick ones out.
        let Ok(slot) = self.slots.clone().acquire_owned().await else {
            let text = "the hub is stopping";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Problem::new(status, "transient", text).retry_after(5));
        };
        let done = tokio::task::spawn_blocking(move || {
            // Held as long as it works, also when nobody waits for it any more.
            let _slot = slot;
            work(&ask)
        });
        done.await.unwrap_or_else(|_| Err(failed()))
    }
}

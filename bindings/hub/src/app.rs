//! What all requests share.

use crate::answer::{Answer, Problem};
use crate::auth::Caller;
use crate::denied::Denied;
use crate::limits::MAX_CONCURRENT;
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
    /// For requests that name no host.
    pub(crate) address: SocketAddr,
    pub(crate) denied: Arc<Denied>,
    slots: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(guard: Guard, admin_token_hash: [u8; 32], address: SocketAddr) -> Self {
        Self {
            guard,
            admin_token_hash,
            address,
            denied: Arc::default(),
            slots: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }

    /// The database blocks; the threads that serve connections must not.
    pub(crate) async fn off_the_reactor(
        &self,
        caller: Caller,
        work: impl FnOnce(&Guard) -> Answer + Send + 'static,
    ) -> Answer {
        // Taken when the request is complete, so that slow senders do not keep the quick ones out.
        let Ok(_slot) = self.slots.clone().acquire_owned().await else {
            let text = "the hub is stopping";
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "transient",
                text,
            ));
        };
        let done = tokio::task::spawn_blocking(move || work(&caller.guard)).await;
        done.unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "exception",
                "the request failed",
            ))
        })
    }
}

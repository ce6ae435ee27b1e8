//! One FHIR server and the requests we make of it.

use super::http::{self, HttpWire, Patience};
use super::pin::PinnedAuthority;
use super::wire::{Doing, Reply, Request, Wire};
use super::{NetError, tls};
use crate::crypto::SecretText;
use crate::fhir::Instant;
use std::sync::Arc;
use std::time::Duration;

/// A FHIR server. Clones share the connections.
#[derive(Clone)]
pub struct Server {
    wire: Arc<dyn Wire>,
    pinned: Option<Arc<PinnedAuthority>>,
}

/// What a server answered.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Version in the ETag.
    pub version: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<Instant>,
    /// `Date`: the server's clock.
    pub date: Option<Instant>,
    /// `Retry-After`, from now.
    pub retry_after: Option<Duration>,
    /// `Location`.
    pub location: Option<String>,
    /// The body.
    pub text: String,
}

impl Server {
    /// Prepares to talk to the server at `base`; nothing is sent yet. `http://` is taken for this machine only.
    ///
    /// # Errors
    /// [`NetError`] about the address, the certificate or the token.
    pub fn new(base: &str, ca_pem: Option<&str>, token: Option<&str>) -> Result<Self, NetError> {
        Self::with_patience(base, ca_pem, token, Patience::USUAL)
    }

    /// As [`Server::new`], waiting longer or less long.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn with_patience(
        base: &str,
        ca_pem: Option<&str>,
        token: Option<&str>,
        patience: Patience,
    ) -> Result<Self, NetError> {
        let base = http::base_of(base)?;
        let token = token.map(|token| SecretText::new(token.trim().to_owned()));
        let wire = HttpWire::new(base, tls::client(ca_pem)?, token, patience)?;
        Ok(Self::over(Arc::new(wire)))
    }

    /// Prepares to talk to the server at `base` if its authority's certificate has this SHA-256, and to no other. Nothing
    /// is sent before that was compared.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn pinned(base: &str, ca_sha256: [u8; 32]) -> Result<Self, NetError> {
        let base = http::base_of(base)?;
        if base.scheme() != "https" {
            return Err(NetError::Insecure);
        }
        let authority = Arc::new(PinnedAuthority::new(
            ca_sha256,
            Arc::new(tls::crypto_provider()),
        ));
        let wire = HttpWire::new(
            base,
            tls::pinned(Arc::clone(&authority))?,
            None,
            Patience::USUAL,
        )?;
        Ok(Self {
            wire: Arc::new(wire),
            pinned: Some(authority),
        })
    }

    /// A server behind a network of the caller's own.
    pub fn over(wire: Arc<dyn Wire>) -> Self {
        Self { wire, pinned: None }
    }

    /// The certificate (PEM) of the pinned authority, once the server has answered.
    pub fn authority_pem(&self) -> Option<String> {
        self.pinned.as_ref()?.seen_pem()
    }

    /// The base URL without a slash at the end: how a server is remembered.
    pub fn url(&self) -> &str {
        self.wire.url()
    }

    /// How the key of the newest connection was agreed, see [`Wire::group`].
    pub fn group(&self) -> Option<String> {
        self.wire.group()
    }

    /// Waits, on the clock that goes with this network.
    pub async fn pause(&self, time: Duration) {
        self.wire.pause(time).await;
    }

    /// Sends a request. It begins when this is called, and some of its answer comes in before it is read; dropping
    /// what is answered ends it.
    ///
    /// # Errors
    /// [`NetError`]. After [`NetError::Offline`], [`NetError::CutOff`] and [`NetError::TimedOut`] the server may have
    /// done it all the same.
    pub fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        self.wire.send(request)
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// As [`Server::send`].
    pub async fn ask(&self, request: Request) -> Result<Answer, NetError> {
        self.send(request).await?.answer().await
    }

    /// GET of `path` (`Patient/1`, `Patient?_count=5`) below the base URL.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn get(&self, path: &str) -> Result<Answer, NetError> {
        self.ask(Request::get(path)).await
    }

    /// GET of a link that the server gave, verbatim, unless it leads to another origin.
    ///
    /// # Errors
    /// [`NetError::ForeignLink`] and the others.
    pub async fn follow(&self, link: &str) -> Result<Answer, NetError> {
        self.ask(Request::follow(link)).await
    }

    /// PUT of a resource. `if_match`: the version that may be replaced; `None`: nothing may stand there yet.
    ///
    /// # Errors
    /// As [`Server::send`].
    pub async fn put(
        &self,
        path: &str,
        body: &str,
        if_match: Option<&str>,
    ) -> Result<Answer, NetError> {
        self.put_signed(path, body, if_match, None).await
    }

    /// As [`Server::put`], with the signed records of the change.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn put_signed(
        &self,
        path: &str,
        body: &str,
        if_match: Option<&str>,
        change: Option<&str>,
    ) -> Result<Answer, NetError> {
        self.ask(Request::put(path, body.to_owned(), if_match, change))
            .await
    }

    /// POST of a JSON text to `path` below the base URL.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn post(&self, path: &str, body: String) -> Result<Answer, NetError> {
        self.ask(Request::post_json(path, body)).await
    }

    /// POST of a transaction Bundle to the base URL.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn transaction(&self, body: String) -> Result<Answer, NetError> {
        self.ask(Request::transaction(body)).await
    }

    /// DELETE, if `if_match` is still the version.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn delete(&self, path: &str, if_match: Option<&str>) -> Result<Answer, NetError> {
        self.delete_signed(path, if_match, None).await
    }

    /// As [`Server::delete`], with the signed records of the change.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn delete_signed(
        &self,
        path: &str,
        if_match: Option<&str>,
        change: Option<&str>,
    ) -> Result<Answer, NetError> {
        self.ask(Request::delete(path, if_match, change)).await
    }
}

/// Without the content, which is PHI.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(base: &str) -> NetError {
        match Server::new(base, None, None) {
            Err(error) => error,
            Ok(server) => panic!("{} was taken", server.url()),
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(
            Server::new("https://h.example/fhir/", None, None)
                .unwrap()
                .url(),
            "https://h.example/fhir"
        );
        assert_eq!(
            Server::new("http://127.0.0.1:8080", None, None)
                .unwrap()
                .url(),
            "http://127.0.0.1:8080"
        );
        assert_eq!(refusal("http://h.example/fhir"), NetError::Insecure);
        assert_eq!(
            refusal("http://127.0.0.1.evil.example/"),
            NetError::Insecure
        );
        for bad in [
            "h.example",
            "ftp://h.example/",
            "https://h.example/?a=b",
            "https://user@h.example/",
            "https://:password@h.example/",
            "",
        ] {
            assert_eq!(refusal(bad), NetError::BadUrl, "{bad}");
        }
    }

    #[test]
    fn certificates_and_tokens_are_checked_before_anything_is_sent() {
        let with = |ca, token| Server::new("https://h.example/", ca, token).err();
        assert_eq!(
            with(Some("no certificate"), None),
            Some(NetError::BadCertificate)
        );
        assert_eq!(with(None, Some("a\nb")), Some(NetError::BadToken));
        assert_eq!(with(None, Some("abc\n")), None);
    }
}

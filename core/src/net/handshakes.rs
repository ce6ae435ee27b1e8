//! What the TLS handshakes with one server come to: which group the newest key was agreed in, and whether the server
//! takes a first message as long as the post-quantum share makes it.
//!
//! rustls tells its session store and its verifier all of that; this is both, in front of the real ones.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, NamedGroup, SignatureScheme};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that may be resumed.
const SESSIONS: usize = 32;

/// The handshakes with one server.
#[derive(Debug)]
pub(super) struct Handshakes {
    sessions: ClientSessionMemoryCache,
    group: Mutex<Option<NamedGroup>>,
    /// First messages that went out with the long share.
    long: AtomicU64,
    /// Handshakes that the server answered.
    answered: AtomicU64,
    short_first: AtomicBool,
}

/// How many handshakes there were at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    long: u64,
    answered: u64,
}

impl Handshakes {
    pub(super) fn new() -> Self {
        Self {
            sessions: ClientSessionMemoryCache::new(SESSIONS),
            group: Mutex::new(None),
            long: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            short_first: AtomicBool::new(false),
        }
    }

    /// IANA's name of the group of the newest connection.
    pub(super) fn group(&self) -> Option<String> {
        let group = *self.group.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match group? {
            NamedGroup::X25519 => "x25519".into(),
            other => format!("{other:?}"),
        })
    }

    pub(super) fn count(&self) -> Count {
        Count {
            long: self.long.load(Ordering::SeqCst),
            answered: self.answered.load(Ordering::SeqCst),
        }
    }

    /// Since `before`, something with the long share went out, and nothing came back.
    pub(super) fn were_not_answered(&self, before: Count) -> bool {
        let now = self.count();
        now.long > before.long && now.answered == before.answered
    }

    /// Whether the next handshakes begin with an X25519 share alone. The long group stays listed: a server that knows it
    /// asks for it.
    pub(super) fn begin_short(&self, short: bool) {
        self.short_first.store(short, Ordering::SeqCst);
    }

    fn agreed(&self, group: NamedGroup) {
        self.answered.fetch_add(1, Ordering::SeqCst);
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
    }
}

impl ClientSessionStore for Handshakes {
    /// At the end of each TLS 1.3 handshake, a resumed one too.
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.agreed(group);
        self.sessions.set_kx_hint(server_name, group);
    }

    /// Before each first message.
    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        if self.short_first.load(Ordering::SeqCst) {
            return Some(NamedGroup::X25519);
        }
        // A server that took X25519 may have learned more since, and both shares go out together.
        let hint = self.sessions.kx_hint(server_name);
        let hint = hint.filter(|group| *group != NamedGroup::X25519);
        if matches!(hint, None | Some(NamedGroup::X25519MLKEM768)) {
            self.long.fetch_add(1, Ordering::SeqCst);
        }
        hint
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.sessions.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.sessions.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.sessions.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.sessions.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        self.sessions.take_tls13_ticket(server_name)
    }
}

/// A verifier whose handshakes are counted.
#[derive(Debug)]
pub(super) struct Watched {
    verifier: Arc<dyn ServerCertVerifier>,
    handshakes: Arc<Handshakes>,
}

impl Watched {
    pub(super) fn new(
        verifier: Arc<dyn ServerCertVerifier>,
        handshakes: Arc<Handshakes>,
    ) -> Arc<Self> {
        Arc::new(Self {
            verifier,
            handshakes,
        })
    }
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Bad or good: what came was an answer.
        self.handshakes.answered.fetch_add(1, Ordering::SeqCst);
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    /// TLS 1.2 tells the store nothing; what the server signs here names its group.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.verifier.verify_tls12_signature(message, cert, dss)?;
        if let Some(group) = group_of_tls12(message) {
            self.handshakes.agreed(group);
        }
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// RFC 8422: both sides' 32 random bytes, the kind of curve (3: named), its number.
fn group_of_tls12(signed: &[u8]) -> Option<NamedGroup> {
    match signed.get(64..67)? {
        [3, high, low] => Some(u16::from_be_bytes([*high, *low]).into()),
        _ => None,
    }
}

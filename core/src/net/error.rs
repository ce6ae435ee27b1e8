//! Why a request got no usable answer. No text of a dependency comes through: it can hold URLs with patient ids.

/// Why a request got no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The base URL does not parse, or has a query.
    #[error("the server's address is not a URL such as https://fhir.example.org/r4")]
    BadUrl,
    /// Clear text to another machine.
    #[error("the server's address must start with https:// (http:// is for this machine only)")]
    Insecure,
    /// The certificate file holds no certificate.
    #[error("the certificate file holds no PEM certificate")]
    BadCertificate,
    /// The token has characters that no header can carry.
    #[error("the token file holds more than one line of text")]
    BadToken,
    /// The TLS client could not be set up.
    #[error("TLS could not be set up")]
    Tls,
    /// The server's certificate is not trusted.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(&'static str),
    /// No TLS that both sides know, or what listens there speaks something else.
    #[error(
        "no secure connection could be agreed with the server (it must speak TLS 1.2 or newer)"
    )]
    NoCommonTls,
    /// No connection, or it broke.
    #[error("the server cannot be reached")]
    Offline,
    /// No answer in time. What was sent may have arrived.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was whole, or what came cannot be unpacked.
    #[error("the server's answer broke off")]
    CutOff,
    /// The answer is longer than anything it may be.
    #[error(
        "the server's answer is too long (a page may have {} MiB, anything else {})",
        super::MAX_ANSWER_BYTES / 1024 / 1024, super::MAX_WHOLE_BYTES / 1024 / 1024
    )]
    TooLarge,
    /// The answer is not UTF-8.
    #[error("the server's answer is not UTF-8 text")]
    NotText,
    /// A version, say, that holds what no header can carry.
    #[error("what the server calls a version of a record cannot be sent back to it")]
    Unsendable,
    /// A link leads to another server.
    #[error("the server linked to another server; the link was not followed")]
    ForeignLink,
    /// The server wants us elsewhere.
    #[error("the server redirects; redirects are not followed")]
    Redirect,
}

impl NetError {
    /// Whether trying again later can help.
    pub fn is_offline(self) -> bool {
        matches!(self, Self::Offline | Self::TimedOut | Self::CutOff)
    }

    pub(super) fn of(error: &reqwest::Error) -> Self {
        match tls_cause(error) {
            Some(tls) => Self::of_tls(tls),
            None if error.is_timeout() => Self::TimedOut,
            None if error.is_builder() => Self::Unsendable,
            None => Self::Offline,
        }
    }

    /// For what goes wrong after the head of an answer.
    pub(super) fn of_body(error: &reqwest::Error) -> Self {
        match Self::of(error) {
            Self::Offline => Self::CutOff,
            other => other,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use rustls::AlertDescription as A;
        use rustls::CertificateError as C;
        match error {
            rustls::Error::InvalidCertificate(certificate) => Self::Untrusted(match certificate {
                C::Expired | C::ExpiredContext { .. } => "it has expired",
                C::NotValidYet | C::NotValidYetContext { .. } => {
                    "it is not valid yet (is the clock right?)"
                }
                C::NotValidForName | C::NotValidForNameContext { .. } => "it is for another name",
                C::UnknownIssuer => "its authority is unknown here (--ca-file names one)",
                C::Revoked => "it was revoked",
                _ => "it is not valid",
            }),
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::InvalidMessage(_)
            | rustls::Error::AlertReceived(
                A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity,
            ) => Self::NoCommonTls,
            _ => Self::Offline,
        }
    }
}

/// The connection ended or stayed silent; nobody said anything wrong.
pub(super) fn has_no_tls_cause(error: &reqwest::Error) -> bool {
    tls_cause(error).is_none()
}

/// The TLS error somewhere below `error`. An `io::Error` hides what it wraps from `source`.
fn tls_cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    wrapped
        .and_then(|inner| tls_cause(inner))
        .or_else(|| error.source().and_then(tls_cause))
}

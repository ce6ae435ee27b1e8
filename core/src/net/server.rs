//! One FHIR server and the requests we make of it.

use super::pin::PinnedAuthority;
use super::{NetError, tls};
use crate::crypto::SecretText;
use crate::fhir::{bundle, marks};
use reqwest::header::{self, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Url};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read: a page, unpacked.
pub(super) const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer, so that a slow line is not an error but a silent one is.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// For a whole answer: a line that drips must not keep a vault open for hours.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A FHIR server.
pub struct Server {
    client: Client,
    base: Url,
    token: Option<SecretText>,
    pinned: Option<Arc<PinnedAuthority>>,
}

/// What a server answered.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Version in the ETag.
    pub version: Option<String>,
    /// The body.
    pub text: String,
}

impl Server {
    /// Prepares to talk to the server at `base`; nothing is sent yet. `http://` is taken for this machine only.
    ///
    /// # Errors
    /// [`NetError`] about the address, the certificate or the token.
    pub fn new(base: &str, ca_pem: Option<&str>, token: Option<&str>) -> Result<Self, NetError> {
        let base = base_of(base)?;
        let token = token.map(|token| SecretText::new(token.trim().to_owned()));
        if token.as_ref().is_some_and(|token| bearer(token).is_err()) {
            return Err(NetError::BadToken);
        }
        Ok(Self {
            client: client(tls::client(ca_pem)?)?,
            base,
            token,
            pinned: None,
        })
    }

    /// Prepares to talk to the server at `base` if its authority's certificate has this SHA-256, and to no other. Nothing
    /// is sent before that was compared.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn pinned(base: &str, ca_sha256: [u8; 32]) -> Result<Self, NetError> {
        let base = base_of(base)?;
        if base.scheme() != "https" {
            return Err(NetError::Insecure);
        }
        let authority = Arc::new(PinnedAuthority::new(ca_sha256, tls::provider()));
        Ok(Self {
            client: client(tls::pinned(Arc::clone(&authority))?)?,
            base,
            token: None,
            pinned: Some(authority),
        })
    }

    /// The certificate (PEM) of the pinned authority, once the server has answered.
    pub fn authority_pem(&self) -> Option<String> {
        self.pinned.as_ref()?.seen_pem()
    }

    /// The base URL without a slash at the end: how a server is remembered.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// GET of `path` (`Patient/1`, `Patient?_count=5`) below the base URL.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn get(&self, path: &str) -> Result<Answer, NetError> {
        self.finish(self.request(Method::GET, self.below(path)?)?)
            .await
    }

    /// GET of a link that the server gave, verbatim, unless it leads to another origin.
    ///
    /// # Errors
    /// [`NetError::ForeignLink`] and the others.
    pub async fn follow(&self, link: &str) -> Result<Answer, NetError> {
        let url = self.base.join(link).map_err(|_| NetError::ForeignLink)?;
        if url.origin() != self.base.origin() {
            return Err(NetError::ForeignLink);
        }
        self.finish(self.request(Method::GET, url)?).await
    }

    /// PUT of a resource. `if_match`: the version that may be replaced; `None`: nothing may stand there yet.
    ///
    /// # Errors
    /// [`NetError`]. After [`NetError::Offline`] and [`NetError::TimedOut`] the server may have stored it all the same.
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
        let request = self
            .request(Method::PUT, self.below(path)?)?
            .body(body.to_owned());
        let request = match if_match {
            Some(version) => request.header(header::IF_MATCH, bundle::etag(version)),
            None => request.header(header::IF_NONE_MATCH, "*"),
        };
        self.finish(signed(with_body(request), change)).await
    }

    /// POST of a JSON text to `path` below the base URL.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn post(&self, path: &str, body: String) -> Result<Answer, NetError> {
        let request = self.request(Method::POST, self.below(path)?)?.body(body);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.finish(request).await
    }

    /// POST of a transaction Bundle to the base URL.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn transaction(&self, body: String) -> Result<Answer, NetError> {
        let request = self.request(Method::POST, self.base.clone())?.body(body);
        self.finish(with_body(request)).await
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
        let mut request = self.request(Method::DELETE, self.below(path)?)?;
        if let Some(version) = if_match {
            request = request.header(header::IF_MATCH, bundle::etag(version));
        }
        self.finish(signed(request, change)).await
    }

    fn below(&self, path: &str) -> Result<Url, NetError> {
        self.base.join(path).map_err(|_| NetError::BadUrl)
    }

    fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, NetError> {
        let mut request = self
            .client
            .request(method, url)
            .header(header::ACCEPT, "application/fhir+json")
            // A server's search cache would hide what was written a moment ago.
            .header(header::CACHE_CONTROL, "no-cache");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, bearer(token)?);
        }
        Ok(request)
    }

    async fn finish(&self, request: RequestBuilder) -> Result<Answer, NetError> {
        // Strict: a filter the server does not know must be an error, or the whole table comes down.
        let request = request.header("prefer", "handling=strict");
        let mut response = request.send().await.map_err(|e| NetError::of(&e))?;
        let status = response.status();
        if status.is_redirection() && status.as_u16() != 304 {
            return Err(NetError::Redirect);
        }
        let etag = response
            .headers()
            .get(header::ETAG)
            .and_then(|value| value.to_str().ok());
        let version = etag.map(|etag| bundle::etag_version(etag).to_owned());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| NetError::of(&e))? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(NetError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        let text = match String::from_utf8(body) {
            Ok(text) => text,
            // An error page in another encoding is an error all the same: its status is what counts.
            Err(_) if !status.is_success() => String::new(),
            Err(_) => return Err(NetError::NotText),
        };
        Ok(Answer {
            status: status.as_u16(),
            version,
            text,
        })
    }
}

fn base_of(base: &str) -> Result<Url, NetError> {
    let mut url = Url::parse(base).map_err(|_| NetError::BadUrl)?;
    let host = url.host_str().ok_or(NetError::BadUrl)?;
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(NetError::Insecure),
        _ => return Err(NetError::BadUrl),
    }
    let with_credentials = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || with_credentials {
        return Err(NetError::BadUrl);
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn client(tls: ClientConfig) -> Result<Client, NetError> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(WHOLE_TIMEOUT)
        .user_agent(concat!("pocketchart/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .build()
        .map_err(|_| NetError::Tls)
}

fn signed(request: RequestBuilder, change: Option<&str>) -> RequestBuilder {
    match change {
        Some(records) => request.header(marks::CHANGE_HEADER, records),
        None => request,
    }
}

fn with_body(request: RequestBuilder) -> RequestBuilder {
    request
        .header(header::CONTENT_TYPE, "application/fhir+json; charset=utf-8")
        .header("prefer", "return=representation")
}

fn bearer(token: &SecretText) -> Result<HeaderValue, NetError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| NetError::BadToken)?;
    value.set_sensitive(true);
    Ok(value)
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

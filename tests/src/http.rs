//! A plain HTTP client, for what our own one never does.

use crate::{TestHub, fail};
use pocketchart_core::fhir::outcome;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Talks to one hub.
pub struct Rest {
    client: reqwest::Client,
    base: String,
    token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Rest {
    /// With the hub's admin token.
    pub fn of(hub: &TestHub) -> Self {
        Self::at(&hub.hub.ready().url, &hub.ca_pem, &hub.token)
    }

    /// Talks to any hub.
    pub fn at(base: &str, ca_pem: &str, token: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority =
            reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap_or_else(|e| fail(&e));
        let client = reqwest::Client::builder()
            .add_root_certificate(authority)
            .no_proxy()
            .build()
            .unwrap_or_else(|e| fail(&e));
        Self {
            client,
            base: base.to_owned(),
            token: token.trim().to_owned(),
        }
    }

    /// A request that may not get an answer.
    ///
    /// # Errors
    /// What the connection did instead.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Reply, reqwest::Error> {
        let method = method.parse().unwrap_or_default();
        let url = match path.starts_with("https://") {
            true => path.to_owned(),
            false => format!("{}/{path}", self.base),
        };
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await?;
        Ok(Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// A request that must get an answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let sent = self.try_send(method, path, headers, body.to_owned()).await;
        sent.unwrap_or_else(|e| fail(&e))
    }

    /// GET without anything special.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// A write of FHIR JSON.
    pub async fn write(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut all = vec![("content-type", "application/fhir+json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, body).await
    }
}

impl Reply {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Status and issue codes of an OperationOutcome.
    pub fn codes(&self) -> (u16, String) {
        let codes = outcome::codes(&self.text);
        (self.status, codes.unwrap_or_else(|| "no outcome".into()))
    }

    /// The id in the Location header.
    pub fn created_id(&self) -> String {
        let location = self.header("location");
        let id = location
            .split_once("/_history/")
            .and_then(|(front, _)| front.rsplit('/').next());
        id.unwrap_or_default().to_owned()
    }
}

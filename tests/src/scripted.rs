//! A server that is a function: what it answers to a request, in which pieces, and what happens between them.

use crate::{Device, fail};
use pocketchart_core::fhir::Instant;
use pocketchart_core::net::{Body, Doing, Method, NetError, Reply, Request, Server, Target, Wire};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is said to one request.
pub struct Said {
    /// HTTP status.
    pub status: u16,
    /// The server's clock.
    pub date: Option<Instant>,
    /// The body.
    pub pieces: VecDeque<Piece>,
}

/// A piece of a body.
pub enum Piece {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Something that happens when the reader has come here.
    Then(Box<dyn FnOnce() + Send>),
    /// The line breaks.
    Broken(NetError),
}

impl Said {
    /// An answer in one piece.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            date: None,
            pieces: VecDeque::from([Piece::Bytes(text.into().into_bytes())]),
        }
    }

    /// 200.
    pub fn ok(text: impl Into<String>) -> Self {
        Self::new(200, text)
    }

    /// With a Date.
    pub fn at(mut self, date: Instant) -> Self {
        self.date = Some(date);
        self
    }
}

type Script = dyn Fn(&str) -> Said + Send + Sync;

/// The server.
#[derive(Clone)]
pub struct Scripted {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// One that answers as `script` says to `GET Patient?_count=5`.
    pub fn new(script: impl Fn(&str) -> Said + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            asked: Arc::default(),
        }
    }

    /// What was asked since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *asked)
    }

    /// Whether it was asked, and still stands in [`Scripted::asked`].
    pub fn was_asked(&self, what: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().any(|asked| asked == what)
    }

    /// A client of it.
    pub fn server(&self) -> Server {
        Server::over(Arc::new(self.clone()))
    }

    /// A device that syncs with it.
    pub fn device(&self) -> Device {
        Device::of(self.server())
    }
}

impl Wire for Scripted {
    fn url(&self) -> &str {
        "https://scripted.example/fhir"
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        };
        let target = match request.target {
            Target::Base => String::new(),
            Target::Below(path) => path,
            Target::Link(link) if link.starts_with("https://elsewhere") => {
                return Box::pin(async { Err(NetError::ForeignLink) });
            }
            Target::Link(link) => link,
        };
        let asked = format!("{method} {target}");
        let said = (self.script)(&asked);
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(asked);
        Box::pin(async move {
            Ok(Reply {
                status: said.status,
                version: None,
                modified: None,
                date: said.date,
                retry_after: None,
                location: None,
                body: Box::new(Pieces(said.pieces)),
            })
        })
    }

    fn pause(&self, _: Duration) -> Doing<'_, ()> {
        Box::pin(async {})
    }
}

struct Pieces(VecDeque<Piece>);

impl Body for Pieces {
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>> {
        Box::pin(async {
            while let Some(piece) = self.0.pop_front() {
                match piece {
                    Piece::Bytes(bytes) => return Ok(Some(bytes)),
                    Piece::Then(happens) => happens(),
                    Piece::Broken(error) => return Err(error),
                }
            }
            Ok(None)
        })
    }
}

/// What a server says of itself that has these types.
pub fn knows(types: &[&str]) -> String {
    let types: Vec<String> = types
        .iter()
        .map(|kind| format!("{{\"type\":\"{kind}\"}}"))
        .collect();
    format!(
        "{{\"resourceType\":\"CapabilityStatement\",\"fhirVersion\":\"4.0.1\",\"rest\":[{{\"resource\":[{}]}}]}}",
        types.join(",")
    )
}

/// A page of these records.
pub fn page<T: AsRef<str>>(records: &[T], next: Option<&str>) -> String {
    let links: Vec<(&str, &str)> = next.map(|next| ("next", next)).into_iter().collect();
    let mut page = pocketchart_core::fhir::bundle::Writer::new("searchset", &links);
    for record in records {
        page.found("https://scripted.example/fhir/x", record.as_ref());
    }
    page.finish()
}

/// `text` as a server has it at `version`, stamped `at` (ms since 1970).
pub fn stored(text: &str, version: u64, at: i64) -> String {
    let spliced = pocketchart_core::fhir::meta::splice(
        &crate::resource(text),
        version,
        Instant::from_epoch_ms(at),
    );
    spliced.unwrap_or_else(|e| fail(&e))
}

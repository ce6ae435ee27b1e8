//! One line for each request, for whoever runs the hub. Never anything of a patient: the address stands in it as its
//! pattern (`/fhir/{kind}/{id}`), and no id, query, body or header does.

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::rng;
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Lines that wait for a slow reader of standard error; further ones are counted instead of written.
const WAITING: usize = 1024;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Who asked, as far as a line tells it: in the extensions of an answer.
#[derive(Clone)]
pub(crate) struct Asker(pub(crate) String);

/// Gives every request its id, and writes its line where lines are asked for.
#[derive(Clone)]
pub(crate) struct Log(Arc<Inner>);

struct Inner {
    /// Tells the requests of two runs apart.
    run: String,
    count: AtomicU64,
    lines: Option<(LogForm, SyncSender<String>)>,
    dropped: AtomicU64,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    request: &'a str,
    method: &'a str,
    route: &'a str,
    status: u16,
    ms: f64,
    bytes: u64,
    caller: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    lines_dropped: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // What serde wants.
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Log {
    /// Lines go to standard error, in a thread of their own: a full pipe must not hold up a request.
    pub(crate) fn start(form: Option<LogForm>) -> Self {
        let run: [u8; 4] = rng::make_bytes().unwrap_or_default();
        let lines = form.map(|form| {
            let (send, receive) = sync_channel::<String>(WAITING);
            std::thread::spawn(move || {
                for line in receive {
                    let _ = writeln!(std::io::stderr().lock(), "{line}");
                }
            });
            (form, send)
        });
        Self(Arc::new(Inner {
            run: run.iter().map(|byte| format!("{byte:02x}")).collect(),
            count: AtomicU64::new(0),
            lines,
            dropped: AtomicU64::new(0),
        }))
    }

    fn write(&self, line: &Line<'_>) {
        let Some((form, send)) = &self.0.lines else {
            return;
        };
        let text = match form {
            LogForm::Json => serde_json::to_string(line).unwrap_or_default(),
            LogForm::Text => format!(
                "{} {} {} {} {:.1} ms {} bytes {} {}",
                line.at,
                line.method,
                line.route,
                line.status,
                line.ms,
                line.bytes,
                line.caller,
                line.request
            ),
        };
        match send.try_send(text) {
            Ok(()) => drop(
                self.0
                    .dropped
                    .fetch_sub(line.lines_dropped, Ordering::Relaxed),
            ),
            Err(_) => drop(self.0.dropped.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// The outermost layer.
pub(crate) async fn line(State(log): State<Log>, request: Request, next: Next) -> Response {
    let id = format!(
        "{}-{}",
        log.0.run,
        log.0.count.fetch_add(1, Ordering::Relaxed)
    );
    let method = plain(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let start = SystemClock.since_boot();
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let asker = response.extensions().get::<Asker>();
    log.write(&Line {
        at: SystemClock.now().to_string(),
        request: &id,
        method,
        route: route.as_ref().map_or("-", MatchedPath::as_str),
        status: response.status().as_u16(),
        ms: milliseconds(SystemClock.since_boot().saturating_sub(start)),
        bytes: response.body().size_hint().exact().unwrap_or(0),
        caller: asker.map_or("-", |asker| asker.0.as_str()),
        lines_dropped: log.0.dropped.load(Ordering::Relaxed),
    });
    response
}

/// A method of another name could be anything.
fn plain(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

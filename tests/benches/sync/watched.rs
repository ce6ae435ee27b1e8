//! A server whose requests are written down.

use pocketchart_core::net::{Body, Doing, Method, NetError, Reply, Request, Server, Target, Wire};
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One request, as it went.
#[derive(Debug, Clone)]
pub(crate) struct Went {
    pub(crate) what: String,
    /// Entries of the Bundle that was sent.
    pub(crate) entries: usize,
    /// From its beginning to the last byte of the answer; `None`: that was not read.
    pub(crate) time: Option<Duration>,
}

/// Passes everything on to `server`.
pub(crate) struct Watched {
    server: Server,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    all: Vec<Went>,
    /// Written at once, so that it survives a SIGKILL.
    file: Option<File>,
}

impl Log {
    fn line(&mut self, word: &str, what: &str) {
        if let Some(file) = &mut self.file {
            file.write_all(format!("{word} {what}\n").as_bytes())
                .unwrap();
        }
    }
}

impl Watched {
    /// A server, and its watcher.
    pub(crate) fn new(server: Server, file: Option<File>) -> (Server, Arc<Self>) {
        let log = Arc::new(Mutex::new(Log {
            all: Vec::new(),
            file,
        }));
        let watched = Arc::new(Self { server, log });
        (Server::over(Arc::clone(&watched) as Arc<dyn Wire>), watched)
    }

    /// What went so far.
    pub(crate) fn all(&self) -> Vec<Went> {
        self.log.lock().unwrap().all.clone()
    }
}

impl Wire for Watched {
    fn url(&self) -> &str {
        self.server.url()
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        };
        let target = match &request.target {
            Target::Base => "",
            Target::Below(path) => path,
            Target::Link(link) => link.rsplit('/').next().unwrap_or_default(),
        };
        let what = format!("{method} {target}");
        let body = request.body.as_deref().unwrap_or_default();
        let entries = body.matches("\"request\":{").count();
        let at = {
            let mut log = self.log.lock().unwrap();
            log.line("asked", &what);
            log.all.push(Went {
                what,
                entries,
                time: None,
            });
            log.all.len() - 1
        };
        let start = Instant::now();
        let sent = self.server.send(request);
        let log = Arc::clone(&self.log);
        Box::pin(async move {
            let reply = sent.await?;
            let body = WatchedBody {
                body: reply.body,
                bytes: 0,
                log,
                at,
                start,
            };
            Ok(Reply {
                body: Box::new(body),
                ..reply
            })
        })
    }

    fn pause(&self, time: Duration) -> Doing<'_, ()> {
        Box::pin(self.server.pause(time))
    }

    fn group(&self) -> Option<String> {
        self.server.group()
    }
}

struct WatchedBody {
    body: Box<dyn Body>,
    bytes: usize,
    log: Arc<Mutex<Log>>,
    at: usize,
    start: Instant,
}

impl Body for WatchedBody {
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>> {
        Box::pin(async {
            let piece = self.body.chunk().await?;
            if let Some(piece) = piece {
                self.bytes += piece.len();
                return Ok(Some(piece));
            }
            let mut log = self.log.lock().unwrap();
            log.all[self.at].time = Some(self.start.elapsed());
            let what = log.all[self.at].what.clone();
            log.line(&format!("whole {}", self.bytes), &what);
            Ok(None)
        })
    }
}

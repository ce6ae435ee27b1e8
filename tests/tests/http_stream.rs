//! How an answer comes in while its reader does something else. On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::net::{NetError, Request, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(10);

/// Reads the head of a request.
async fn head_of(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A server that writes an endless body, and counts what the other side took.
struct Endless {
    url: String,
    taken: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<String>,
    ended: mpsc::UnboundedReceiver<()>,
}

impl Endless {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new(AtomicUsize::new(0));
        let (tell, requests) = mpsc::unbounded_channel();
        let (tell_end, ended) = mpsc::unbounded_channel();
        let counter = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = head_of(&mut socket).await;
                tell.send(request).unwrap();
                let start = b"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\n\r\n";
                socket.write_all(start).await.unwrap();
                let piece = [b' '; 64 * 1024];
                while let Ok(n) = socket.write(&piece).await {
                    counter.fetch_add(n, Ordering::SeqCst);
                }
                tell_end.send(()).unwrap();
            }
        });
        Self {
            url,
            taken,
            requests,
            ended,
        }
    }

    /// What was taken, once no more is.
    async fn taken(&self) -> usize {
        let mut before = usize::MAX;
        loop {
            let now = self.taken.load(Ordering::SeqCst);
            if now == before && now > 0 {
                return now;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_begins_before_it_is_awaited_and_reads_ahead_some_and_not_all() {
    let mut endless = Endless::start().await;
    let server = Server::new(&endless.url, None, None).unwrap();
    let reply = server.send(Request::get("Patient/1"));
    let request = tokio::time::timeout(SOON, endless.requests.recv()).await;
    assert!(request.unwrap().unwrap().starts_with("GET /Patient/1 "));
    // The buffer and what both kernels hold: some MiB, and then it stands.
    let ahead = endless.taken().await;
    assert!((1 << 20..32 << 20).contains(&ahead), "{ahead} bytes");
    let mut reply = reply.await.unwrap();
    assert_eq!(reply.status, 200);
    let mut read = 0;
    while read < ahead {
        read += reply.body.chunk().await.unwrap().unwrap().len();
    }
    assert!(endless.taken().await > ahead, "reading makes room");
    drop(reply);
    let ended = tokio::time::timeout(SOON, endless.ended.recv()).await;
    assert!(ended.is_ok(), "dropping the reply ends the exchange");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_what_is_not_answered_yet_ends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::new(&url, None, None).unwrap();
    let reply = server.send(Request::get("Patient/1"));
    let (mut socket, _) = listener.accept().await.unwrap();
    head_of(&mut socket).await;
    drop(reply);
    let end = tokio::time::timeout(SOON, socket.read(&mut [0; 1])).await;
    assert!(
        matches!(end.unwrap(), Ok(0) | Err(_)),
        "the connection is closed"
    );
}

#[test]
fn a_request_may_be_made_outside_the_runtime_that_sends_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (url, listener) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (
            format!("http://{}", listener.local_addr().unwrap()),
            listener,
        )
    });
    drop(listener);
    let server = Server::new(&url, None, None).unwrap();
    let sent = server.send(Request::get("metadata"));
    assert_eq!(runtime.block_on(sent).err(), Some(NetError::Offline));
}

/// What a server does after the head of an answer that promises 100 bytes.
async fn after_the_head(rest: &'static [u8]) -> Result<String, NetError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        head_of(&mut socket).await;
        socket.write_all(rest).await.unwrap();
    });
    let server = Server::new(&url, None, None).unwrap();
    server.get("Patient/1").await.map(|answer| answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_an_error() {
    let cut = after_the_head(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}").await;
    assert_eq!(cut, Err(NetError::CutOff));
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    assert_eq!(after_the_head(chunked).await, Err(NetError::CutOff));
    let no_gzip = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope";
    assert_eq!(after_the_head(no_gzip).await, Err(NetError::CutOff));
    let whole = after_the_head(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(whole, Ok("{}".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_header_can_carry_is_not_sent() {
    let mut endless = Endless::start().await;
    let server = Server::new(&endless.url, None, None).unwrap();
    let sent = server.put("Patient/1", "{}", Some("1\r\nx: y")).await;
    assert_eq!(sent.err(), Some(NetError::Unsendable));
    assert!(endless.requests.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_busy_server_is_left_alone() {
    let told = async |value: &'static str| {
        let head = format!(
            "HTTP/1.1 503 x\r\ncontent-length: 0\r\ndate: Tue, 24 Nov 2026 10:00:00 GMT\r\nretry-after: {value}\r\n\r\n"
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            head_of(&mut socket).await;
            socket.write_all(head.as_bytes()).await.unwrap();
        });
        let server = Server::new(&url, None, None).unwrap();
        let answer = server.get("metadata").await.unwrap();
        answer.retry_after.map(|time| time.as_secs())
    };
    assert_eq!(told("120").await, Some(120));
    // By the server's own clock, whatever ours says.
    assert_eq!(told("Tue, 24 Nov 2026 10:02:00 GMT").await, Some(120));
    assert_eq!(told("Tue, 24 Nov 2026 09:00:00 GMT").await, Some(0));
    assert_eq!(told("soon").await, None);
    assert_eq!(told("-1").await, None);
    for too_long in ["18446744073709551615", "Sat, 24 Nov 2029 10:00:00 GMT"] {
        assert_eq!(told(too_long).await, Some(24 * 60 * 60));
    }
}

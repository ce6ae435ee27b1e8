//! The page after the next one, asked for before anybody wants it. On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::net::{NetError, Reply, Request, Server};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
/// Long enough for a request that must not come.
const A_WHILE: Duration = Duration::from_millis(400);

/// What a server gives for a path; none: the head, and then nothing more.
type Page = fn(&str, usize) -> (u16, Option<String>);

/// A server that tells of each request and of each connection that the other side closed.
struct Pages {
    server: Server,
    asked: mpsc::UnboundedReceiver<String>,
    closed: mpsc::UnboundedReceiver<()>,
}

impl Pages {
    async fn start(page: Page) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::unbounded_channel();
        let (tell_closed, closed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut nth = 0;
            while let Ok((socket, _)) = listener.accept().await {
                nth += 1;
                let (tell, closed) = (tell.clone(), tell_closed.clone());
                tokio::spawn(one(socket, page, nth, tell, closed));
            }
        });
        Self {
            server: Server::new(&url, None, None).unwrap(),
            asked,
            closed,
        }
    }

    async fn asked(&mut self) -> String {
        timeout(SOON, self.asked.recv()).await.unwrap().unwrap()
    }

    async fn asked_nothing(&mut self) -> bool {
        timeout(A_WHILE, self.asked.recv()).await.is_err()
    }

    /// A page with the pages after it in mind, when its head is there.
    async fn page(&self, path: &str) -> Result<Reply, NetError> {
        let mut request = Request::follow(path);
        request.looks_ahead = true;
        timeout(SOON, self.server.send(request)).await.unwrap()
    }
}

/// One request a connection.
async fn one(
    mut socket: TcpStream,
    page: Page,
    nth: usize,
    tell: mpsc::UnboundedSender<String>,
    closed: mpsc::UnboundedSender<()>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    tell.send(path.clone()).unwrap();
    let (status, body) = page(&path, nth);
    let length = body.as_ref().map_or(1 << 30, String::len);
    let head =
        format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    match body {
        Some(body) => _ = socket.write_all(body.as_bytes()).await,
        // The link, and the rest never comes.
        None => _ = socket.write_all(linked("/2").as_bytes()).await,
    }
    let _ = socket.read(&mut [0; 1]).await;
    let _ = closed.send(());
}

/// How a page begins that links to another one.
fn linked(to: &str) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"searchset","link":[{{"relation":"self","url":"/x"}},{{"relation":"next","url":"{to}"}}]"#
    )
}

/// `/1` links to `/2`, that to `/3`, ...
fn chain(path: &str, _: usize) -> (u16, Option<String>) {
    let n: u32 = path.trim_start_matches('/').parse().unwrap();
    let begin = linked(&format!("/{}", n + 1));
    (
        200,
        Some(format!(r#"{begin},"id":"page-{n}","entry":[]}}"#)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_beyond_those_wanted_is_asked_for_and_each_only_once() {
    let mut pages = Pages::start(chain).await;
    let first = pages.page("/1").await.unwrap();
    assert_eq!([pages.asked().await, pages.asked().await], ["/1", "/2"]);
    assert!(pages.asked_nothing().await, "one ahead is enough");
    // While the first is read, the second is wanted and the third is early.
    let second = pages.page("/2").await.unwrap();
    assert_eq!(pages.asked().await, "/3");
    assert!(pages.asked_nothing().await, "the second was there already");
    let text = first.answer().await.unwrap().text;
    assert!(text.contains("page-1"));
    assert!(second.answer().await.unwrap().text.contains("page-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_early_unless_the_request_says_so() {
    let mut pages = Pages::start(chain).await;
    let reply = pages.server.send(Request::follow("/1")).await.unwrap();
    assert_eq!(pages.asked().await, "/1");
    assert!(pages.asked_nothing().await);
    assert!(reply.answer().await.unwrap().text.contains("page-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_early_ends_with_the_page_that_led_to_it() {
    let mut pages = Pages::start(|_, _| (200, None)).await;
    let first = pages.page("/1").await.unwrap();
    assert_eq!([pages.asked().await, pages.asked().await], ["/1", "/2"]);
    assert!(timeout(A_WHILE, pages.closed.recv()).await.is_err());
    drop(first);
    for _ in 0..2 {
        timeout(SOON, pages.closed.recv()).await.unwrap().unwrap();
    }
    // Nobody finds it any more: it is asked for like any other.
    let _second = pages.page("/2").await.unwrap();
    assert_eq!(pages.asked().await, "/2");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_than_the_early_one_may_be_wanted() {
    let mut pages = Pages::start(chain).await;
    let _first = pages.page("/1").await.unwrap();
    assert_eq!([pages.asked().await, pages.asked().await], ["/1", "/2"]);
    let other = pages.page("/7").await.unwrap();
    assert_eq!(pages.asked().await, "/7");
    assert!(other.answer().await.unwrap().text.contains("page-7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_which_it_was_too_early_is_asked_again_in_time() {
    // The second connection is the early one.
    let mut pages = Pages::start(|path, nth| match nth {
        2 => (429, Some(String::new())),
        _ => chain(path, nth),
    })
    .await;
    let _first = pages.page("/1").await.unwrap();
    assert_eq!([pages.asked().await, pages.asked().await], ["/1", "/2"]);
    let second = pages.page("/2").await.unwrap();
    assert_eq!((second.status, pages.asked().await), (200, "/2".into()));
    assert!(second.answer().await.unwrap().text.contains("page-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_long_is_asked_for_again() {
    let mut pages = Pages::start(chain).await;
    let _first = pages.page("/1").await.unwrap();
    assert_eq!([pages.asked().await, pages.asked().await], ["/1", "/2"]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    let second = pages.page("/2").await.unwrap();
    assert_eq!(pages.asked().await, "/2");
    assert!(second.answer().await.unwrap().text.contains("page-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_origin_is_not_asked_early_either() {
    let foreign = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}/2", foreign.local_addr().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!(r#"{},"entry":[]}}"#, linked(&to));
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        socket.write_all(answer.as_bytes()).await.unwrap();
    });
    let server = Server::new(&url, None, None).unwrap();
    let ahead = |path: &str| Request {
        looks_ahead: true,
        ..Request::follow(path)
    };
    let reply = server.send(ahead("/1")).await.unwrap();
    assert!(reply.answer().await.unwrap().text.contains(&to));
    assert!(timeout(A_WHILE, foreign.accept()).await.is_err());
    let refused = server.send(ahead(&to)).await.err();
    assert_eq!(refused, Some(NetError::ForeignLink));
}

//! How keys are agreed with servers of every age, and past machines that stand in the way. On real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::Router;
use axum::routing::get;
use pocketchart_core::net::{NetError, Patience, Server, crypto_provider};
use pocketchart_tests::tls::{Authority, serve};
use pocketchart_tests::*;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{default_provider, kx_group};
use rustls::version::{TLS12, TLS13};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn app() -> Router {
    Router::new().route("/metadata", get(|| async { "{}" }))
}

/// A server with these groups, and a client that trusts it.
fn pair(groups: CryptoProvider, versions: &[&'static rustls::SupportedProtocolVersion]) -> Server {
    let authority = Authority::named("test");
    let config = authority.certificate().server_with(groups, versions);
    Server::new(&serve(config, app()), Some(&authority.pem), None).unwrap()
}

async fn group_of(server: &Server) -> Option<String> {
    assert_eq!(server.group(), None, "nothing was sent yet");
    assert_eq!(server.get("metadata").await.unwrap().status, 200);
    server.group()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_and_its_devices_agree_on_the_hybrid() {
    let hub = TestHub::start().await;
    let client = hub.client();
    assert_eq!(group_of(&client).await.as_deref(), Some("X25519MLKEM768"));
    let versions: &[_] = &[&TLS13, &TLS12];
    let server = pair(crypto_provider(), versions);
    assert_eq!(group_of(&server).await.as_deref(), Some("X25519MLKEM768"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_hybrid_reaches_the_hub_all_the_same() {
    let hub = TestHub::start().await;
    // reqwest with ring alone.
    let reply = http::Rest::of(&hub).get("metadata").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_the_hybrid_fall_back() {
    let both: &[_] = &[&TLS13, &TLS12];
    let plain = pair(default_provider(), both);
    assert_eq!(group_of(&plain).await.as_deref(), Some("x25519"));
    let p256 = CryptoProvider {
        kx_groups: vec![kx_group::SECP256R1],
        ..default_provider()
    };
    assert_eq!(
        group_of(&pair(p256, both)).await.as_deref(),
        Some("secp256r1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_is_the_floor_and_its_group_is_known_too() {
    let old = pair(default_provider(), &[&TLS12]);
    assert_eq!(group_of(&old).await.as_deref(), Some("x25519"));
    let p384 = CryptoProvider {
        kx_groups: vec![kx_group::SECP384R1],
        ..default_provider()
    };
    assert_eq!(
        group_of(&pair(p384, &[&TLS12])).await.as_deref(),
        Some("secp384r1")
    );
}

/// What a machine on the way does with a first message that is longer than it knows.
#[derive(Clone, Copy, PartialEq)]
enum With {
    Reset,
    Silence,
}

/// Relays to `to`, but not handshakes that begin with a long message. Counts connections.
async fn old_machine(to: SocketAddr, with: With) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = [0; 5];
                client.read_exact(&mut head).await.unwrap();
                if u16::from_be_bytes([head[3], head[4]]) > 1000 {
                    if with == With::Silence {
                        let _ = client.read(&mut vec![0; 1 << 20]).await;
                        let _ = client.read(&mut [0; 1]).await;
                    }
                    return;
                }
                let mut server = TcpStream::connect(to).await.unwrap();
                server.write_all(&head).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, seen)
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("https://").parse().unwrap()
}

const SHORT: Patience = Patience {
    connect: Duration::from_millis(700),
    ..Patience::USUAL
};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_drops_long_first_messages_is_passed_by_a_short_one() {
    for with in [With::Reset, With::Silence] {
        for (knows, expected) in [
            // The hybrid is still listed: a server that knows it asks for its share.
            (crypto_provider(), "X25519MLKEM768"),
            (default_provider(), "x25519"),
        ] {
            let authority = Authority::named("test");
            let config = authority
                .certificate()
                .server_with(knows, rustls::ALL_VERSIONS);
            let url = serve(config, app());
            let (address, seen) = old_machine(address_of(&url), with).await;
            let url = format!("https://{address}");
            let server = Server::with_patience(&url, Some(&authority.pem), None, SHORT).unwrap();
            assert_eq!(group_of(&server).await.as_deref(), Some(expected));
            assert_eq!(seen.load(Ordering::SeqCst), 2, "once more, and not again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_every_handshake_is_asked_twice_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let lengths = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&lengths);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 5];
            client.read_exact(&mut head).await.unwrap();
            let length = u16::from_be_bytes([head[3], head[4]]);
            noted.lock().unwrap().push(length > 1000);
        }
    });
    let server = Server::new(&format!("https://{address}"), None, None).unwrap();
    for _ in 0..2 {
        assert_eq!(server.get("metadata").await.err(), Some(NetError::Offline));
    }
    assert_eq!(seen.load(Ordering::SeqCst), 4);
    assert_eq!(*lengths.lock().unwrap(), [true, false, true, false]);
    // Nobody there at all: nothing went out, nothing is tried again.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", gone.local_addr().unwrap());
    drop(gone);
    let server = Server::new(&url, None, None).unwrap();
    assert_eq!(server.get("metadata").await.err(), Some(NetError::Offline));
    assert_eq!(server.group(), None);
}

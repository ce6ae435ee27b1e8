//! Servers that are not who they say, or speak what nobody should any more. On real sockets, a device and a real hub that
//! shows another face for a while.
#![allow(missing_docs, clippy::unwrap_used)]

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use pocketchart_core::net::{NetError, Server};
use pocketchart_core::sync::probe;
use pocketchart_tests::hostile::*;
use pocketchart_tests::tls::{Authority, Certificate};
use pocketchart_tests::*;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const CA: &str = "the clinic's authority";

/// The server shows what `certificate` makes: nothing of a request is sent, and the sync ends with `expected`.
async fn shown(certificate: impl FnOnce(&Authority) -> Certificate, expected: &str) {
    let hub = TestHub::start().await;
    let authority = Authority::named(CA);
    let bad = certificate(&authority).server();
    let honest = authority.certificate().server();
    let face = Hostile::with_tls(&hub, authority, honest);
    let (device, work) = face.device(&hub).await;
    face.speak(bad);
    let before = face.asked().len();
    let error = device.try_sync().await.err().unwrap();
    assert_eq!(error.to_string(), expected);
    assert_eq!(face.asked().len(), before, "no request, so no token either");
    ends_with(&face, &hub, &device, &work, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired() {
    shown(
        |authority| authority.certificate_for("127.0.0.1", -10, -1),
        "the server's certificate is not trusted: it has expired",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_valid_yet() {
    shown(
        |authority| authority.certificate_for("127.0.0.1", 1, 10),
        "the server's certificate is not trusted: it is not valid yet (is the clock right?)",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host() {
    for name in ["127.0.0.2", "fhir.example.org", "localhost"] {
        shown(
            |authority| authority.certificate_for(name, -1, 1),
            "the server's certificate is not trusted: it is for another name",
        )
        .await;
    }
}

const UNKNOWN: &str =
    "the server's certificate is not trusted: its authority is unknown here (--ca-file names one)";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_by_an_authority_nobody_knows() {
    shown(|_| Authority::named("rogue").certificate(), UNKNOWN).await;
}

/// sync.md: "any certificate in the presented chain matches" accepted this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rogue_certificate_with_our_real_authority_appended() {
    let with_ours = |ours: &Authority, rogue: &Authority| {
        let mut certificate = rogue.certificate();
        certificate.chain.push(rogue.der.clone());
        certificate.chain.push(ours.der.clone());
        certificate
    };
    shown(|ours| with_ours(ours, &Authority::named("rogue")), UNKNOWN).await;
    // The rogue one bears our authority's name as well.
    let hub = TestHub::start().await;
    let authority = Authority::named(CA);
    let bad = with_ours(&authority, &Authority::named(CA)).server();
    let face = Hostile::with_tls(&hub, authority, bad);
    let server = face.client(Some(TOKEN));
    let error = server.get("metadata").await.err().unwrap();
    assert!(matches!(error, NetError::Untrusted(_)), "{error}");
    // A device that knows the authority by its digest alone, as it joins.
    let authority = face.authority.clone().unwrap();
    let digest = Sha256::digest(&authority.der).into();
    let pinned = Server::pinned(&face.url, digest).unwrap();
    let error = pinned.get("metadata").await.err().unwrap();
    assert!(matches!(error, NetError::Untrusted(_)), "{error}");
    assert!(face.asked().is_empty());
    // The real one with itself appended is known by that digest.
    let mut real = authority.certificate();
    real.chain.push(authority.der.clone());
    face.speak(real.server());
    assert_eq!(pinned.get("metadata").await.unwrap().status, 200);
}

/// A server's own certificate must not make more of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_another_servers_certificate_signed() {
    let hub = TestHub::start().await;
    let ours = Authority::named(CA);
    let bad = ours.certificate_by_a_certificate().server();
    let face = Hostile::with_tls(&hub, ours, bad);
    let error = face.client(Some(TOKEN)).get("metadata").await.err();
    assert!(matches!(error, Some(NetError::Untrusted(_))), "{error:?}");
    assert!(face.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_from_tls_to_clear_text() {
    let hub = TestHub::start().await;
    let authority = Authority::named(CA);
    let honest = authority.certificate().server();
    let face = Hostile::with_tls(&hub, authority, honest);
    let (device, work) = face.device(&hub).await;
    let clear = Hostile::before(&hub);
    let place = clear.url.clone();
    face.play(move |asked| {
        let to = format!("{place}{}", asked.path);
        Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response())
    });
    let redirect = "the server redirects; redirects are not followed";
    ends_with(&face, &hub, &device, &work, redirect).await;
    assert!(clear.asked().is_empty(), "no request, so no token either");
}

const NO_TLS: &str =
    "no secure connection could be agreed with the server (it must speak TLS 1.2 or newer)";

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_where_tls_was_asked_for() {
    let hub = TestHub::start().await;
    let clear = Hostile::before(&hub);
    let url = clear.url.replace("http://", "https://");
    let device = Device::of(Server::with_patience(&url, None, Some(TOKEN), SHORT).unwrap());
    device.put(&patient("fresh", "3"));
    let error = device.try_sync().await.err().unwrap();
    assert_eq!(error.to_string(), NO_TLS);
    assert!(clear.asked().is_empty());
    assert_eq!(device.guard.pending(None).unwrap().len(), 1);
}

/// A server that answers the first message with TLS 1.1. What the client says to that is kept.
#[tokio::test(flavor = "multi_thread")]
async fn tls_1_1_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let said = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 5];
        socket.read_exact(&mut head).await.unwrap();
        let mut hello = vec![0; u16::from_be_bytes([head[3], head[4]]).into()];
        socket.read_exact(&mut hello).await.unwrap();
        // ServerHello: version 3.2, 32 random bytes, no session, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, no compression.
        let mut body = vec![3, 2];
        body.extend([7; 32]);
        body.extend([0, 0xc0, 0x09, 0]);
        let mut record = vec![22, 3, 2, 0, u8::try_from(body.len() + 4).unwrap()];
        record.extend([2, 0, 0, u8::try_from(body.len()).unwrap()]);
        record.extend(body);
        socket.write_all(&record).await.unwrap();
        let mut alert = Vec::new();
        let _ = socket.read_to_end(&mut alert).await;
        alert
    });
    let server = Server::with_patience(&url, None, Some(TOKEN), SHORT).unwrap();
    let error = probe(&server).await.err().unwrap();
    assert_eq!(error.to_string(), NO_TLS);
    let alert = said.await.unwrap();
    // A fatal alert: 70, protocol_version.
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]), "{alert:?}");
}

/// OpenSSL, which can still speak it: refused with 1.1, taken with 1.2.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_with_tls_1_1_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::named(CA);
    let certificate = authority.certificate();
    let (chain, key) = certificate.pem();
    std::fs::write(folder.path().join("chain"), chain).unwrap();
    std::fs::write(folder.path().join("key"), key).unwrap();
    for (version, expected) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let port = free_port();
        let started = Command::new("openssl")
            .current_dir(folder.path())
            .args(["s_server", "-quiet", "-www", version])
            .args(["-cipher", "DEFAULT@SECLEVEL=0"])
            .args(["-cert", "chain", "-key", "key", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: openssl_with_tls_1_1_is_refused: there is no openssl");
            return;
        };
        let mut process = Running(process);
        let url = format!("https://127.0.0.1:{port}");
        let server = Server::with_patience(&url, Some(&authority.pem), None, SHORT).unwrap();
        let begun = Instant::now();
        let answer = loop {
            let answer = server.get("").await;
            let is_up = answer.as_ref().err() != Some(&NetError::Offline);
            if is_up || begun.elapsed() > Duration::from_secs(10) {
                break answer;
            }
            assert!(process.0.try_wait().unwrap().is_none(), "openssl ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        match expected {
            true => assert_eq!(answer.unwrap().status, 200, "{version}"),
            false => assert_eq!(answer.err(), Some(NetError::NoCommonTls), "{version}"),
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ciphers that were broken: a server that has no other is not talked to.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_cipher_of_today() {
    let hub = TestHub::start().await;
    let authority = Authority::named(CA);
    let honest = authority.certificate().server();
    let face = Hostile::with_tls(&hub, authority, honest);
    let (device, work) = face.device(&hub).await;
    let authority = face.authority.clone().unwrap();
    face.speak(no_cipher_in_common(&authority));
    ends_with(&face, &hub, &device, &work, NO_TLS).await;
}

/// It has a group that nobody offers.
fn no_cipher_in_common(authority: &Arc<Authority>) -> ServerConfig {
    #[derive(Debug)]
    struct Unknown;
    impl rustls::crypto::SupportedKxGroup for Unknown {
        fn start(&self) -> Result<Box<dyn rustls::crypto::ActiveKeyExchange>, rustls::Error> {
            Err(rustls::Error::General("never started".into()))
        }
        fn name(&self) -> rustls::NamedGroup {
            rustls::NamedGroup::X448
        }
    }
    let provider = rustls::crypto::CryptoProvider {
        kx_groups: vec![&Unknown],
        ..rustls::crypto::ring::default_provider()
    };
    authority
        .certificate()
        .server_with(provider, rustls::ALL_VERSIONS)
}

//! `first_load URL TYPE...`: loads a server's records into a new vault, and downloads them plainly, in turns.

use pocketchart_core::net::Server;
use pocketchart_tests::first_load::{fastest_plain, first_load, plain};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((url, types)) = arguments.split_first() else {
        eprintln!("first_load URL TYPE...");
        return;
    };
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let server = match Server::new(url, None, None) {
        Ok(server) => server,
        Err(error) => return eprintln!("{error}"),
    };
    // First, while nothing else has been in this memory.
    let first = first_load(&server).await;
    println!(
        "first load: {} records, {:?}, {:.1} us CPU a record, {} KiB before, {} KiB at most",
        first.records,
        first.wall,
        first.us_a_record(),
        first.before_kib,
        first.peak_kib
    );
    let fastest = fastest_plain(&server, &types).await;
    println!("fastest plain: {fastest:?}");
    for _ in 0..3 {
        let (plain, load) = (
            plain(&server, &types, fastest.page).await,
            first_load(&server).await,
        );
        println!(
            "plain {:?}, load {:?} ({:.2}x), {:.1} us CPU a record",
            plain.wall,
            load.wall,
            load.wall.as_secs_f64() / plain.wall.as_secs_f64(),
            load.us_a_record()
        );
    }
}

//! A sync with a server that nobody here wrote, beside what that server and our own client need at least. See run.sh.
//!
//! The figures that CPU time and memory go into are taken in child processes (`child.rs`), under the allocator that the
//! program is shipped with. The parent runs the server and takes the turns.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod child;
#[allow(dead_code)] // Shared with the bench of the store.
#[path = "../store/measure.rs"]
mod measure;
mod parent;
mod plain;
mod watched;

#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() {
    let arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As the program has it (bindings/cli/src/commands/mod.rs).
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    match &words[..] {
        ["measure", parts @ ..] => runtime.block_on(parent::measure(parts)),
        ["child", what @ ..] => runtime.block_on(child::run(what)),
        // `cargo bench --workspace` asks for nothing.
        _ => println!("run tests/benches/sync/run.sh"),
    }
}

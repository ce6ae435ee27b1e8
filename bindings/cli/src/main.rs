//! `pocketchart`: how anyone without a phone uses the core, how scripts test it, and how a clinic runs its hub.

#[cfg(pocketchart_unkeyed)]
compile_error!("this build would not encrypt: it is a baseline for tests/benches and nothing else");

mod args;
mod commands;
mod demo;
mod failure;
mod gate;
mod output;
mod secrets;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

/// What this process frees is wiped first: keys and records must not lie about in freed memory.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    // A panic's text could hold what it stumbled over; place and exit code are enough to find it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|at| format!(" at {}:{}", at.file(), at.line()))
            .unwrap_or_default();
        eprintln!(
            "pocketchart: internal error{place}; nothing half-written is kept. Please report this line."
        );
    }));
    let args = Args::parse();
    let json = args.global.json;
    match run(&args) {
        Ok(code) => code,
        Err(failure) => {
            if json {
                output::line(&serde_json::json!({ "error": failure.to_string(), "exit": failure.exit_code() }).to_string());
            }
            eprintln!("pocketchart: {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("{hint}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Failure> {
    let global = &args.global;
    match &args.command {
        Command::Demo { keep } => demo::run(keep.as_deref()),
        Command::Vault { command } => commands::vault::run(global, command),
        Command::Person { command } => commands::person::run(global, command),
        Command::Put { file } => commands::record::put(global, file),
        Command::Get { name } => commands::record::get(global, name),
        Command::Delete { name } => commands::record::delete(global, name),
        Command::Search(search) => commands::search::run(global, search),
        Command::Show { patient, all } => commands::show::run(global, patient.as_deref(), *all),
        Command::Import { paths, as_edits } => commands::transfer::import(global, paths, *as_edits),
        Command::Export { ndjson, patient } => {
            commands::transfer::export(global, ndjson, patient.as_deref())
        }
        Command::Sync(sync) => commands::sync::run(global, sync),
        Command::Slots(slots) => commands::book::slots(global, slots),
        Command::Book(book) => commands::book::book(global, book),
        Command::Bench => commands::bench::run(global),
        Command::Status => commands::status::run(global),
        Command::Conflicts { name } => commands::conflicts::list(global, name.as_deref()),
        Command::Resolve(resolve) => commands::conflicts::resolve(global, resolve),
        Command::Quarantine {
            name,
            again,
            discard,
        } => commands::quarantine::run(global, name.as_deref(), *again, *discard),
        Command::Policy { command } => commands::policy::run(global, command),
        Command::Audit(audit) => commands::audit::run(global, audit),
        Command::Join { code, once } => commands::join::run(global, code, *once),
        Command::Hub(hub) => match &hub.command {
            None => commands::hub::run(global, hub),
            Some(command) => commands::operate::run(global, command),
        },
    }
}

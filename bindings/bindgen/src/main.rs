//! The host tool behind the phones' library: it generates the Kotlin and Swift halves and watches what an app sees.
//!
//! It reads built libraries and runs on the machine of a developer or of CI; nothing of it gets onto a phone.

mod drift;
mod forbidden;
mod generate;
mod surface;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand};

use generate::Language;
use surface::Surface;

#[derive(Parser)]
#[command(about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The folder of the facade: its uniffi.toml and api.txt.
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../ffi"))]
    facade: Utf8PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the bindings of a built library.
    Generate {
        #[arg(long)]
        language: Language,
        #[arg(long)]
        library: Utf8PathBuf,
        #[arg(long)]
        out: Utf8PathBuf,
    },
    /// Writes what an app sees of a built library into api.txt.
    Snapshot {
        #[arg(long)]
        library: Utf8PathBuf,
    },
    /// Fails when the library differs from api.txt, or shows what it must not.
    Check {
        #[arg(long)]
        library: Utf8PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let facade = &cli.facade;
    match cli.command {
        Command::Generate {
            language,
            library,
            out,
        } => generate::generate(language, &library, &out, facade),
        Command::Snapshot { library } => {
            let surface = read(&library, facade)?;
            refuse_forbidden(&surface)?;
            fs::write(facade.join("api.txt"), surface.text()).context("api.txt")
        }
        Command::Check { library } => check(&library, facade),
    }
}

fn read(library: &Utf8Path, facade: &Utf8Path) -> Result<Surface> {
    let errors = facade.join("src/error.rs");
    let source = fs::read_to_string(&errors).with_context(|| errors.to_string())?;
    Surface::read(library, &surface::codes(&source)).with_context(|| library.to_string())
}

fn refuse_forbidden(surface: &Surface) -> Result<()> {
    let wrong = forbidden::forbidden(&surface.named);
    if !wrong.is_empty() {
        bail!("this must not cross:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

fn check(library: &Utf8Path, facade: &Utf8Path) -> Result<()> {
    let surface = read(library, facade)?;
    refuse_forbidden(&surface)?;
    let committed = fs::read_to_string(facade.join("api.txt")).context("api.txt")?;
    let changed = drift::drift(&committed, &surface.text());
    if !changed.is_empty() {
        bail!(
            "the library is not what bindings/ffi/api.txt says. If this is meant, run `snapshot` and commit it:\n  {}",
            changed.join("\n  ")
        );
    }
    println!(
        "surface: as in api.txt; {} names judged",
        surface.named.len()
    );
    Ok(())
}

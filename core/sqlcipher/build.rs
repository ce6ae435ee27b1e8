//! Compiles SQLCipher from the `sqlcipher-src` crate.
//!
//! Every flag here is a promise that `open` checks at run time (`src/open.rs`): a database engine that somebody
//! else linked, or a flag that got lost, must not pass as ours.

use std::env;

/// What `PRAGMA cipher_provider` answers.
const PROVIDER: &str = "pocketchart-rustcrypto";

/// The flags, each `NAME` or `NAME=value`.
const FLAGS: &[(&str, Option<&str>)] = &[
    ("SQLITE_HAS_CODEC", None),
    // The setup function at the end of `src/sqlcipher_build.c`.
    (
        "SQLCIPHER_CRYPTO_CUSTOM",
        Some("pocketchart_sqlcipher_setup"),
    ),
    ("SQLITE_EXTRA_INIT", Some("sqlcipher_extra_init")),
    ("SQLITE_EXTRA_SHUTDOWN", Some("sqlcipher_extra_shutdown")),
    // SQLCipher's log writes to stderr or to the phone's log; neither may learn anything.
    ("SQLCIPHER_OMIT_LOG", None),
    ("SQLCIPHER_OMIT_LOG_DEVICE", None),
    ("SQLCIPHER_OMIT_DEFAULT_LOGGING", None),
    // Sorts stay in memory: temporary files are not encrypted.
    ("SQLITE_TEMP_STORE", Some("3")),
    // Mapped pages would bypass the cipher and the wiping allocator.
    ("SQLITE_MAX_MMAP_SIZE", Some("0")),
    // ATTACH ... KEY '' writes a plaintext copy. The run-time limit could be raised again; this cannot.
    ("SQLITE_MAX_ATTACHED", Some("0")),
    ("SQLITE_OMIT_LOAD_EXTENSION", None),
    ("SQLITE_SECURE_DELETE", None),
    ("SQLITE_THREADSAFE", Some("1")),
    ("SQLITE_DQS", Some("0")),
    ("SQLITE_DEFAULT_MEMSTATUS", Some("0")),
    ("SQLITE_ENABLE_FTS5", None),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/sqlcipher_build.c");

    let mut build = cc::Build::new();
    build
        .file("src/sqlcipher_build.c")
        .include(sqlcipher_src::source_dir())
        .warnings(false)
        // A signature of ours that differs from SQLCipher's is an error, not a warning.
        .flag_if_supported("-Werror=incompatible-pointer-types")
        .flag_if_supported("-Werror=implicit-function-declaration")
        .define(
            "POCKETCHART_PROVIDER_NAME",
            Some(format!("\"{PROVIDER}\"").as_str()),
        )
        .define(
            "POCKETCHART_PROVIDER_VERSION",
            Some(format!("\"{}\"", env!("CARGO_PKG_VERSION")).as_str()),
        );
    for (name, value) in FLAGS {
        build.define(name, *value);
    }
    // -O2 also in a dev build (at -O0 a page costs ten times as much); a library that ships for size keeps -Os.
    if !env::var("OPT_LEVEL").is_ok_and(|level| matches!(level.as_str(), "s" | "z")) {
        build.opt_level(2);
    }
    build.compile("pocketchart_sqlcipher_c");
    println!("cargo:rustc-env=POCKETCHART_PROVIDER={PROVIDER}");
    println!(
        "cargo:rustc-env=POCKETCHART_SQLCIPHER_VERSION={}",
        sqlcipher_src::SQLCIPHER_VERSION
    );
}

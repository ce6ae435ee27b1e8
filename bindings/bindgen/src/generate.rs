//! The Kotlin and the Swift half of a built library, as bindings/ffi/uniffi.toml names things. Never committed.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate_with_bindgen_paths};
use uniffi_bindgen::{BindgenPaths, BindgenPathsLayer};

/// A language that this repository has a native half in.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Language {
    Kotlin,
    Swift,
}

/// Where a crate's configuration lies: there is one crate, so `cargo metadata` need not be asked.
struct Facade(Utf8PathBuf);

impl BindgenPathsLayer for Facade {
    fn get_crate_root(&self, crate_name: &str) -> Option<Utf8PathBuf> {
        (crate_name == "pocketchart").then(|| self.0.clone())
    }
}

/// Writes the bindings of `library` in `language` into `out`, unformatted.
///
/// # Errors
/// When the library holds no metadata (it was stripped), or a file cannot be read or written.
pub(crate) fn generate(
    language: Language,
    library: &Utf8Path,
    out: &Utf8Path,
    facade: &Utf8Path,
) -> Result<()> {
    let mut paths = BindgenPaths::default();
    paths.add_layer(Facade(facade.to_owned()));
    let language = match language {
        Language::Kotlin => TargetLanguage::Kotlin,
        Language::Swift => TargetLanguage::Swift,
    };
    let options = GenerateOptions {
        languages: vec![language],
        source: library.to_owned(),
        out_dir: out.to_owned(),
        ..GenerateOptions::default()
    };
    generate_with_bindgen_paths(options, paths)
}

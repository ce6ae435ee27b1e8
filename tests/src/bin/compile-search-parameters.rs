//! `compile-search-parameters R4DIR > core/src/fhir/params/table.rs`, or with `--check` to compare instead; with
//! `--compartment` the patient compartment, `> core/src/fhir/compartment/table.rs`. What could not be compiled goes to stderr.

use pocketchart_tests::search_parameters::compile;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_check = arguments.iter().any(|a| a == "--check");
    let Some(folder) = arguments.iter().find(|a| !a.starts_with("--")) else {
        eprintln!("usage: compile-search-parameters [--check] [--compartment] R4DIR");
        return ExitCode::from(2);
    };
    let compiled = match compile(Path::new(folder)) {
        Ok(compiled) => compiled,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    for (of, code, why) in &compiled.left_out {
        eprintln!("left out: {of}?{code}: {why}");
    }
    eprintln!(
        "{} parameters, {} of them in the default profile",
        compiled.in_full, compiled.in_default
    );
    let (name, table) = match arguments.iter().any(|a| a == "--compartment") {
        true => ("core/src/fhir/compartment/table.rs", compiled.compartment),
        false => ("core/src/fhir/params/table.rs", compiled.table),
    };
    if !is_check {
        print!("{table}");
        return ExitCode::SUCCESS;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    match std::fs::read_to_string(&file) {
        Ok(committed) if committed == table => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("{name} is not what the tool makes");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("{name}: {e}");
            ExitCode::FAILURE
        }
    }
}

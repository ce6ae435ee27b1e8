//! What a panic of this library leaves behind: a place, and nothing that it stumbled over.

use std::io::Write;
use std::panic::{Location, PanicHookInfo};
use std::sync::Once;

/// From here on a panic prints its place only. The hook is this library's alone: it has its own copy of Rust's runtime.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(hook)));
}

fn hook(panic: &PanicHookInfo<'_>) {
    // Not `eprintln!`, which panics where nothing listens.
    let _ = std::io::stderr().write_all(line(panic.location()).as_bytes());
}

fn line(place: Option<&Location<'_>>) -> String {
    match place {
        Some(at) => format!(
            "pocketchart: internal error at {}:{}\n",
            at.file(),
            at.line()
        ),
        None => "pocketchart: internal error\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_the_place_and_nothing_else() {
        let at = Location::caller();
        let expected = format!("pocketchart: internal error at {}:{}\n", file!(), at.line());
        assert_eq!(line(Some(at)), expected);
    }
}

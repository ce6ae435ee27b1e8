//! Folding of text for search: what a person types without accents or capitals still finds the name.
//!
//! R4 (search, 3.1.1.4.8) asks that string search ignores case and combining characters. Width is folded too (`Ａ` is `A`),
//! and runs of white space count as one space.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Changes whenever [`fold`] would give another text: an index made with another one is old.
pub const FOLD_GENERATION: u32 = 1;

/// `text` as search compares it: compatibility-decomposed (NFKD), without marks, caseless, white space collapsed and
/// trimmed. Folding twice changes nothing more.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return collapse(text.chars().map(|c| c.to_ascii_lowercase()), text.len());
    }
    // Lower case can bring marks (`İ`) and upper case can split letters (`ß` to `SS`), so both, then marks are dropped.
    let cased: String = text
        .nfkd()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    let plain = cased
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| if c == 'ς' { 'σ' } else { c });
    collapse(plain, text.len())
}

fn collapse(chars: impl Iterator<Item = char>, length: usize) -> String {
    let mut out = String::with_capacity(length);
    let mut gap = false;
    for c in chars {
        if c.is_whitespace() {
            gap = !out.is_empty();
            continue;
        }
        if gap {
            out.push(' ');
            gap = false;
        }
        out.push(c);
    }
    out
}

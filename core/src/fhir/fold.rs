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
    // Lower case can bring marks (`İ`), upper case can split letters (`ß`), and `ẞ` needs the way down first.
    let decomposed = text.nfkd().flat_map(char::to_lowercase);
    let cased: String = decomposed
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_accents_width_and_space_do_not_count() {
        for (text, folded) in [
            ("Piña", "pina"),
            ("  O'Kon \t\n Jr.  ", "o'kon jr."),
            ("STRASSE", "strasse"),
            ("Straße ẞ", "strasse ss"),
            ("İstanbul", "istanbul"),
            ("Ａｎｎ\u{3000}ﬁ", "ann fi"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("e\u{301}", "e"),
            ("山田 太郎", "山田 太郎"),
            ("\u{301} ", ""),
            ("", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn of_every_character_case_does_not_count_and_folding_again_changes_nothing() {
        for c in char::MIN..=char::MAX {
            let text = format!("a{c}b");
            let once = fold(&text);
            assert_eq!(fold(&once), once, "{c:?}");
            assert_eq!(fold(&text.to_uppercase()), once, "{c:?}");
            assert_eq!(fold(&text.to_lowercase()), once, "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(text in "\\PC{0,20}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}

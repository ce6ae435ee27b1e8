//! R4's escapes in values: `\,` `\|` `\$` `\\` (search, Escaping Search Parameters). They lie below the percent-encoding of the URL.

/// Characters that separate parts of a value.
const SEPARATORS: [char; 3] = [',', '|', '$'];

/// A backslash that escapes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backslash stands before one of , | $ \\ only")]
pub(super) struct InvalidEscape;

/// Splits at every `separator` that is not escaped. Escapes stay as they are.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == separator {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The text that an escaped part stands for.
pub(super) fn unescape(text: &str) -> Result<String, InvalidEscape> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) if c == '\\' || SEPARATORS.contains(&c) => out.push(c),
                _ => return Err(InvalidEscape),
            },
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// `text` so that it is read as one part again.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || SEPARATORS.contains(&c) {
            out.push('\\');
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
    fn escaped_separators_do_not_separate() {
        assert_eq!(split(r"a\,b,c\\,d", ','), [r"a\,b", r"c\\", "d"]);
        assert_eq!(unescape(r"a\,b\|\$\\"), Ok(r"a,b|$\".into()));
        assert_eq!(split("", ','), [""]);
        for bad in [r"\", r"a\n", r"\\\"] {
            assert_eq!(unescape(bad), Err(InvalidEscape), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_texts_come_back(texts in prop::collection::vec(any::<String>(), 1..4)) {
            let escaped: Vec<String> = texts.iter().map(|t| escape(t)).collect();
            let joined = escaped.join(",");
            let read: Result<Vec<_>, _> = split(&joined, ',').into_iter().map(unescape).collect();
            prop_assert_eq!(read, Ok(texts));
        }
    }
}

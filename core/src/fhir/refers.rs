//! What a record refers to, by `Type/id`, and the same text referring elsewhere. Every other byte stays.

use super::Reference;
use super::links::{Follower, Target};

/// `Type/id`, with a version or a fragment behind it or without.
pub fn named(link: &str) -> Option<Reference> {
    let link = link.split('#').next().unwrap_or_default();
    let link = link.split_once("/_history/").map_or(link, |(link, _)| link);
    Reference::parse(link).ok()
}

/// The same at the end of a URL, as servers say where a record is.
pub fn at_end_of(url: &str) -> Option<Reference> {
    let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
    let mut parts = url.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Reference::parse(&format!("{kind}/{id}")).ok()
}

/// Records that a text refers to by `Type/id`.
pub fn targets(follower: &Follower, text: &str) -> Vec<Reference> {
    let mut all = Vec::new();
    follower.follow_all(text, |link| {
        all.extend(named(link));
        Target::Same
    });
    all
}

/// `text` with what it says about `old` said about `new`; `None`: it says nothing about it.
pub fn renamed(
    follower: &Follower,
    text: &str,
    old: &Reference,
    new: &Reference,
) -> Option<String> {
    let followed = follower.follow_all(text, |link| match named(link) {
        Some(name) if name == *old => Target::Record(new.clone()),
        _ => Target::Same,
    });
    match followed.text {
        std::borrow::Cow::Owned(text) => Some(text),
        std::borrow::Cow::Borrowed(_) => None,
    }
}

/// `text` with other words in the place of some references: what entries of a transaction call each other.
pub fn called(text: &str, words: impl Fn(&Reference) -> Option<String>) -> String {
    let followed = Follower::default().follow_all(text, |link| {
        let words = named(link).and_then(|name| words(&name));
        words.map_or(Target::Same, Target::Called)
    });
    followed.text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    #[test]
    fn links_are_read_as_servers_write_them() {
        let text = r##"{"a":{"reference":"Patient/1/_history/2"},"b":{"reference":"Basic/2#x"},"c":{"reference":"#in"},"d":{"reference":"urn:uuid:1"}}"##;
        let all = targets(&Follower::default(), text);
        assert_eq!(all, [name("Patient/1"), name("Basic/2")]);
        assert_eq!(
            at_end_of("https://h/fhir/Basic/7/_history/1"),
            Some(name("Basic/7"))
        );
        assert_eq!(at_end_of("Basic/7"), Some(name("Basic/7")));
        assert_eq!(at_end_of("https://h/fhir/metadata"), None);
    }

    #[test]
    fn only_what_is_said_about_the_record_changes() {
        let text = r#"{ "a":{"reference":"Basic/1"},"x":"Basic/1", "b":[{"reference":"Basic/11"},{"reference": "Basic/1/_history/3"}],"v":1.00 }"#;
        let new = renamed(
            &Follower::default(),
            text,
            &name("Basic/1"),
            &name("Basic/q"),
        );
        let expected = r#"{ "a":{"reference":"Basic/q"},"x":"Basic/1", "b":[{"reference":"Basic/11"},{"reference": "Basic/q"}],"v":1.00 }"#;
        assert_eq!(new.as_deref(), Some(expected));
        assert_eq!(
            renamed(
                &Follower::default(),
                text,
                &name("Basic/2"),
                &name("Basic/q")
            ),
            None
        );
        let urn = called(text, |it| {
            (*it == name("Basic/11")).then(|| "urn:uuid:x".into())
        });
        assert_eq!(urn, text.replace("Basic/11", "urn:uuid:x"));
    }
}

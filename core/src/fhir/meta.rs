//! The two elements a server must set, spliced into the bytes and nothing else touched.

use super::resource::{InvalidResource, Resource, single};
use super::{Instant, json};

/// The resource's text with `meta.versionId` and `meta.lastUpdated` set; every other byte stands as it stood.
///
/// White space around the resource is dropped: it cannot be told apart inside a Bundle, and what a search serves must be
/// what a read serves. Values in place are replaced where they stand. What is missing goes to the front of `meta`; a missing `meta` goes
/// behind `id`.
///
/// # Errors
/// [`InvalidResource`] when `meta` is no object or holds one of the two twice.
pub fn splice(
    resource: &Resource<'_>,
    version: u64,
    at: Instant,
) -> Result<String, InvalidResource> {
    let text = resource.text();
    let wanted = [
        ("versionId", format!("\"{version}\"")),
        ("lastUpdated", format!("\"{at}\"")),
    ];
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::with_capacity(2);
    let lost = InvalidResource::BadMeta("it could not be located");

    if let Some(meta) = resource.member("meta") {
        let start = json::span(text, meta.get()).ok_or(lost.clone())?.start;
        let members = json::members(meta.get())
            .map_err(|_| InvalidResource::BadMeta("it is not an object"))?;
        let mut missing = String::new();
        for (name, value) in &wanted {
            match single(&members, name)? {
                Some(old) => edits.push((
                    json::span(text, old.get()).ok_or(lost.clone())?,
                    value.clone(),
                )),
                None => missing += &format!("\"{name}\":{value},"),
            }
        }
        if members.is_empty() {
            missing.pop();
        }
        edits.push((start + 1..start + 1, missing));
    } else {
        let id = resource.member("id").ok_or(InvalidResource::MissingId)?;
        let behind = json::span(text, id.get()).ok_or(lost)?.end;
        let [(v, version), (l, at)] = wanted;
        edits.push((
            behind..behind,
            format!(",\"meta\":{{\"{v}\":{version},\"{l}\":{at}}}"),
        ));
    }

    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len() + 96);
    let mut done = 0;
    for (range, replacement) in edits {
        out.push_str(&text[done..range.start]);
        out.push_str(&replacement);
        done = range.end;
    }
    out.push_str(&text[done..]);
    Ok(out.trim().to_owned())
}

/// The resource's text with one more tag in `meta.tag`; every other byte stands as it stood. `None`: its meta is none.
/// `system` and `code` need no escapes.
pub fn tagged(text: &str, system: &str, code: &str) -> Option<String> {
    let tag = format!("{{\"system\":\"{system}\",\"code\":\"{code}\"}}");
    let members = json::members(text).ok()?;
    let (at, new) = match single(&members, "meta").ok()? {
        Some(meta) => {
            let inside = json::members(meta.get()).ok()?;
            match single(&inside, "tag").ok()? {
                Some(tags) if tags.get().starts_with('[') => {
                    let comma = if json::items(tags).is_empty() {
                        ""
                    } else {
                        ","
                    };
                    (
                        json::span(text, tags.get())?.start + 1,
                        format!("{tag}{comma}"),
                    )
                }
                Some(_) => return None,
                None => {
                    let comma = if inside.is_empty() { "" } else { "," };
                    let start = json::span(text, meta.get())?.start;
                    (start + 1, format!("\"tag\":[{tag}]{comma}"))
                }
            }
        }
        None => {
            let kind = single(&members, "resourceType").ok()??;
            let behind = json::span(text, kind.get())?.end;
            (behind, format!(",\"meta\":{{\"tag\":[{tag}]}}"))
        }
    };
    Some(format!("{}{new}{}", &text[..at], &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spliced(text: &str) -> String {
        let at = Instant::parse("2026-11-24T06:40:03.123Z").unwrap();
        splice(&Resource::parse(text.as_bytes()).unwrap(), 7, at).unwrap()
    }

    #[test]
    fn a_tag_is_added_and_nothing_else_changes() {
        let tag = r#"{"system":"urn:s","code":"c"}"#;
        for (text, tagged_text) in [
            (
                r#"{"resourceType":"Basic", "v":1.00}"#,
                format!(r#"{{"resourceType":"Basic","meta":{{"tag":[{tag}]}}, "v":1.00}}"#),
            ),
            (
                r#"{"meta":{ },"resourceType":"Basic"}"#,
                format!(r#"{{"meta":{{"tag":[{tag}] }},"resourceType":"Basic"}}"#),
            ),
            (
                r#"{"meta":{"tag":[{"code":"d"}]},"resourceType":"Basic"}"#,
                format!(r#"{{"meta":{{"tag":[{tag},{{"code":"d"}}]}},"resourceType":"Basic"}}"#),
            ),
            (
                r#"{"meta":{"tag":[],"x":1},"resourceType":"Basic"}"#,
                format!(r#"{{"meta":{{"tag":[{tag}],"x":1}},"resourceType":"Basic"}}"#),
            ),
        ] {
            assert_eq!(tagged(text, "urn:s", "c"), Some(tagged_text));
        }
        assert_eq!(
            tagged(r#"{"resourceType":"Basic","meta":{"tag":1}}"#, "urn:s", "c"),
            None
        );
    }

    #[test]
    fn a_missing_meta_goes_behind_the_id() {
        assert_eq!(
            spliced(r#"{"resourceType":"Patient","id":"a" ,"x":1.00}"#),
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"7","lastUpdated":"2026-11-24T06:40:03.123Z"} ,"x":1.00}"#
        );
    }

    #[test]
    fn values_in_place_are_replaced_where_they_stand() {
        assert_eq!(
            spliced(
                r#"{"meta":{"lastUpdated":"2020-01-01T00:00:00Z", "tag":[],"versionId" : "abc"},"resourceType":"Patient","id":"a"}"#
            ),
            r#"{"meta":{"lastUpdated":"2026-11-24T06:40:03.123Z", "tag":[],"versionId" : "7"},"resourceType":"Patient","id":"a"}"#
        );
    }

    #[test]
    fn what_is_missing_goes_to_the_front() {
        assert_eq!(
            spliced(r#"{"resourceType":"Patient","id":"a","meta":{ "profile":["p"]}}"#),
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"7","lastUpdated":"2026-11-24T06:40:03.123Z", "profile":["p"]}}"#
        );
        assert_eq!(
            spliced(r#"{"resourceType":"Patient","id":"a","meta":{ }}"#),
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"7","lastUpdated":"2026-11-24T06:40:03.123Z" }}"#
        );
    }

    proptest! {
        /// Splicing sets exactly the two elements, and doing it again changes nothing more.
        #[test]
        fn only_the_two_elements_change(
            spaces in prop::collection::vec("[ \n\t]{0,2}", 8),
            has_version: bool, has_updated: bool, tags in "[a-z\\u{e9}\\u{1F600}]{0,5}", number in "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,3}"
        ) {
            let s = |i: usize| spaces[i].as_str();
            let mut meta = vec![format!("\"tag\"{}:[{{\"code\":\"{tags}\"}}]", s(0))];
            if has_version { meta.push(format!("{}\"versionId\":\"old\"", s(1))); }
            if has_updated { meta.insert(0, format!("\"lastUpdated\"{}:\"2020-01-01T00:00:00Z\"", s(2))); }
            let text = format!(
                "{}{{{}\"resourceType\":\"Basic\",\"v\":{number},\"meta\"{}:{{{}{}}},\"id\":\"a\"{}}}",
                s(3), s(4), s(5), s(6), meta.join(","), s(7)
            );
            let once = spliced(&text);
            prop_assert_eq!(&spliced(&once), &once);
            let new = Resource::parse(once.as_bytes()).unwrap();
            prop_assert_eq!(new.version(), Some("7"));
            prop_assert_eq!(new.member("v").unwrap().get(), number.as_str());
            // The inverse edit on the text gives the old text back.
            let mut back = once.clone();
            for (name, old, had) in [("versionId", "old", has_version), ("lastUpdated", "2020-01-01T00:00:00Z", has_updated)] {
                let value = if name == "versionId" { "7" } else { "2026-11-24T06:40:03.123Z" };
                if had { back = back.replacen(&format!("\"{value}\""), &format!("\"{old}\""), 1); }
                else { back = back.replacen(&format!("\"{name}\":\"{value}\","), "", 1); }
            }
            prop_assert_eq!(back, text.trim());
        }
    }
}

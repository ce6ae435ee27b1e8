//! Bundles, taken apart and put together without touching the resources inside.

use super::{json, marks};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A Bundle whose resources are still text.
#[derive(Debug, Deserialize)]
pub struct Bundle<'a> {
    #[serde(rename = "resourceType", borrow)]
    resource_type: Cow<'a, str>,
    /// `searchset`, `transaction`, `transaction-response`, ...
    #[serde(rename = "type", borrow, default)]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default)]
    link: Vec<Link<'a>>,
    /// Its entries in order.
    #[serde(borrow, default)]
    pub entry: Vec<Entry<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Link<'a> {
    #[serde(borrow, default)]
    pub(super) relation: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) url: Cow<'a, str>,
}

/// One entry.
#[derive(Debug, Default, Deserialize)]
pub struct Entry<'a> {
    /// What other entries call the resource.
    #[serde(rename = "fullUrl", borrow, default)]
    pub full_url: Option<Cow<'a, str>>,
    /// The resource's own text.
    #[serde(borrow, default)]
    pub resource: Option<&'a RawValue>,
    /// In transactions and batches.
    #[serde(borrow, default)]
    pub request: Option<Request<'a>>,
    /// In answers to them.
    #[serde(borrow, default)]
    pub response: Option<Response<'a>>,
    /// In search results.
    #[serde(borrow, default)]
    pub search: Option<Search<'a>>,
    #[serde(borrow, default)]
    extension: Vec<Extension<'a>>,
}

#[derive(Debug, Deserialize)]
struct Extension<'a> {
    #[serde(borrow, default)]
    url: Cow<'a, str>,
    #[serde(rename = "valueString", borrow, default)]
    text: Option<Cow<'a, str>>,
}

/// What a transaction entry asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// `PUT`, `POST`, `DELETE`, ...
    #[serde(borrow, default)]
    pub method: Cow<'a, str>,
    /// Relative to the server's base.
    #[serde(borrow, default)]
    pub url: Cow<'a, str>,
    /// ETag of the version that may be replaced.
    #[serde(borrow, default)]
    pub if_match: Option<Cow<'a, str>>,
    /// `*`: only if nothing stands there.
    #[serde(borrow, default)]
    pub if_none_match: Option<Cow<'a, str>>,
    /// Search that must find nothing.
    #[serde(borrow, default)]
    pub if_none_exist: Option<Cow<'a, str>>,
}

/// What became of a transaction entry.
#[derive(Debug, Default, Deserialize)]
pub struct Response<'a> {
    /// Starts with the HTTP status code.
    #[serde(borrow, default)]
    pub status: Cow<'a, str>,
    /// `W/"2"`, or on some servers a bare `2`.
    #[serde(borrow, default)]
    pub etag: Option<Cow<'a, str>>,
    /// `Type/id/_history/2`, relative or not.
    #[serde(borrow, default)]
    pub location: Option<Cow<'a, str>>,
    /// When the version was made.
    #[serde(rename = "lastModified", borrow, default)]
    pub last_modified: Option<Cow<'a, str>>,
}

/// Why an entry is in a search result.
#[derive(Debug, Default, Deserialize)]
pub struct Search<'a> {
    /// `match`, `include` or `outcome`.
    #[serde(borrow, default)]
    pub mode: Cow<'a, str>,
}

impl<'a> Bundle<'a> {
    /// Reads a Bundle. `None` when the text is no Bundle at all, whatever its Content-Type said.
    pub fn parse(text: &'a str) -> Option<Self> {
        let bundle: Self = serde_json::from_str(text).ok()?;
        bundle.is_one().then_some(bundle)
    }

    pub(super) fn is_one(&self) -> bool {
        self.resource_type == "Bundle"
    }

    /// The url of the link with this relation, verbatim.
    pub fn link(&self, relation: &str) -> Option<&str> {
        self.link
            .iter()
            .find(|l| l.relation == relation)
            .map(|l| l.url.as_ref())
    }
}

impl Entry<'_> {
    /// The signed change record of this entry's write.
    pub fn change(&self) -> Option<&str> {
        self.marked(marks::CHANGE_RECORD)
    }

    /// What the record's author signed, where the resource is another text, since it was merged.
    pub fn signed_content(&self) -> Option<&str> {
        self.marked(marks::SIGNED_CONTENT)
    }

    fn marked(&self, mark: &str) -> Option<&str> {
        let mut marks = self.extension.iter();
        marks
            .find(|extension| extension.url == mark)?
            .text
            .as_deref()
    }
}

impl Response<'_> {
    /// The HTTP status code at the front of `status`.
    pub fn code(&self) -> Option<u16> {
        self.status.get(..3).and_then(|code| code.parse().ok())
    }
}

/// The version inside an ETag: `W/"2"`, `"2"` and `2` all give `2`.
pub fn etag_version(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

/// The weak ETag of a version.
pub fn etag(version: &str) -> String {
    format!("W/\"{version}\"")
}

/// The answer to one entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered<'a> {
    /// Starts with the HTTP status code.
    pub status: &'a str,
    /// `Type/id/_history/n`.
    pub location: Option<&'a str>,
    /// A version, not an ETag.
    pub version: Option<&'a str>,
    /// `lastUpdated`.
    pub at: Option<super::Instant>,
    /// The resource.
    pub resource: Option<&'a str>,
    /// An OperationOutcome.
    pub outcome: Option<&'a str>,
}

/// Writes a Bundle entry by entry; resources go in as they are.
#[derive(Debug)]
pub struct Writer {
    out: String,
    entries: usize,
}

impl Writer {
    /// A Bundle of this type with these (relation, url) links.
    pub fn new(kind: &str, links: &[(&str, &str)]) -> Self {
        let mut out = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":{}",
            json::quoted(kind)
        );
        if !links.is_empty() {
            let links: Vec<String> = links
                .iter()
                .map(|(relation, url)| {
                    format!(
                        "{{\"relation\":{},\"url\":{}}}",
                        json::quoted(relation),
                        json::quoted(url)
                    )
                })
                .collect();
            out += &format!(",\"link\":[{}]", links.join(","));
        }
        Self { out, entries: 0 }
    }

    /// The number of all matches; before the first entry.
    pub fn total(&mut self, total: u64) {
        self.out += &format!(",\"total\":{total}");
    }

    /// One search match.
    pub fn found(&mut self, full_url: &str, resource: &str) {
        self.listed(full_url, resource, "match");
    }

    /// One record that `_include` or `_revinclude` brings along.
    pub fn included(&mut self, full_url: &str, resource: &str) {
        self.listed(full_url, resource, "include");
    }

    fn listed(&mut self, full_url: &str, resource: &str, mode: &str) {
        self.open();
        self.out += &format!("\"fullUrl\":{},\"resource\":", json::quoted(full_url));
        self.out += resource;
        self.out += &format!(",\"search\":{{\"mode\":\"{mode}\"}}}}");
    }

    /// One write of a transaction. `if_match` is a version, not an ETag; `create` asks that nothing stands there yet.
    pub fn put(&mut self, url: &str, resource: &str, if_match: Option<&str>, create: bool) {
        self.put_signed(url, resource, if_match, create, None);
    }

    /// A record under an id of the server's, unless the search `unless` finds it. Other entries refer to it by `full_url`.
    pub fn post(&mut self, kind: &str, full_url: &str, resource: &str, unless: &str) {
        self.open();
        self.out += &format!(
            "\"fullUrl\":{},\"resource\":{resource},\"request\":{{\"method\":\"POST\",\"url\":{},\"ifNoneExist\":{}}}}}",
            json::quoted(full_url),
            json::quoted(kind),
            json::quoted(unless)
        );
    }

    /// As [`Writer::put_signed`], of what was merged since: beside the records the text that they are about.
    pub fn put_merged(
        &mut self,
        url: &str,
        resource: &str,
        if_match: Option<&str>,
        change: &str,
        signed: &str,
    ) {
        self.open();
        self.out += &format!(
            "\"extension\":[{{\"url\":\"{}\",\"valueString\":{}}},{{\"url\":\"{}\",\"valueString\":{}}}],",
            marks::CHANGE_RECORD,
            json::quoted(change),
            marks::SIGNED_CONTENT,
            json::quoted(signed)
        );
        self.put_rest(url, resource, if_match, false);
    }

    /// As [`Writer::put`], with the signed records of the change.
    pub fn put_signed(
        &mut self,
        url: &str,
        resource: &str,
        if_match: Option<&str>,
        create: bool,
        change: Option<&str>,
    ) {
        self.open();
        if let Some(change) = change {
            self.out += &format!(
                "\"extension\":[{{\"url\":\"{}\",\"valueString\":{}}}],",
                marks::CHANGE_RECORD,
                json::quoted(change)
            );
        }
        self.put_rest(url, resource, if_match, create);
    }

    /// One read of a batch.
    pub fn get(&mut self, url: &str) {
        self.open();
        self.out += &format!(
            "\"request\":{{\"method\":\"GET\",\"url\":{}}}}}",
            json::quoted(url)
        );
    }

    fn put_rest(&mut self, url: &str, resource: &str, if_match: Option<&str>, create: bool) {
        self.out += "\"resource\":";
        self.out += resource;
        self.out += &format!(
            ",\"request\":{{\"method\":\"PUT\",\"url\":{}",
            json::quoted(url)
        );
        if let Some(version) = if_match {
            self.out += &format!(",\"ifMatch\":{}", json::quoted(&etag(version)));
        }
        if create {
            self.out += ",\"ifNoneMatch\":\"*\"";
        }
        self.out += "}}";
    }

    /// What the server has to say about a search.
    pub fn outcome(&mut self, outcome: &str) {
        self.open();
        self.out += "\"resource\":";
        self.out += outcome;
        self.out += ",\"search\":{\"mode\":\"outcome\"}}";
    }

    /// One version of a history; without a `resource`: a deletion.
    pub fn version(&mut self, full_url: &str, method: &str, url: &str, answered: &Answered<'_>) {
        self.open();
        self.out += &format!("\"fullUrl\":{},", json::quoted(full_url));
        self.resource(answered.resource);
        self.out += &format!(
            "\"request\":{{\"method\":{},\"url\":{}}},",
            json::quoted(method),
            json::quoted(url)
        );
        self.response(answered);
    }

    /// What became of one entry of a transaction or batch.
    pub fn answered(&mut self, answered: &Answered<'_>) {
        self.open();
        self.resource(answered.resource);
        self.response(answered);
    }

    fn resource(&mut self, resource: Option<&str>) {
        if let Some(resource) = resource {
            self.out += "\"resource\":";
            self.out += resource;
            self.out.push(',');
        }
    }

    fn response(&mut self, answered: &Answered<'_>) {
        self.out += &format!(
            "\"response\":{{\"status\":{}",
            json::quoted(answered.status)
        );
        if let Some(location) = answered.location {
            self.out += &format!(",\"location\":{}", json::quoted(location));
        }
        if let Some(version) = answered.version {
            self.out += &format!(",\"etag\":{}", json::quoted(&etag(version)));
        }
        if let Some(at) = answered.at {
            self.out += &format!(",\"lastModified\":\"{at}\"");
        }
        if let Some(outcome) = answered.outcome {
            self.out += ",\"outcome\":";
            self.out += outcome;
        }
        self.out += "}}";
    }

    /// The Bundle's text.
    pub fn finish(mut self) -> String {
        self.out += if self.entries == 0 { "}" } else { "]}" };
        self.out
    }

    fn open(&mut self) {
        self.out += if self.entries == 0 {
            ",\"entry\":[{"
        } else {
            ",{"
        };
        self.entries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_go_through_untouched() {
        let resource = "{ \"resourceType\":\"Basic\", \"id\":\"a\",\"v\":1.00 }";
        let mut writer = Writer::new("searchset", &[("next", "https://h/Basic?x=\"1\"")]);
        writer.found("https://h/Basic/a", resource);
        writer.found("https://h/Basic/a", resource);
        let text = writer.finish();
        let bundle = Bundle::parse(&text).unwrap();
        assert_eq!(bundle.kind, "searchset");
        assert_eq!(bundle.link("next"), Some("https://h/Basic?x=\"1\""));
        assert_eq!(bundle.link("self"), None);
        assert_eq!(bundle.entry.len(), 2);
        assert_eq!(bundle.entry[1].resource.unwrap().get(), resource);
    }

    #[test]
    fn transactions_and_their_answers() {
        let mut writer = Writer::new("transaction", &[]);
        writer.put("Basic/a", "{}", Some("3"), false);
        writer.put("Basic/b", "{}", None, true);
        let text = writer.finish();
        let bundle = Bundle::parse(&text).unwrap();
        let request = bundle.entry[0].request.as_ref().unwrap();
        assert_eq!(
            (request.method.as_ref(), request.if_match.as_deref()),
            ("PUT", Some("W/\"3\""))
        );
        assert_eq!(
            bundle.entry[1]
                .request
                .as_ref()
                .unwrap()
                .if_none_match
                .as_deref(),
            Some("*")
        );

        let mut writer = Writer::new("transaction-response", &[]);
        writer.answered(&Answered {
            status: "201 Created",
            location: Some("Basic/a/_history/1"),
            version: Some("1"),
            at: Some(super::super::Instant::from_epoch_ms(0)),
            resource: Some("{}"),
            outcome: None,
        });
        let text = writer.finish();
        let bundle = Bundle::parse(&text).unwrap();
        let response = bundle.entry[0].response.as_ref().unwrap();
        assert_eq!(response.code(), Some(201));
        assert_eq!(etag_version(response.etag.as_deref().unwrap()), "1");
    }

    #[test]
    fn what_is_no_bundle_is_none() {
        for other in [
            "",
            "[]",
            "{}",
            "<html>",
            r#"{"resourceType":"OperationOutcome"}"#,
            r#"{"resourceType":"Bundle","entry":3}"#,
        ] {
            assert!(Bundle::parse(other).is_none(), "{other}");
        }
        let empty = Writer::new("searchset", &[]).finish();
        assert!(Bundle::parse(&empty).unwrap().entry.is_empty());
    }

    #[test]
    fn etags_of_all_servers() {
        for tag in ["W/\"2\"", "\"2\"", "2", " W/\"2\" "] {
            assert_eq!(etag_version(tag), "2");
        }
    }
}

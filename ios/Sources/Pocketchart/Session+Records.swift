// Records: a page of rows, one as its text, a change.

import PocketchartFFI

extension Session {
    /// A page of a search in FHIR's own words, such as `Observation?code=8867-4&_sort=-date&_count=50`: at most 100 rows.
    ///
    /// - Parameters:
    ///   - query: the search.
    ///   - cursor: `next` of the page before, of the same search in this session.
    public func search(_ query: String, cursor: String? = nil) async throws(VaultError) -> SummaryPage {
        try await toItsEnd { try await $0.search(query: query, cursor: cursor) }
    }

    /// One record, byte for byte, by `Type/id`.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for what this person may not see.
    public func get(_ reference: String) async throws(VaultError) -> RecordText {
        try await toItsEnd { try await $0.get(reference: reference) }
    }

    /// Stores a resource with its id, and queues it for the server. ``newRecordID()`` makes an id.
    @discardableResult
    public func put(_ json: String) async throws(VaultError) -> SavedRecord {
        try await toItsEnd { try await $0.put(json: json) }
    }

    /// Deletes a record here, and queues the deletion for the server.
    @discardableResult
    public func delete(_ reference: String) async throws(VaultError) -> SavedRecord {
        try await toItsEnd { try await $0.delete(reference: reference) }
    }

    /// Tells of changes of these types of records (none: of all) until the vault is locked or changes hands. The first tick
    /// comes at once; changes of about 100 ms come together. A screen asks for its page again at each tick.
    ///
    /// - Throws: ``VaultError/Code/locked``; ``VaultError/Code/badInput`` for what is no type of FHIR R4.
    public func observe(_ kinds: String...) throws(VaultError) -> AsyncStream<Tick> {
        try observe(kinds)
    }

    /// As ``observe(_:)-(String...)``.
    public func observe(_ kinds: [String]) throws(VaultError) -> AsyncStream<Tick> {
        let ticks = try here { try $0.observe(kinds: kinds) }
        return AsyncStream {
            try? await ticks.next()
        } onCancel: {
            try? ticks.close()
        }
    }
}

// What waits: for a server, for a person's decision, or since a server refused it.

import PocketchartFFI

extension Session {
    /// Changes that wait for a person's decision, oldest first.
    public func conflicts() async throws(VaultError) -> [ConflictInfo] {
        try await toItsEnd { try await $0.conflicts() }
    }

    /// All versions of a record that waits for a person, be it in conflict or refused.
    ///
    /// - Throws: ``VaultError/Code/nothingWaits``.
    public func conflict(_ reference: String) async throws(VaultError) -> ConflictView {
        try await toItsEnd { try await $0.conflict(reference: reference) }
    }

    /// Decides a conflict, as it stands now. The decision is this person's change, and goes with the next sync.
    ///
    /// - Throws: ``VaultError/Code/nothingWaits``, ``VaultError/Code/undecided``, ``VaultError/Code/notAllowed``,
    ///   ``VaultError/Code/badInput``; then everything waits as it did.
    @discardableResult
    public func resolve(_ reference: String, _ resolution: Resolution) async throws(VaultError) -> SavedRecord {
        try await toItsEnd { try await $0.resolve(reference: reference, resolution: resolution) }
    }

    /// As ``resolve(_:_:)``, if the server's version is still the one that the person looked at
    /// (`ConflictView.theirsVersion`): a sync may run meanwhile.
    ///
    /// - Throws: ``VaultError/Code/changed`` where there is a newer one.
    @discardableResult
    public func resolve(
        _ reference: String, _ resolution: Resolution, seen theirsVersion: String?
    ) async throws(VaultError) -> SavedRecord {
        try await toItsEnd {
            try await $0.resolveSeen(reference: reference, resolution: resolution, theirsVersion: theirsVersion)
        }
    }

    /// Changed records that wait for a server, oldest first.
    public func outbox() async throws(VaultError) -> [WaitingChange] {
        try await toItsEnd { try await $0.outbox() }
    }

    /// Changes that a server refused for good, oldest first. They are kept.
    public func quarantine() async throws(VaultError) -> [RefusedChange] {
        try await toItsEnd { try await $0.quarantine() }
    }

    /// Sends once more what the server refused, as it is, with the next sync: something was put right there.
    ///
    /// - Throws: ``VaultError/Code/nothingWaits``.
    public func sendAgain(_ reference: String) async throws(VaultError) {
        try await toItsEnd { try await $0.sendAgain(reference: reference) }
    }

    /// Gives up what the server refused: the record is again what the server has.
    ///
    /// - Throws: ``VaultError/Code/nothingWaits``.
    public func discardRefused(_ reference: String) async throws(VaultError) {
        try await toItsEnd { try await $0.discardRefused(reference: reference) }
    }
}

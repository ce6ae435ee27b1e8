// Who saw what of a patient; and what is missing from the vault.

import PocketchartFFI

extension Session {
    /// Who saw or changed what of a patient, newest first, 50 to a page. A patient may ask about themselves, the owner and
    /// the auditor about everybody. That it was asked stands in the trail too.
    ///
    /// - Throws: ``VaultError/Code/notAllowed``, ``VaultError/Code/badInput``.
    public func whoSaw(_ patient: String, cursor: String? = nil) async throws(VaultError) -> AccessPage {
        try await toItsEnd { try await $0.whoSaw(patient: patient, cursor: cursor) }
    }

    /// What was found missing when the vault was opened, and since, until ``acceptLoss()``.
    public func warnings() async throws(VaultError) -> VaultWarnings {
        try await toItsEnd { try await $0.warnings() }
    }

    /// A person has taken note of what is missing: it is not reported any more. The trail keeps it.
    public func acceptLoss() async throws(VaultError) {
        try await toItsEnd { try await $0.acceptLoss() }
    }
}

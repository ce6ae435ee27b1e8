// A place for a vault, and the ways into it.

import Foundation
import PocketchartFFI

/// A folder with a vault, or for one. Making the object opens and changes nothing.
public actor Vault {
    private let inner: PocketchartFFI.Vault
    private let questions: QuestionGate?

    /// A vault in this folder.
    ///
    /// - Parameters:
    ///   - home: a folder that no backup takes along, such as ``VaultHome/standard()``.
    ///   - gate: the device's key store, such as ``SecureEnclaveKeyGate``; `nil`: there is none.
    /// - Throws: ``VaultError/Code/badInput`` for a URL that is no file's.
    public init(home: URL, gate: (any KeyGate)? = nil) throws(VaultError) {
        guard home.isFileURL else { throw VaultError(.badInput, "not a folder") }
        questions = gate.map(QuestionGate.init)
        do {
            inner = try PocketchartFFI.Vault(home: home.path, gate: questions)
        } catch {
            throw VaultError(error)
        }
    }

    /// Whether there is a vault, be it that it opens or not.
    public func exists() throws(VaultError) -> Bool {
        try call { try $0.exists() }
    }

    /// Whether a wipe was begun and not finished: nothing opens any more, and ``wipe(evenUnsent:)`` goes on with it.
    public func wipeWasInterrupted() throws(VaultError) -> Bool {
        try call { try $0.wipeWasInterrupted() }
    }

    /// The slots, for a lock screen. Nobody has vouched for them yet. Empty: there is no vault.
    public func slots() throws(VaultError) -> [SlotInfo] {
        try call { try $0.slots() }
    }

    /// Puts a vault together. There is one once ``NewVault/confirm(_:)`` has the recovery code typed back.
    ///
    /// - Throws: ``VaultError/Code/weakSecret``, ``VaultError/Code/vaultExists`` and others; then there is no new vault.
    public func create(passphrase: String) async throws(VaultError) -> NewVault {
        let inner = inner
        let draft = try await Call.toItsEnd { try await inner.create(passphrase: passphrase) }
        return NewVault(draft, questions: questions)
    }

    /// Opens the vault. Cancelling the task takes a question to the person back; a session that nobody takes any more is
    /// locked.
    ///
    /// - Throws: ``VaultError/Code/wrongSecret``, ``VaultError/Code/wait``, the codes of the gate, and others. Nothing was
    ///   changed but the count of wrong tries.
    public func unlock(_ with: UnlockWith) async throws(VaultError) -> Session {
        let (inner, questions) = (inner, questions)
        let session = try await Call.untilCancelled(onCancel: { questions?.withdraw() }) {
            try await inner.unlock(with: with)
        }
        return Session(session, questions: questions)
    }

    /// Opens it with a passphrase: the owner's, or that of `person`.
    public func unlock(passphrase: String, person: String? = nil) async throws(VaultError) -> Session {
        try await unlock(.passphrase(person: person, text: passphrase))
    }

    /// Opens it with a PIN: the owner's, or that of `person`.
    public func unlock(pin: String, person: String? = nil) async throws(VaultError) -> Session {
        try await unlock(.pin(person: person, digits: pin))
    }

    /// Opens it with the recovery code.
    public func unlock(recoveryCode: String) async throws(VaultError) -> Session {
        try await unlock(.recoveryCode(text: recoveryCode))
    }

    /// Opens it with a finger or a face. `reason` is shown to the person.
    public func unlock(asking reason: String, slot: String? = nil) async throws(VaultError) -> Session {
        try await unlock(.gate(slot: slot, reason: reason))
    }

    /// Destroys the closed vault for good: the keys first, then the files. May be interrupted anywhere and called again.
    ///
    /// - Returns: the number of keys that the gate did not destroy; they open nothing any more.
    /// - Throws: ``VaultError/Code/unsentChanges`` unless told `evenUnsent`: whether something waits is known only while
    ///   the vault is open (``Session/wipe(evenUnsent:)``). ``VaultError/Code/inUse`` while it is open.
    @discardableResult
    public func wipe(evenUnsent: Bool = false) async throws(VaultError) -> UInt64 {
        let inner = inner
        return try await Call.toItsEnd { try await inner.wipe(evenUnsent: evenUnsent) }
    }

    private func call<T>(_ work: (PocketchartFFI.Vault) throws -> T) throws(VaultError) -> T {
        do {
            return try work(inner)
        } catch {
            throw VaultError(error)
        }
    }
}

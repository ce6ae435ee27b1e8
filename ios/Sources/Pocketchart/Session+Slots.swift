// Ways into the vault: made, shown, taken out; and its end.

import PocketchartFFI

extension Session {
    /// The vault's slots, with the roles of their people.
    public func slots() throws(VaultError) -> [SlotInfo] {
        try here { try $0.slots() }
    }

    /// Makes another slot for the person who has the vault. A passphrase or PIN, and a recovery code, come before one of
    /// finger or face.
    ///
    /// - Throws: ``VaultError/Code/weakSecret``, ``VaultError/Code/secondSlotFirst``, ``VaultError/Code/needsGate``, the
    ///   codes of the gate and others; there is no new slot then.
    @discardableResult
    public func addSlot(_ slot: NewSlot) async throws(VaultError) -> SlotInfo {
        try await toItsEnd { try await $0.addSlot(slot: slot) }
    }

    /// Takes a slot out for good: its key first, then the slot, then the records get a new key. Where it was typed (a
    /// passphrase, the recovery code) only the slots that `present` opens stay, and the one that is open.
    ///
    /// - Returns: other slots that went along; those only go if told `dropOthers`.
    /// - Throws: ``VaultError/Code/wouldDropSlots``, ``VaultError/Code/slotIsOpen``, ``VaultError/Code/lastWayIn``;
    ///   ``VaultError/Code/removedNotRekeyed``: the slot is gone.
    @discardableResult
    public func removeSlot(
        _ id: String, present: [UnlockWith] = [], dropOthers: Bool = false
    ) async throws(VaultError) -> [SlotInfo] {
        try await toItsEnd { try await $0.removeSlot(id: id, present: present, dropOthers: dropOthers) }
    }

    /// Whether this is the vault's recovery code. Opens nothing and changes nothing.
    public func verifyRecoveryCode(_ text: String) async throws(VaultError) -> Bool {
        try await toItsEnd { try await $0.verifyRecoveryCode(text: text) }
    }

    /// Makes a recovery code that is to replace the one before, which holds until ``NewRecoveryCode/confirm(_:)``.
    /// `present` and `dropOthers` as in ``removeSlot(_:present:dropOthers:)``.
    public func newRecoveryCode(
        present: [UnlockWith] = [], dropOthers: Bool = false
    ) async throws(VaultError) -> NewRecoveryCode {
        let code = try await toItsEnd { try await $0.newRecoveryCode(present: present, dropOthers: dropOthers) }
        return NewRecoveryCode(code)
    }

    /// Whether the vault was opened with its recovery code, which is best replaced once it was used.
    public func openedByRecoveryCode() throws(VaultError) -> Bool {
        try here { try $0.openedByRecoveryCode() }
    }

    /// Destroys the vault for good: the keys first, then the files. This session is over then.
    ///
    /// - Returns: the number of keys that the gate did not destroy; they open nothing any more.
    /// - Throws: ``VaultError/Code/unsentChanges`` where work would be lost and nobody said `evenUnsent`: nothing was
    ///   changed. ``VaultError/Code/storage``: ``Vault/wipe(evenUnsent:)`` goes on.
    @discardableResult
    public func wipe(evenUnsent: Bool = false) async throws(VaultError) -> UInt64 {
        try await toItsEnd { try await $0.wipe(evenUnsent: evenUnsent) }
    }
}

/// A recovery code that is to take the place of the one before. Letting go of it leaves the one before.
public actor NewRecoveryCode {
    private let inner: PocketchartFFI.NewRecoveryCode

    init(_ inner: PocketchartFFI.NewRecoveryCode) {
        self.inner = inner
    }

    /// The code, in seven groups of four: to be shown this once. It is stored nowhere.
    ///
    /// - Throws: ``VaultError/Code/closed`` once it was confirmed or abandoned.
    public func code() throws(VaultError) -> String {
        do {
            return try inner.code()
        } catch {
            throw VaultError(error)
        }
    }

    /// The person typed the code back: it takes the place of the one before.
    ///
    /// - Returns: the slots that went, since they were not present.
    /// - Throws: ``VaultError/Code/wrongSecret``: it is another text, and may be typed again.
    @discardableResult
    public func confirm(_ typed: String) async throws(VaultError) -> [SlotInfo] {
        let inner = inner
        return try await Call.toItsEnd { try await inner.confirm(typed: typed) }
    }

    /// The code before stays.
    public func abandon() throws(VaultError) {
        do {
            try inner.abandon()
        } catch {
            throw VaultError(error)
        }
    }
}

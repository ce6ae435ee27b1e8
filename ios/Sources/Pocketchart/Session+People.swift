// Who can open the vault, and whose hands it is in.

import PocketchartFFI

extension Session {
    /// Everybody in the vault.
    public func people() async throws(VaultError) -> [MemberInfo] {
        try await toItsEnd { try await $0.people() }
    }

    /// Makes the first slot of a new person, who signs with a key of their own from then on.
    ///
    /// - Parameters:
    ///   - name: 1 to 64 letters, digits, dots and dashes.
    ///   - role: such as `nurse`; one that the policy has rules for.
    ///   - slot: how they open the vault.
    @discardableResult
    public func addPerson(_ name: String, role: String, slot: NewSlot) async throws(VaultError) -> MemberInfo {
        try await toItsEnd { try await $0.addPerson(name: name, role: role, slot: slot) }
    }

    /// Puts the open vault into another person's hands, without closing its files. The person before has it still when that
    /// fails. What ran for the person before ends with ``VaultError/Code/locked``, and so do observations: observe anew.
    @discardableResult
    public func switchPerson(_ with: UnlockWith) async throws(VaultError) -> PersonInfo {
        try await untilCancelled { try await $0.switchPerson(with: with) }
    }
}

// A vault that is being made.

import PocketchartFFI

/// A vault whose recovery code nobody has written down yet. Letting go of it leaves no vault.
public actor NewVault {
    private let inner: PocketchartFFI.NewVault
    private let questions: QuestionGate?

    init(_ inner: PocketchartFFI.NewVault, questions: QuestionGate?) {
        self.inner = inner
        self.questions = questions
    }

    /// The recovery code, in seven groups of four: to be shown this once. It is stored nowhere.
    ///
    /// - Throws: ``VaultError/Code/closed`` once it was confirmed or abandoned.
    public func recoveryCode() throws(VaultError) -> String {
        do {
            return try inner.recoveryCode()
        } catch {
            throw VaultError(error)
        }
    }

    /// The person typed the code back: from here on there is a vault, open in its owner's hands. Small letters, spaces and
    /// dashes do not matter.
    ///
    /// - Throws: ``VaultError/Code/wrongSecret``: it is another text, and may be typed again. ``VaultError/Code/closed``.
    public func confirm(_ typed: String) async throws(VaultError) -> Session {
        let inner = inner
        let session = try await Call.toItsEnd { try await inner.confirm(typed: typed) }
        return Session(session, questions: questions)
    }

    /// There will be no vault.
    public func abandon() throws(VaultError) {
        do {
            try inner.abandon()
        } catch {
            throw VaultError(error)
        }
    }
}

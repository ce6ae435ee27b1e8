// The open vault in one person's hands.

import PocketchartFFI

/// An open vault. It locks itself after some time without a call: 5 minutes in the hands of the person whose records they
/// are, 2 in those of staff, 30 seconds in the background. Once locked it stays so: ``Vault/unlock(_:)`` gives another
/// one. Letting go of it locks it too.
///
/// All methods may be called from many tasks at once. Every one throws ``VaultError`` and nothing else.
public actor Session {
    let inner: PocketchartFFI.Session
    let questions: QuestionGate?

    init(_ inner: PocketchartFFI.Session, questions: QuestionGate?) {
        self.inner = inner
        self.questions = questions
    }

    /// Who has the vault. Puts no lock off.
    public func person() throws(VaultError) -> PersonInfo {
        try here { try $0.person() }
    }

    // What is short and does not wait, where it is called.
    func here<T>(_ work: (PocketchartFFI.Session) throws -> T) throws(VaultError) -> T {
        do {
            return try work(inner)
        } catch {
            throw VaultError(error)
        }
    }

    // One piece of work, to its end.
    nonisolated func toItsEnd<T: Sendable>(
        _ work: @Sendable (PocketchartFFI.Session) async throws -> T
    ) async throws(VaultError) -> T {
        if Task.isCancelled { throw .cancelled }
        do {
            return try await work(inner)
        } catch {
            throw VaultError(error)
        }
    }

    // What waits for a person or a network.
    nonisolated func untilCancelled<T: Sendable>(
        _ work: @escaping @Sendable (PocketchartFFI.Session) async throws -> T
    ) async throws(VaultError) -> T {
        let (inner, questions) = (inner, questions)
        return try await Call.untilCancelled(onCancel: { questions?.withdraw() }) { try await work(inner) }
    }
}

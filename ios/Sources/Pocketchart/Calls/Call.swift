// How a Swift task and a call into the library end together.

import Foundation

/// Calls into the library. Cancelling a Swift task cancels nothing behind the boundary by itself, and must not: what is
/// being written is written to its end.
enum Call {
    /// Work of the library's own, which takes no longer than it must: it runs to its end, and the caller learns what came
    /// of it. A task that was cancelled before does not begin.
    static func toItsEnd<T>(
        isolation: isolated (any Actor)? = #isolation,
        _ work: () async throws -> sending T
    ) async throws(VaultError) -> sending T {
        if Task.isCancelled { throw .cancelled }
        do {
            return try await work()
        } catch {
            throw VaultError(error)
        }
    }

    /// Work that waits for a person or a network. A cancelled task goes on at once with ``VaultError/Code/cancelled``;
    /// `onCancel` is called, and what comes of the work later is dropped, which closes it.
    static func untilCancelled<T: Sendable>(
        onCancel: @escaping @Sendable () -> Void = {},
        _ work: @escaping @Sendable () async throws -> T
    ) async throws(VaultError) -> T {
        if Task.isCancelled { throw .cancelled }
        let answer = FirstAnswer<T>()
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { waiting in
                    answer.awaited(by: waiting)
                    Task {
                        do {
                            answer.give(.success(try await work()))
                        } catch {
                            answer.give(.failure(error))
                        }
                    }
                }
            } onCancel: {
                onCancel()
                answer.give(.failure(VaultError.cancelled))
            }
        } catch {
            throw VaultError(error)
        }
    }
}

/// Of several answers the first one; it may come before anybody waits for it.
private final class FirstAnswer<T: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var isGiven = false
    private var early: Result<T, any Error>?
    private var waiting: CheckedContinuation<T, any Error>?

    func awaited(by continuation: CheckedContinuation<T, any Error>) {
        lock.lock()
        let answer = early
        early = nil
        if answer == nil { waiting = continuation }
        lock.unlock()
        if let answer { continuation.resume(with: answer) }
    }

    func give(_ result: Result<T, any Error>) {
        lock.lock()
        let waiter = isGiven ? nil : waiting
        if !isGiven && waiting == nil { early = result }
        isGiven = true
        waiting = nil
        lock.unlock()
        waiter?.resume(with: result)
    }
}

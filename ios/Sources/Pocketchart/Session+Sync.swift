// Syncs: with one server or all, with progress, to be ended at any time.

import PocketchartFFI

extension Session {
    /// Sends what waits and receives what is new. Cancelling the task ends it at the next point where nothing is torn; what
    /// was done until then stays done, and the next sync goes on from there.
    ///
    /// - Parameters:
    ///   - server: its URL; `nil`: all that are known.
    ///   - progress: is told how far it is; make one with `AsyncStream.makeStream(of: SyncProgress.self)`. It is finished
    ///     with the sync.
    /// - Throws: ``VaultError/Code/noServer``, ``VaultError/Code/cancelled``, and what ended it.
    @discardableResult
    public func sync(
        server: String? = nil,
        progress: AsyncStream<SyncProgress>.Continuation? = nil
    ) async throws(VaultError) -> SyncReport {
        defer { progress?.finish() }
        let inner = inner
        let listener = progress.map(Progress.init)
        do {
            let token = try CancelToken()
            return try await withTaskCancellationHandler {
                try await inner.sync(server: server, cancel: token, listener: listener)
            } onCancel: {
                try? token.cancel()
            }
        } catch {
            throw VaultError(error)
        }
    }
}

/// Passes on how far a sync is: it waits for whoever listens, so nothing is done here.
private final class Progress: SyncListener {
    private let out: AsyncStream<SyncProgress>.Continuation

    init(_ out: AsyncStream<SyncProgress>.Continuation) {
        self.out = out
    }

    func onProgress(progress: SyncProgress) throws {
        out.yield(progress)
    }
}

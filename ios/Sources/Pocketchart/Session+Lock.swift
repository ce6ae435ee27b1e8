// When a session ends: by a call, by time, and when the app goes away.

import PocketchartFFI

extension Session {
    /// Whether it is open, and for how long without another call. Puts no lock off.
    public func lockState() throws(VaultError) -> LockState {
        try here { try $0.lockState() }
    }

    /// Locks now: running reads are stopped, running writes end, the files are closed and the keys zeroed. Twice is no
    /// error.
    ///
    /// - Throws: ``VaultError/Code/audit`` where the trail could not be written; it is locked all the same.
    public func lock() async throws(VaultError) {
        // Also for a cancelled task: a vault stays open for no such reason.
        do {
            try await inner.lock()
        } catch {
            throw VaultError(error)
        }
    }

    /// Another app is in front now: 30 seconds are left, and calls do not put that off. For `sceneDidEnterBackground`.
    public func background() throws(VaultError) {
        try here { try $0.background() }
    }

    /// This app is in front again. For `sceneWillEnterForeground`.
    ///
    /// - Throws: ``VaultError/Code/locked`` when it was away for too long.
    public func foreground() throws(VaultError) {
        try here { try $0.foreground() }
    }

    /// As ``background()``, and ends what runs (syncs): the system is about to stop this app. What was done until then stays
    /// done.
    public func pause() async throws(VaultError) {
        try await toItsEnd { try await $0.pause() }
    }

    /// As ``foreground()``.
    public func resume() async throws(VaultError) {
        try await toItsEnd { try await $0.resume() }
    }

    /// The state of the lock: how it is now, and ``LockState/locked`` as soon as the vault locks, by whatever. Then the
    /// stream ends. It keeps nothing open and puts no lock off but for its beginning.
    ///
    /// - Throws: ``VaultError/Code/locked``.
    public func lockStates() throws(VaultError) -> AsyncStream<LockState> {
        let (inner, first) = (inner, try lockState())
        let ticks = try here { try $0.observe(kinds: []) }
        let (states, out) = AsyncStream.makeStream(of: LockState.self, bufferingPolicy: .bufferingNewest(2))
        out.yield(first)
        let watching = Task { [weak inner] in
            await Self.end(of: ticks)
            // It is over because the vault changed hands, and goes on in the other's; or because it is locked, or gone.
            while !Task.isCancelled, let more = try? inner?.observe(kinds: []) {
                await Self.end(of: more)
            }
            out.yield(.locked)
            out.finish()
        }
        out.onTermination = { _ in watching.cancel() }
        return states
    }

    /// Waits until there are no more ticks, or the task is cancelled.
    private static func end(of ticks: Ticks) async {
        await withTaskCancellationHandler {
            while (try? await ticks.next()) != nil {}
        } onCancel: {
            try? ticks.close()
        }
    }
}

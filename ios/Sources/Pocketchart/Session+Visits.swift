// Visits: free times, asking for one, choosing, calling off. With a network or without; a sync sends it.

import PocketchartFFI

extension Session {
    /// Free times that fit, as far as this device knows. Nothing is sent.
    public func freeTimes(_ filter: FreeTimesFilter = FreeTimesFilter()) async throws(VaultError) -> FreeTimes {
        try await toItsEnd { try await $0.freeTimes(filter: filter) }
    }

    /// Keeps what is asked for; the next sync asks the server.
    ///
    /// - Throws: ``VaultError/Code/notFound`` for an unknown patient or time, ``VaultError/Code/timeNotFree``,
    ///   ``VaultError/Code/badInput``, ``VaultError/Code/notAllowed``; nothing was kept then.
    @discardableResult
    public func askForVisit(_ wish: VisitWish) async throws(VaultError) -> VisitInfo {
        try await toItsEnd { try await $0.askForVisit(wish: wish) }
    }

    /// Chooses a time for a visit: one that is offered, or another; or one to move a booking to. The next sync asks.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/timeNotFree``, ``VaultError/Code/underWay``.
    @discardableResult
    public func chooseTime(_ slot: String, forVisit visit: String) async throws(VaultError) -> VisitInfo {
        try await toItsEnd { try await $0.chooseTime(visit: visit, slot: slot) }
    }

    /// Calls a visit off. Where anything was sent for it, the next sync tells the server.
    ///
    /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/timeNotFree`` where it is over already.
    @discardableResult
    public func callOff(visit: String) async throws(VaultError) -> VisitInfo {
        try await toItsEnd { try await $0.callOff(visit: visit) }
    }

    /// The visits that this person asked for, or whose Appointments this person may read; the newest wish last.
    public func visits() async throws(VaultError) -> [VisitInfo] {
        try await toItsEnd { try await $0.visits() }
    }
}

// Servers: a hub that this device joins by a code, or any FHIR server by its address.

import Foundation
import PocketchartFFI

extension Session {
    /// Joins the hub whose operator shows this code. Nothing is sent unless the hub is the one that made it. To be called
    /// again after an interruption, and while it answers ``HubJoin/waiting(fingerprint:)``.
    ///
    /// - Throws: ``VaultError/Code/badJoinCode``; ``VaultError/Code/untrustedServer``: not the hub that made it;
    ///   ``VaultError/Code/otherHub``; ``VaultError/Code/offline``.
    public func joinHub(_ code: String) async throws(VaultError) -> HubJoin {
        try await untilCancelled { try await $0.joinHub(code: code) }
    }

    /// As ``joinHub(_:)``, until somebody has approved this device: asks every two seconds. `waiting` is given the
    /// fingerprint, which the hub's operator compares; show it. Cancelling the task ends it, and it may begin again.
    @discardableResult
    public func joinHub(
        _ code: String, waiting: @Sendable (String) async -> Void
    ) async throws(VaultError) -> ServerInfo {
        while true {
            switch try await joinHub(code) {
            case .joined(let server, _, _):
                return server
            case .waiting(let fingerprint):
                await waiting(fingerprint)
                do {
                    try await Task.sleep(nanoseconds: 2_000_000_000)
                } catch {
                    throw VaultError(error)
                }
            }
        }
    }

    /// Remembers a FHIR server once it has answered as one. What is not given stays as it was.
    ///
    /// - Parameters:
    ///   - url: its base.
    ///   - token: what it asks for.
    ///   - authority: its own certificate authority (PEM), where no public one vouches for it.
    ///   - patient: id of the only patient it is to send.
    @discardableResult
    public func addServer(
        _ url: String, token: String? = nil, authority: String? = nil, patient: String? = nil
    ) async throws(VaultError) -> ServerInfo {
        try await untilCancelled {
            try await $0.addServer(url: url, token: token, caPem: authority, patient: patient)
        }
    }

    /// The servers that this vault syncs with, in the order in which they were met.
    public func servers() throws(VaultError) -> [ServerInfo] {
        try here { try $0.servers() }
    }

    /// What syncs learned about each server that a person should know.
    public func syncState() async throws(VaultError) -> [ServerState] {
        try await toItsEnd { try await $0.syncState() }
    }
}

// What is given back: objects that were let go of, and the library's memory under many calls.
//
// The counters are of the whole process, so these run alone (`run` does that) and one after the other.

import Clinic
import Foundation
import Pocketchart
import PocketchartFFI
import Testing

/// Objects of the library that are alive, once what ends behind the caller's back has ended.
private func objects(downTo expected: Int64) async throws -> Int64 {
    for _ in 0..<100 where try liveObjects() > expected {
        try await Task.sleep(nanoseconds: 50_000_000)
    }
    return try liveObjects()
}

@Suite(.serialized) struct LeakTests {
    @Test func forgottenObjectsAreGivenBack() async throws {
        #expect(try liveObjects() == 0)
        let place = try Place()
        do {
            let (vault, session) = try await place.open()
            _ = try await Vault(home: place.home("other")).create(passphrase: passphrase)
            for _ in 0..<100 {
                var ticks = try await session.observe("Patient").makeAsyncIterator()
                _ = await ticks.next()
                _ = try await session.lockStates()
            }
            let waiting = Task { [ticks = try await session.observe("Patient")] in for await _ in ticks {} }
            #expect(try liveObjects() > 2)
            waiting.cancel()
            await waiting.value
            #expect(try await objects(downTo: 2) == 2, "a vault and a session")
            _ = (vault, session)
        }
        #expect(try await objects(downTo: 0) == 0)
    }

    @Test func aGateIsLetGoOfWithItsVault() async throws {
        let place = try Place()
        weak var gone: ScriptedGate?
        do {
            let gate = ScriptedGate()
            gone = gate
            let (_, session) = try await place.open(gate: gate)
            try await session.lock()
        }
        for _ in 0..<100 where gone != nil { try await Task.sleep(nanoseconds: 50_000_000) }
        #expect(gone == nil)
        #expect(try await objects(downTo: 0) == 0)
    }

    /// Each kind of call that needs no key derivation, no flush and no network, after a first round that fills caches.
    @Test func manyCallsKeepNothing() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        try await session.put(#"{"resourceType":"Patient","id":"p1","name":[{"family":"Kim"}]}"#)
        let cheap: [(String, Int, @Sendable () async throws -> Void)] = [
            ("lockState", 100_000, { _ = try await session.lockState() }),
            ("person", 100_000, { _ = try await session.person() }),
            ("background", 100_000, { try await session.foreground() }),
            ("exists", 100_000, { _ = try await vault.exists() }),
            ("slots", 10_000, { _ = try await vault.slots() }),
            ("judge", 10_000, { _ = try judgePassphrase(passphrase) }),
            ("newRecordID", 100_000, { _ = try newRecordID() }),
            ("error", 10_000, { _ = await code { try await session.get("nonsense") } }),
            ("get", 10_000, { _ = try await session.get("Patient/p1") }),
            ("search", 10_000, { _ = try await session.search("Patient?_count=50") }),
            ("observe", 10_000, { _ = try await session.observe("Patient") }),
            ("put", 200, { try await session.put(#"{"resourceType":"Basic","id":"b1","code":{"text":"\#(Int.random(in: 0..<1_000_000))"}}"#) }),
        ]
        for (name, times, call) in cheap {
            for _ in 0..<(times / 10) { try await call() }
            let before = try bytesInUse()
            for _ in 0..<times { try await call() }
            let more = try bytesInUse() - before
            #expect(more < 256 * 1024, "\(times) calls of \(name) keep \(more) bytes")
        }
        #expect(try await objects(downTo: 2) == 2)
    }
}

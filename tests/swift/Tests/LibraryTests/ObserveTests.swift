// Ticks: that something changed, for screens.

import Clinic
import Foundation
import Pocketchart
import Testing

private func patient(_ id: String) -> String { #"{"resourceType":"Patient","id":"\#(id)"}"# }
private let observation = #"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"Weight"}}"#

@Suite struct ObserveTests {
    @Test func theFirstTickIsThereAtOnce() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        var ticks = try await session.observe("Patient", "Observation").makeAsyncIterator()
        let first = try #require(await ticks.next())
        #expect(Set(first.kinds) == ["Patient", "Observation"])
    }

    @Test func aChangeIsTold() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        var ticks = try await session.observe("Patient", "Observation").makeAsyncIterator()
        let first = try #require(await ticks.next())
        try await session.put(patient("p1"))
        let second = try #require(await ticks.next())
        #expect(second.kinds == ["Patient"])
        #expect(second.revision > first.revision)
    }

    @Test func whatWasNotAskedForIsNotTold() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        var ticks = try await session.observe("Patient").makeAsyncIterator()
        _ = await ticks.next()
        try await session.put(observation)
        try await session.put(patient("p1"))
        let second = try #require(await ticks.next())
        #expect(second.kinds == ["Patient"])
    }

    @Test func manyChangesAreFewTicks() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        let ticks = try await session.observe("Patient")
        let counting = Task {
            var count = 0
            for await _ in ticks { count += 1 }
            return count
        }
        let begun = Date()
        for each in 0..<100 { try await session.put(patient("p\(each)")) }
        let spent = Date().timeIntervalSince(begun)
        try await session.lock()
        let count = await counting.value
        #expect(count >= 1 && Double(count) <= spent / 0.1 + 3, "\(count) ticks in \(spent) s")
    }

    @Test func theLockEndsIt() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        var ticks = try await session.observe("Patient").makeAsyncIterator()
        _ = await ticks.next()
        async let last = ticks.next()
        try await session.lock()
        #expect(await last == nil)
        #expect(await code { try await session.observe("Patient") } == .locked)
    }

    @Test func aCancelledTaskEndsIt() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        let ticks = try await session.observe("Patient")
        let listening = Task { for await _ in ticks {} }
        try await Task.sleep(nanoseconds: 50_000_000)
        listening.cancel()
        await listening.value
        // The vault is open, and another screen can listen.
        var others = try await session.observe("Patient").makeAsyncIterator()
        #expect(await others.next() != nil)
    }

    @Test func whatIsNoTypeIsSaid() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.observe("Nothing") } == .badInput)
    }

    @Test func twoScreensHearTheSame() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        var one = try await session.observe("Patient").makeAsyncIterator()
        var other = try await session.observe("Patient").makeAsyncIterator()
        (_, _) = (await one.next(), await other.next())
        try await session.put(patient("p1"))
        let (first, second) = (await one.next(), await other.next())
        #expect(first != nil && first == second)
    }
}

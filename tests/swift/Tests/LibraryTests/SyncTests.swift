// Syncs with a real hub: joining, progress, cancelling, conflicts.

import Clinic
import Foundation
import Pocketchart
import Testing

/// A device of its own that has joined the lane's hub.
func joined(_ place: Place, _ name: String) async throws -> Session {
    let hub = try Hub.ofLane()
    let session = try await place.open(name).session
    let server = try await session.joinHub(hub.code(for: "\(name)-\(UUID().uuidString)")) { fingerprint in
        try? hub.approve(fingerprint)
    }
    #expect(server.hasToken)
    return session
}

private func patient(_ id: String, phone: String, city: String = "Berlin") -> String {
    #"{"resourceType":"Patient","id":"\#(id)","telecom":[{"system":"phone","value":"\#(phone)"}],"birthDate":"1990-01-01"}"#
}

@Suite struct SyncTests {
    @Test func withoutAServerThereIsNoSync() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.sync() } == .noServer)
        #expect(try await session.servers().isEmpty)
        #expect(try await session.syncState().isEmpty)
    }

    @Test func aDeviceWaitsUntilItIsApproved() async throws {
        let place = try Place()
        let hub = try Hub.ofLane()
        let (_, session) = try await place.open()
        let code = try hub.code(for: "waiting")
        guard case .waiting(let fingerprint) = try await session.joinHub(code) else { throw ClinicError("it is in") }
        #expect(try await session.joinHub(code) == .waiting(fingerprint: fingerprint))
        try hub.approve(fingerprint)
        guard case .joined(let server, let name, let facility) = try await session.joinHub(code) else {
            throw ClinicError("it waits")
        }
        #expect(name == "waiting" && facility == "north" && server.url.hasPrefix("https://127.0.0.1"))
        #expect(try await session.servers().map(\.url) == [server.url])
        #expect(await Clinic.code { try await session.joinHub(code) } == .badJoinCode)
    }

    @Test func waitingForApprovalCanBeCancelled() async throws {
        let place = try Place()
        let code = try Hub.ofLane().code(for: "never approved")
        let (_, session) = try await place.open()
        let joining = Task { await Clinic.code { try await session.joinHub(code) { _ in } } }
        try await Task.sleep(nanoseconds: 500_000_000)
        joining.cancel()
        #expect(await joining.value == .cancelled)
    }

    @Test(arguments: ["", "pocketchart://", "https://127.0.0.1/fhir", "pocketchart://127.0.0.1:1/fhir#1.AAAA.BBBB"])
    func whatIsNoCodeIsSaid(_ text: String) async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.joinHub(text) } == .badInput)
    }

    @Test func aHubThatNobodyVouchesForIsNotTrusted() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        let url = try #require(try await session.servers().first?.url)
        let (_, other) = try await place.open("other")
        #expect(await code { try await other.addServer(url, token: "x") } == .untrustedServer)
        #expect(await code { try await other.addServer("https://127.0.0.1:1/fhir") } == .offline)
        #expect(await code { try await other.addServer("nonsense") } == .badInput)
        let ca = try String(contentsOf: Hub.ofLane().home.appendingPathComponent("hub/ca.pem"), encoding: .utf8)
        #expect(try await other.servers().isEmpty)
        // Whether the token is good, only a sync can tell: what a server can do it tells everybody.
        try await other.addServer(url, token: "wrong", authority: ca)
        #expect(await code { try await other.sync() } == .unauthorized)
        let token = try String(contentsOf: Hub.ofLane().home.appendingPathComponent("hub/token"), encoding: .utf8)
        let server = try await other.addServer(url, token: token.trimmingCharacters(in: .whitespacesAndNewlines), authority: ca)
        #expect(server.url == url && server.hasToken && server.lastSync == nil)
    }

    @Test func whatIsAtTheHubComesWithProgress() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        let (progress, told) = AsyncStream.makeStream(of: SyncProgress.self)
        let heard = Task { await progress.reduce(into: [SyncProgress]()) { $0.append($1) } }
        let report = try await session.sync(progress: told)
        let all = await heard.value
        #expect(all.contains { $0.phase == .receiving && $0.kind == "Observation" })
        #expect(all.allSatisfy { $0.done <= $0.total })
        #expect(report.servers.count == 1 && report.servers.first?.error == nil)
        #expect((report.servers.first?.received ?? 0) >= 295)
        #expect(try await session.search("Observation?subject=Patient/kim&_count=1&_total=accurate").total == 230)
        let name = try await session.search("Patient?name=thi").items.first?.what
        #expect(name?.contains("Hồng 🌻") == true)
        let state = try await session.syncState()
        #expect(state.first?.server.lastSync != nil && state.first?.skippedCount == 0)
        #expect(try await session.get("Patient/kim").state == .synced)
        #expect(try await session.get("Patient/kim").version != nil)
        #expect(try await session.sync().servers.first?.error == nil)
    }

    @Test func aCancelledSyncEndsAndTheNextOneGoesOn() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        let (progress, told) = AsyncStream.makeStream(of: SyncProgress.self)
        let syncing = Task { await code { try await session.sync(progress: told) } }
        for await _ in progress { break }
        syncing.cancel()
        let ended = await syncing.value
        #expect(ended == .cancelled || ended == nil)
        #expect(try await session.sync().servers.first?.error == nil)
        #expect(try await session.search("Observation?subject=Patient/kim&_count=1&_total=accurate").total == 230)
    }

    @Test func aCancelledTaskSyncsNothing() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await code { try await session.sync() }
        }
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(try await session.search("Patient").items.isEmpty)
    }

    @Test func pausingEndsASync() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        let (progress, told) = AsyncStream.makeStream(of: SyncProgress.self)
        let syncing = Task { await code { try await session.sync(progress: told) } }
        for await _ in progress { break }
        try await session.pause()
        let ended = await syncing.value
        #expect(ended == .cancelled || ended == nil)
        try await session.resume()
        _ = try await session.sync()
    }

    @Test func lockingWhileItSyncsEndsIt() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        let (progress, told) = AsyncStream.makeStream(of: SyncProgress.self)
        let syncing = Task { await code { try await session.sync(progress: told) } }
        for await _ in progress { break }
        try await session.lock()
        let ended = await syncing.value
        #expect(ended == .locked || ended == nil)
    }

    @Test func whatIsWrittenHereIsThereAndOnTheOtherDevice() async throws {
        let place = try Place()
        let (one, other) = (try await joined(place, "one"), try await joined(place, "other"))
        let id = try newRecordID()
        try await one.put(patient(id, phone: "1"))
        let waiting = try await one.outbox()
        #expect(waiting.map(\.reference) == ["Patient/\(id)"] && waiting.first?.changes == 1)
        let report = try await one.sync()
        #expect(report.servers.first?.sent == 1 && report.waiting == 0)
        #expect(try await one.outbox().isEmpty)
        try await other.sync()
        #expect(try await other.get("Patient/\(id)").json.contains(#""value":"1""#))
    }

    /// The same number changed on both devices.
    private func inConflict(_ place: Place) async throws -> (one: Session, other: Session, name: String) {
        let (one, other) = (try await joined(place, "one"), try await joined(place, "other"))
        let id = try newRecordID()
        try await one.put(patient(id, phone: "1"))
        try await one.sync()
        try await other.sync()
        try await one.put(patient(id, phone: "2"))
        try await other.put(patient(id, phone: "3"))
        try await one.sync()
        let report = try await other.sync()
        #expect(report.forAPerson == 1)
        return (one, other, "Patient/\(id)")
    }

    @Test func aConflictIsShownWithAllItsVersions() async throws {
        let place = try Place()
        let (_, other, name) = try await inConflict(place)
        let conflicts = try await other.conflicts()
        #expect(conflicts.map(\.reference) == [name])
        #expect(conflicts.first?.kind == .bothChanged && conflicts.first?.authors == ["owner"])
        let view = try await other.conflict(name)
        #expect(view.base?.contains(#""1""#) == true)
        #expect(view.mine?.contains(#""3""#) == true)
        #expect(view.theirs?.contains(#""2""#) == true)
        #expect(!view.differences.isEmpty && view.differences.allSatisfy { !$0.words.isEmpty })
        #expect(await code { try await other.conflict("Patient/nobody") } == .nothingWaits)
        #expect(await code { try await other.resolve("Patient/nobody", .mine) } == .nothingWaits)
        #expect(await code { try await other.resolve(name, .byPath(choices: [])) } == .undecided)
        #expect(await code { try await other.resolve(name, .edited(json: "{")) } == .badInput)
        #expect(await code { try await other.resolve(name, .mine, seen: "0") } == .changed)
        #expect(try await other.conflicts().count == 1)
    }

    @Test(arguments: ["mine", "theirs", "byPath", "edited"])
    func aConflictIsDecided(_ how: String) async throws {
        let place = try Place()
        let (one, other, name) = try await inConflict(place)
        let view = try await other.conflict(name)
        let (resolution, stands): (Resolution, String) =
            switch how {
            case "mine": (.mine, "3")
            case "theirs": (.theirs, "2")
            case "byPath": (.byPath(choices: view.differences.map { PathChoice(path: $0.path, side: .mine) }), "3")
            default: (.edited(json: patient(String(name.dropFirst(8)), phone: "4")), "4")
            }
        try await other.resolve(name, resolution, seen: view.theirsVersion)
        #expect(try await other.conflicts().isEmpty)
        try await other.sync()
        try await one.sync()
        for device in [one, other] {
            #expect(try await device.get(name).json.contains(#""value":"\#(stands)""#))
        }
    }

    @Test func whatTheHubRefusesIsKept() async throws {
        let place = try Place()
        let hub = try Hub.ofLane()
        // A nurse by the hub's word, who was an owner on the device and wrote what nurses may not.
        let (_, session) = try await place.open()
        let code = try hub.code(for: "nurse-\(UUID().uuidString)", role: "nurse")
        let id = try newRecordID()
        try await session.put(#"{"resourceType":"Condition","id":"\#(id)","subject":{"reference":"Patient/kim"}}"#)
        try await session.joinHub(code) { fingerprint in try? hub.approve(fingerprint) }
        let report = try await session.sync()
        #expect(report.servers.first?.refused == 1)
        let refused = try await session.quarantine()
        #expect(refused.map(\.reference) == ["Condition/\(id)"])
        try await session.sendAgain("Condition/\(id)")
        #expect(try await session.quarantine().isEmpty)
        _ = try await session.sync()
        #expect(try await session.quarantine().count == 1)
        try await session.discardRefused("Condition/\(id)")
        #expect(try await session.quarantine().isEmpty)
        #expect(await Clinic.code { try await session.get("Condition/\(id)") } == .notFound)
        #expect(await Clinic.code { try await session.sendAgain("Condition/\(id)") } == .nothingWaits)
        #expect(await Clinic.code { try await session.discardRefused("Condition/\(id)") } == .nothingWaits)
    }

    @Test func twoSyncsAtOnceTakeTurns() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        async let one = session.sync()
        async let other = session.sync()
        let received = try await [one, other].map { $0.servers.first?.received ?? 0 }
        // What others write meanwhile comes with the second.
        #expect((received.max() ?? 0) >= 295 && (received.min() ?? 0) < 295)
    }

    @Test func aShutOutDeviceIsToldSo() async throws {
        let place = try Place()
        let hub = try Hub.ofLane()
        let (_, session) = try await place.open()
        let shutOut = Fingerprint()
        try await session.joinHub(hub.code(for: "lost")) { fingerprint in
            await shutOut.set(fingerprint)
            try? hub.approve(fingerprint)
        }
        try hub.revoke(await shutOut.text)
        #expect(await code { try await session.sync() } == .unauthorized)
    }
}

private actor Fingerprint {
    private(set) var text = ""
    func set(_ new: String) { text = new }
}

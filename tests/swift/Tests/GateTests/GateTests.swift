// The gate of iPhones, on a phone in memory: what it gives back, and what it says of each failure.

import Clinic
import Foundation
import Pocketchart
import Testing

private let secret = Data((0..<32).map { $0 })

private func error<T>(of work: () async throws -> T) async -> GateError? {
    do {
        _ = try await work()
        return nil
    } catch {
        return error as? GateError
    }
}

@Suite struct GateTests {
    @Test func aFingerGivesBackWhatWasSealed() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        #expect(sealed.range(of: secret) == nil)
        let opened = try await gate.release(alias: "a", sealed: sealed, reason: "Open Kim's records")
        #expect(opened == secret)
        #expect(app.device.reasons == ["Open Kim's records"])
    }

    @Test func itIsOpenedAfterTheAppWasStartedAgain() async throws {
        let app = FakeApp()
        let sealed = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        let opened = try await app.gate().release(alias: "a", sealed: sealed, reason: "")
        #expect(opened == secret)
    }

    @Test func oneSlotsSecretIsNotOpenedByAnothersKey() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        _ = try await gate.enroll(alias: "b", policy: .person, secret: secret)
        #expect(await error { try await gate.release(alias: "b", sealed: sealed, reason: "") } == .TryAgain)
    }

    @Test(arguments: [
        (PlatformFailure(.authentication, -1), GateError.Refused),
        (PlatformFailure(.authentication, -2), .Cancelled),
        (PlatformFailure(.authentication, -3), .Cancelled),
        (PlatformFailure(.authentication, -4), .Cancelled),
        (PlatformFailure(.authentication, -5), .Unavailable),
        (PlatformFailure(.authentication, -6), .Unavailable),
        (PlatformFailure(.authentication, -7), .Unavailable),
        (PlatformFailure(.authentication, -8), .LockedOut),
        (PlatformFailure(.authentication, -9), .Cancelled),
        (PlatformFailure(.authentication, -10), .TryAgain),
        (PlatformFailure(.authentication, -1004), .TryAgain),
        (PlatformFailure(.keychain, -25308), .TryAgain),
        (PlatformFailure(.keychain, -34018), .Unavailable),
        (PlatformFailure(.other, 1), .TryAgain),
    ])
    func whatTheSheetSays(_ failure: PlatformFailure, _ told: GateError) async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.show(.fails(failure))
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == told)
        app.device.show(.recognises)
        let opened = try await gate.release(alias: "a", sealed: sealed, reason: "")
        #expect(opened == secret)
    }

    @Test(arguments: [
        (PlatformFailure(.keychain, -25300), GateError.Lost),
        (PlatformFailure(.keychain, -25308), .TryAgain),
        (PlatformFailure(.keychain, -25293), .Refused),
        (PlatformFailure(.keychain, -128), .Cancelled),
        (PlatformFailure(.keychain, -26275), .TryAgain),
        (PlatformFailure(.token, -3), .TryAgain),
        (PlatformFailure(.token, 6), .TryAgain),
    ])
    func whatTheKeySaysWithTheSameFingers(_ failure: PlatformFailure, _ told: GateError) async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.failOnce(failure)
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == told)
        #expect(app.device.keyCount == 1)
    }

    @Test func anotherFingerLosesTheKeyForGood() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.addFinger()
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == .Lost)
    }

    @Test func anotherFingerAndALockedScreenIsStillLater() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.addFinger()
        app.device.failOnce(PlatformFailure(.keychain, -25308))
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == .TryAgain)
    }

    @Test func aSystemUpdateThatRenamesTheFingersLosesNothing() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.renameFingers()
        let opened = try await gate.release(alias: "a", sealed: sealed, reason: "")
        #expect(opened == secret)
        app.device.show(.fails(PlatformFailure(.authentication, -1)))
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == .Refused)
    }

    @Test func aKeyThatIsGoneIsLostAndNobodyIsAsked() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.loseKeys()
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == .Lost)
        #expect(await error { try await gate.evaluate(alias: "a", input: secret) } == .Lost)
        #expect(app.device.reasons.isEmpty)
        #expect(app.device.keyCount == 0)
    }

    @Test func takingTheTaskAwayTakesTheSheetAway() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.show(.hangs)
        let asking = Task { try await gate.release(alias: "a", sealed: sealed, reason: "") }
        while app.device.reasons.isEmpty { await Task.yield() }
        asking.cancel()
        #expect(await error { try await asking.value } == .Cancelled)
    }

    @Test(arguments: [Data(), Data([1]), Data([1, 200, 3]), Data([2, 0, 1, 2, 3]), Data([1, 1, 9])])
    func sealedBytesOfAnotherFormOpenNothing(_ sealed: Data) async throws {
        let app = FakeApp()
        let gate = app.gate()
        _ = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == .TryAgain)
        #expect(app.device.reasons.isEmpty)
    }

    @Test func theFunctionIsTheSameEachTimeAndAnotherForEachSlot() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .evaluate, secret: Data())
        _ = try await gate.enroll(alias: "b", policy: .evaluate, secret: Data())
        #expect(sealed.isEmpty)
        let once = try await gate.evaluate(alias: "a", input: secret)
        #expect(once.count == 32)
        #expect(try await gate.evaluate(alias: "a", input: secret) == once)
        #expect(try await app.gate().evaluate(alias: "a", input: secret) == once)
        #expect(try await gate.evaluate(alias: "b", input: secret) != once)
        #expect(try await gate.evaluate(alias: "a", input: Data([1])) != once)
        #expect(app.device.reasons.isEmpty)
    }

    @Test func anOutputOfAnotherLengthIsNoOutput() async throws {
        let app = FakeApp()
        let gate = app.gate()
        _ = try await gate.enroll(alias: "a", policy: .evaluate, secret: Data())
        app.device.giveShortOutput()
        #expect(await error { try await gate.evaluate(alias: "a", input: secret) } == .TryAgain)
    }

    @Test func theFunctionOutlivesNewFingers() async throws {
        let app = FakeApp()
        let gate = app.gate()
        _ = try await gate.enroll(alias: "a", policy: .evaluate, secret: Data())
        let before = try await gate.evaluate(alias: "a", input: secret)
        app.device.addFinger()
        #expect(try await gate.evaluate(alias: "a", input: secret) == before)
    }

    @Test func destroyingTwiceIsNoError() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        try await gate.destroy(alias: "a")
        try await gate.destroy(alias: "a")
        #expect(app.device.keyCount == 0)
        #expect(await error { try await gate.release(alias: "a", sealed: sealed, reason: "") } == .Lost)
    }

    @Test func destroyingWhileLockedSaysLaterAndDestroysNothing() async throws {
        let app = FakeApp()
        let gate = app.gate()
        _ = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        app.device.lockScreen(true)
        #expect(await error { try await gate.destroy(alias: "a") } == .TryAgain)
        #expect(app.device.keyCount == 1)
    }

    @Test func aKeyThatIsThereIsNeverMadeAnew() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let sealed = try await gate.enroll(alias: "a", policy: .person, secret: secret)
        #expect(await error { try await gate.enroll(alias: "a", policy: .person, secret: secret) } == .TryAgain)
        #expect(await error { try await gate.enroll(alias: "a", policy: .evaluate, secret: Data()) } == .TryAgain)
        let opened = try await gate.release(alias: "a", sealed: sealed, reason: "")
        #expect(opened == secret)
    }

    @Test func whereTheSlotCannotBeMadeNoKeyIsLeft() async throws {
        let app = FakeApp()
        let gate = app.gate()
        for failure in [PlatformFailure(.authentication, -7), PlatformFailure(.authentication, -5)] {
            app.device.disturb(failure)
            #expect(await error { try await gate.enroll(alias: "a", policy: .person, secret: secret) } == .Unavailable)
        }
        app.device.disturb(PlatformFailure(.authentication, -8))
        #expect(await error { try await gate.enroll(alias: "a", policy: .person, secret: secret) } == .LockedOut)
        app.device.disturb(nil)
        app.device.isPresent = false
        #expect(await error { try await gate.enroll(alias: "a", policy: .person, secret: secret) } == .Unavailable)
        #expect(await error { try await gate.enroll(alias: "a", policy: .evaluate, secret: Data()) } == .Unavailable)
        #expect(app.device.keyCount == 0)
    }
}

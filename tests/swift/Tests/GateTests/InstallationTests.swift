// The keychain outlives the app: which keys are an earlier installation's, and which must never be touched.

import Clinic
import Foundation
import Pocketchart
import Testing

@Suite struct InstallationTests {
    private let secret = Data(repeating: 7, count: 32)

    @Test func aNewInstallationMarksBothPlaces() async throws {
        let app = FakeApp()
        _ = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        #expect(app.device.mark?.count == 16)
        #expect(try Data(contentsOf: app.markFile) == app.device.mark)
    }

    @Test func keysOfADeletedAppAreDestroyedByTheNextOne() async throws {
        let app = FakeApp()
        let sealed = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        try app.makeVault()
        let before = app.device.mark
        app.uninstall()
        #expect(app.device.keyCount == 1)
        let again = app.gate()
        await #expect(throws: GateError.Lost) { try await again.release(alias: "a", sealed: sealed, reason: "") }
        #expect(app.device.keyCount == 0)
        #expect(app.device.mark != before)
        _ = try await again.enroll(alias: "a", policy: .person, secret: secret)
        _ = try await app.gate().evaluate(alias: "a", input: secret)
        #expect(app.device.keyCount == 1)
    }

    @Test func whereThereIsAVaultNoKeyIsTouched() async throws {
        let app = FakeApp()
        let sealed = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        try app.makeVault()
        let before = app.device.mark
        try FileManager.default.removeItem(at: app.markFile)
        let opened = try await app.gate().release(alias: "a", sealed: sealed, reason: "")
        #expect(opened == secret)
        #expect(app.device.mark == before)
        #expect(try Data(contentsOf: app.markFile) == before)
    }

    @Test func filesOfABackupOnAnotherPhoneFindTheirKeysLost() async throws {
        let app = FakeApp()
        let sealed = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        try app.makeVault()
        app.device.loseKeys()
        app.device.loseKeychain()
        let gate = app.gate()
        await #expect(throws: GateError.Lost) { try await gate.release(alias: "a", sealed: sealed, reason: "") }
        #expect(try Data(contentsOf: app.markFile) == app.device.mark)
        // And the phone can have a slot of its own.
        let new = try await gate.enroll(alias: "b", policy: .person, secret: secret)
        let opened = try await app.gate().release(alias: "b", sealed: new, reason: "")
        #expect(opened == secret)
    }

    @Test func startedWhileLockedItChangesNothingAndWorksLater() async throws {
        let app = FakeApp()
        let sealed = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        let before = app.device.mark
        // Ahead of the person: the keychain is shut, and the app finds no files either.
        try FileManager.default.removeItem(at: app.markFile)
        try app.makeVault()
        app.device.lockScreen(true)
        let gate = app.gate()
        await #expect(throws: GateError.TryAgain) { try await gate.release(alias: "a", sealed: sealed, reason: "") }
        await #expect(throws: GateError.TryAgain) { try await gate.enroll(alias: "b", policy: .person, secret: secret) }
        #expect(app.device.keyCount == 1)
        #expect(!FileManager.default.fileExists(atPath: app.markFile.path))
        app.device.lockScreen(false)
        let opened = try await gate.release(alias: "a", sealed: sealed, reason: "")
        #expect(opened == secret)
        #expect(app.device.mark == before)
    }

    @Test func aNewInstallationStartedWhileLockedMakesNoKey() async throws {
        let app = FakeApp()
        app.device.lockScreen(true)
        let gate = app.gate()
        await #expect(throws: GateError.TryAgain) { try await gate.enroll(alias: "a", policy: .person, secret: secret) }
        app.device.lockScreen(false)
        #expect(app.device.keyCount == 0)
        #expect(app.device.mark == nil)
    }

    @Test func aMarkThatCannotBeReadIsLater() async throws {
        let app = FakeApp()
        let sealed = try await app.gate().enroll(alias: "a", policy: .person, secret: secret)
        // A folder in its place: it is there, and no bytes come out of it.
        try FileManager.default.removeItem(at: app.markFile)
        try FileManager.default.createDirectory(at: app.markFile, withIntermediateDirectories: true)
        let gate = app.gate()
        await #expect(throws: GateError.TryAgain) { try await gate.release(alias: "a", sealed: sealed, reason: "") }
        #expect(app.device.keyCount == 1)
    }

    @Test func manyAtOnceAgreeOnOneMark() async throws {
        let app = FakeApp()
        let gate = app.gate()
        let secret = self.secret
        try await withThrowingTaskGroup(of: Void.self) { group in
            for each in 0..<50 {
                group.addTask { _ = try await gate.enroll(alias: "slot-\(each)", policy: .person, secret: secret) }
            }
            try await group.waitForAll()
        }
        #expect(app.device.keyCount == 50)
        #expect(try Data(contentsOf: app.markFile) == app.device.mark)
    }
}

// Keys in the keychain outlive the app; this tells an earlier installation's from ours.

import Foundation

/// Compares a mark in the app's files with one in the keychain. Deleting the app deletes the file only, so a keychain
/// with a mark and files without one mean: these keys belong to a vault that is gone.
///
/// | file | keychain | vault | done |
/// |---|---|---|---|
/// | none | none | | a new installation: both marks are written |
/// | none | a mark | no | the app was deleted and installed again: the old keys are destroyed, both marks are written |
/// | none | a mark | yes | the file was lost: it is written again. **No key is touched where there is a vault** |
/// | a mark | another, or none | | files came from a backup: the keychain takes their mark. Keys that are missing show when used |
/// | a mark | the same | | nothing |
///
/// A keychain or file that cannot be read (locked phone, app started ahead of the person) throws and changes nothing.
actor Installation {
    private static let item = "installation"

    private let keychain: any KeychainStore
    private let keys: any EnclaveKeys
    private let home: URL
    private var settled = false

    init(keychain: any KeychainStore, keys: any EnclaveKeys, home: URL) {
        self.keychain = keychain
        self.keys = keys
        self.home = home
    }

    /// Beside the vault's folder, so that it shares its fate in backups and is not the vault's to wipe.
    private var file: URL {
        home.deletingLastPathComponent().appendingPathComponent(home.lastPathComponent + ".installation")
    }

    /// Does what the table says, once.
    func settle() throws {
        if settled { return }
        let inKeychain = try keychain.read(Self.item)
        let inFile = try readFile()
        switch (inFile, inKeychain) {
        case (nil, nil):
            try mark(with: Self.drawn())
        case (nil, let old?):
            if try vaultIsThere() {
                try writeFile(old)
            } else {
                try keys.destroyAll()
                try mark(with: Self.drawn())
            }
        case (let own?, let other) where own != other:
            try keychain.write(Self.item, own)
        default:
            break
        }
        settled = true
    }

    /// The keychain last: a mark there says that the file was written.
    private func mark(with value: Data) throws {
        try writeFile(value)
        try keychain.write(Self.item, value)
    }

    private func readFile() throws -> Data? {
        do {
            return try Data(contentsOf: file)
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
            return nil
        } catch {
            throw PlatformFailure(.other, 0)
        }
    }

    private func writeFile(_ value: Data) throws {
        do {
            let folder = file.deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try value.write(to: file, options: .atomic)
            try VaultHome.keepOutOfBackups(file)
        } catch {
            throw PlatformFailure(.other, 0)
        }
    }

    /// Anything in the folder counts, and so does a folder that cannot be read.
    private func vaultIsThere() throws -> Bool {
        do {
            return try !FileManager.default.contentsOfDirectory(atPath: home.path).isEmpty
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            return false
        } catch {
            throw PlatformFailure(.other, 0)
        }
    }

    private static func drawn() -> Data {
        var random = SystemRandomNumberGenerator()
        return Data((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }
}

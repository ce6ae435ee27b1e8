// Where a vault lies on an iPhone, and what the system does with that folder.

import Foundation

/// The folder of a vault.
public enum VaultHome {
    /// `Application Support/pocketchart`, made ready: in no backup, and readable once the phone was unlocked after a
    /// start. Everything in it is encrypted besides; the stricter protection class of iOS would take the files away
    /// from an open vault as soon as the screen locks, in the middle of a write.
    ///
    /// Keys of the Secure Enclave are in no backup, so a copied folder would open with the recovery code at most: the
    /// records come back from their server instead.
    public static func standard() throws -> URL {
        let support = try FileManager.default.url(
            for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        let home = support.appendingPathComponent("pocketchart", isDirectory: true)
        try prepare(home)
        return home
    }

    /// Does the same for a folder of the app's own choice, and makes it where there is none.
    public static func prepare(_ home: URL) throws {
        var attributes: [FileAttributeKey: Any] = [:]
        #if os(iOS) || os(tvOS) || os(watchOS) || os(visionOS)
        attributes[.protectionKey] = FileProtectionType.completeUntilFirstUserAuthentication
        #endif
        try FileManager.default.createDirectory(
            at: home, withIntermediateDirectories: true, attributes: attributes)
        try keepOutOfBackups(home)
    }

    /// Linux has no such mark.
    static func keepOutOfBackups(_ url: URL) throws {
        #if canImport(Darwin)
        var url = url
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try url.setResourceValues(values)
        #endif
    }
}

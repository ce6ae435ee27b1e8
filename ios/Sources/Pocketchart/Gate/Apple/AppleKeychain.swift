// The keychain itself. Compiled on Apple's systems only: docs/devices.md.

#if canImport(Security) && canImport(LocalAuthentication)
import Foundation
import Security

/// Small values as generic passwords of one service: of this device only, in no backup. They can be read once the phone
/// was unlocked after a start, so that an app started ahead of the person is told "later" and not "there is none".
struct AppleKeychain: KeychainStore {
    let service: String

    private func query(_ name: String) -> [CFString: Any] {
        [
            kSecClass: kSecClassGenericPassword,
            kSecAttrService: service,
            kSecAttrAccount: name,
            kSecUseDataProtectionKeychain: true,
            kSecAttrSynchronizable: false,
        ]
    }

    func read(_ name: String) throws -> Data? {
        var query = query(name)
        query[kSecReturnData] = true
        query[kSecMatchLimit] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        if status == errSecItemNotFound { return nil }
        guard status == errSecSuccess, let value = found as? Data else { throw PlatformFailure(status: status) }
        return value
    }

    func write(_ name: String, _ value: Data) throws {
        let change = [kSecValueData: value] as [CFString: Any]
        var status = SecItemUpdate(query(name) as CFDictionary, change as CFDictionary)
        if status == errSecItemNotFound {
            var new = query(name)
            new[kSecValueData] = value
            new[kSecAttrAccessible] = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
            status = SecItemAdd(new as CFDictionary, nil)
        }
        guard status == errSecSuccess else { throw PlatformFailure(status: status) }
    }
}
#endif

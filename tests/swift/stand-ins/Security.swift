// Names and shapes of Apple's Security framework, for the type checker. Nothing here works, and nothing runs it.
//
// It shows that ios/Sources/Pocketchart/Gate/Apple holds together on our side. It says nothing about Apple's.

@_exported import Foundation

public typealias OSStatus = Int32
public typealias CFTypeRef = AnyObject
public typealias CFDictionary = Any
public typealias CFData = Data
public final class CFError: Error, Sendable {}
public final class CFString: Hashable, Sendable {
    public static func == (one: CFString, other: CFString) -> Bool { one === other }
    public func hash(into hasher: inout Hasher) {}
}
public final class SecKey {}
public final class SecAccessControl {}
public typealias ErrorOut = UnsafeMutablePointer<Unmanaged<CFError>?>?

public struct SecAccessControlCreateFlags: OptionSet, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    public static let privateKeyUsage = Self(rawValue: 1)
    public static let biometryCurrentSet = Self(rawValue: 2)
}

public struct SecKeyAlgorithm: Sendable {
    public static let eciesEncryptionCofactorVariableIVX963SHA256AESGCM = Self()
    public static let ecdhKeyExchangeStandard = Self()
}

public let
    kSecClass = CFString(), kSecClassGenericPassword = CFString(), kSecAttrService = CFString(),
    kSecAttrAccount = CFString(), kSecUseDataProtectionKeychain = CFString(),
    kSecAttrSynchronizable = CFString(), kSecReturnData = CFString(), kSecMatchLimit = CFString(),
    kSecMatchLimitOne = CFString(), kSecValueData = CFString(), kSecAttrAccessible = CFString(),
    kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly = CFString(), kSecClassKey = CFString(),
    kSecAttrKeyType = CFString(), kSecAttrKeyTypeECSECPrimeRandom = CFString(),
    kSecAttrLabel = CFString(), kSecAttrApplicationTag = CFString(),
    kSecAttrAccessibleWhenPasscodeSetThisDeviceOnly = CFString(),
    kSecAttrAccessibleWhenUnlockedThisDeviceOnly = CFString(), kSecAttrKeySizeInBits = CFString(),
    kSecAttrTokenID = CFString(), kSecAttrTokenIDSecureEnclave = CFString(),
    kSecPrivateKeyAttrs = CFString(), kSecAttrIsPermanent = CFString(),
    kSecAttrAccessControl = CFString(), kSecReturnRef = CFString(),
    kSecUseAuthenticationContext = CFString(), kSecAttrKeyClass = CFString(),
    kSecAttrKeyClassPublic = CFString()
public let errSecSuccess: OSStatus = 0
public let errSecDuplicateItem: OSStatus = -25299
public let errSecItemNotFound: OSStatus = -25300

public func SecItemCopyMatching(_ query: CFDictionary, _ found: UnsafeMutablePointer<CFTypeRef?>?) -> OSStatus { 0 }
public func SecItemUpdate(_ query: CFDictionary, _ change: CFDictionary) -> OSStatus { 0 }
public func SecItemAdd(_ new: CFDictionary, _ added: UnsafeMutablePointer<CFTypeRef?>?) -> OSStatus { 0 }
public func SecItemDelete(_ query: CFDictionary) -> OSStatus { 0 }
public func SecAccessControlCreateWithFlags(
    _ allocator: AnyObject?, _ protection: CFTypeRef, _ flags: SecAccessControlCreateFlags, _ error: ErrorOut
) -> SecAccessControl? { nil }
public func SecKeyCreateRandomKey(_ attributes: CFDictionary, _ error: ErrorOut) -> SecKey? { nil }
public func SecKeyCopyPublicKey(_ key: SecKey) -> SecKey? { nil }
public func SecKeyCreateEncryptedData(
    _ key: SecKey, _ algorithm: SecKeyAlgorithm, _ text: CFData, _ error: ErrorOut
) -> CFData? { nil }
public func SecKeyCreateDecryptedData(
    _ key: SecKey, _ algorithm: SecKeyAlgorithm, _ text: CFData, _ error: ErrorOut
) -> CFData? { nil }
public func SecKeyCreateWithData(_ data: CFData, _ attributes: CFDictionary, _ error: ErrorOut) -> SecKey? { nil }
public func SecKeyCopyKeyExchangeResult(
    _ key: SecKey, _ algorithm: SecKeyAlgorithm, _ other: SecKey, _ parameters: CFDictionary, _ error: ErrorOut
) -> CFData? { nil }
public func CFGetTypeID(_ of: CFTypeRef) -> UInt { 0 }
public func SecKeyGetTypeID() -> UInt { 0 }

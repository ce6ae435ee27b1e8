// The Secure Enclave itself. Compiled on Apple's systems only: docs/devices.md.

#if canImport(Security) && canImport(LocalAuthentication)
import CryptoKit
import Foundation
import LocalAuthentication
import Security

/// P-256 keys of the Secure Enclave, kept in the keychain under a tag each.
struct AppleEnclaveKeys: EnclaveKeys {
    private static let sealing = SecKeyAlgorithm.eciesEncryptionCofactorVariableIVX963SHA256AESGCM

    /// The keychain's label of every key, so that those of an earlier installation can be found together.
    let service: String

    var isPresent: Bool { SecureEnclave.isAvailable }

    private func all() -> [CFString: Any] {
        [
            kSecClass: kSecClassKey,
            kSecAttrKeyType: kSecAttrKeyTypeECSECPrimeRandom,
            kSecAttrLabel: service,
            kSecUseDataProtectionKeychain: true,
        ]
    }

    private func one(_ name: String) -> [CFString: Any] {
        all().merging([kSecAttrApplicationTag: tag(name)]) { $1 }
    }

    private func tag(_ name: String) -> Data {
        Data("\(service)/\(name)".utf8)
    }

    /// A key of finger or face needs a passcode on the phone and is gone with it. The function's key is not: a person
    /// who removes the passcode would else be left with the recovery code alone.
    private func access(_ use: KeyUse) throws -> SecAccessControl {
        let (protection, flags): (CFString, SecAccessControlCreateFlags) =
            switch use {
            case .person: (kSecAttrAccessibleWhenPasscodeSetThisDeviceOnly, [.privateKeyUsage, .biometryCurrentSet])
            case .function: (kSecAttrAccessibleWhenUnlockedThisDeviceOnly, [.privateKeyUsage])
            }
        var error: Unmanaged<CFError>?
        guard let access = SecAccessControlCreateWithFlags(nil, protection, flags, &error) else {
            throw PlatformFailure(error: error)
        }
        return access
    }

    /// The keychain takes a second key under the same tag, so it is looked for first.
    func make(_ name: String, for use: KeyUse) throws {
        guard try !exists(name) else { throw PlatformFailure(status: errSecDuplicateItem) }
        let attributes: [CFString: Any] = [
            kSecAttrKeyType: kSecAttrKeyTypeECSECPrimeRandom,
            kSecAttrKeySizeInBits: 256,
            kSecAttrTokenID: kSecAttrTokenIDSecureEnclave,
            kSecUseDataProtectionKeychain: true,
            kSecPrivateKeyAttrs: [
                kSecAttrIsPermanent: true,
                kSecAttrApplicationTag: tag(name),
                kSecAttrLabel: service,
                kSecAttrAccessControl: try access(use),
            ] as [CFString: Any],
        ]
        var error: Unmanaged<CFError>?
        guard SecKeyCreateRandomKey(attributes as CFDictionary, &error) != nil else {
            throw PlatformFailure(error: error)
        }
    }

    /// Looking a key up uses nothing of it, so nobody is asked.
    func exists(_ name: String) throws -> Bool {
        let status = SecItemCopyMatching(one(name) as CFDictionary, nil)
        switch status {
        case errSecSuccess: return true
        case errSecItemNotFound: return false
        default: throw PlatformFailure(status: status)
        }
    }

    private func key(_ name: String, context: LAContext?) throws -> SecKey {
        var query = one(name)
        query[kSecReturnRef] = true
        if let context { query[kSecUseAuthenticationContext] = context }
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        guard status == errSecSuccess, let found, CFGetTypeID(found) == SecKeyGetTypeID() else {
            throw PlatformFailure(status: status)
        }
        return found as! SecKey // asked above: a CF type has no cast that can fail
    }

    func seal(_ secret: Data, to name: String) throws -> Data {
        guard let half = SecKeyCopyPublicKey(try key(name, context: nil)) else { throw PlatformFailure(.other, 0) }
        var error: Unmanaged<CFError>?
        guard let sealed = SecKeyCreateEncryptedData(half, Self.sealing, secret as CFData, &error) else {
            throw PlatformFailure(error: error)
        }
        return sealed as Data
    }

    func open(_ sealed: Data, with name: String, approval: any Approval) throws -> Data {
        guard let approval = approval as? AppleApproval else { throw PlatformFailure(.other, 0) }
        let key = try key(name, context: approval.context)
        var error: Unmanaged<CFError>?
        guard let secret = SecKeyCreateDecryptedData(key, Self.sealing, sealed as CFData, &error) else {
            throw PlatformFailure(error: error)
        }
        return secret as Data
    }

    /// Diffie-Hellman of the key with a point made of the input, whose own logarithm nobody knows; then HKDF.
    func evaluate(_ input: Data, with name: String) throws -> Data {
        let point = try HashedPoint.of(input)
        let attributes: [CFString: Any] = [
            kSecAttrKeyType: kSecAttrKeyTypeECSECPrimeRandom,
            kSecAttrKeyClass: kSecAttrKeyClassPublic,
            kSecAttrKeySizeInBits: 256,
        ]
        var error: Unmanaged<CFError>?
        guard let other = SecKeyCreateWithData(point as CFData, attributes as CFDictionary, &error),
            let shared = SecKeyCopyKeyExchangeResult(
                try key(name, context: nil), .ecdhKeyExchangeStandard, other, [:] as CFDictionary, &error)
        else {
            throw PlatformFailure(error: error)
        }
        let output = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: shared as Data),
            salt: SHA256.hash(data: input).withUnsafeBytes { Data($0) },
            info: Data("pocketchart/1/enclave-evaluate".utf8),
            outputByteCount: 32)
        return output.withUnsafeBytes { Data($0) }
    }

    func destroy(_ name: String) throws {
        try delete(one(name))
    }

    func destroyAll() throws {
        try delete(all())
    }

    private func delete(_ query: [CFString: Any]) throws {
        let status = SecItemDelete(query as CFDictionary)
        guard status == errSecSuccess || status == errSecItemNotFound else { throw PlatformFailure(status: status) }
    }
}
#endif

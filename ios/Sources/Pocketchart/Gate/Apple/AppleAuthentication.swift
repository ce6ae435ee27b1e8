// The system's sheet for finger and face. Compiled on Apple's systems only: docs/devices.md.

#if canImport(Security) && canImport(LocalAuthentication)
import Foundation
import LocalAuthentication
import Security

/// A context in which a person was recognised. `LAContext` may be used from any thread.
final class AppleApproval: Approval, @unchecked Sendable {
    let context: LAContext

    init(_ context: LAContext) {
        self.context = context
    }
}

/// Asks through `LAContext`. The app may hand in contexts of its own, for instance with its own words on the buttons.
struct AppleAuthentication: LocalAuthentication {
    let contexts: @Sendable () -> LAContext

    func biometry() throws -> Data {
        let context = contexts()
        var error: NSError?
        guard context.canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: &error) else {
            throw error.map { PlatformFailure(error: $0) } ?? PlatformFailure(.other, 0)
        }
        // Named "old" from iOS 18 on; the new form gives other bytes, and marks that stand in headers must compare.
        guard let mark = context.evaluatedPolicyDomainState else { throw PlatformFailure(.other, 0) }
        return mark
    }

    /// Without "Enter passcode" on the sheet: the key would refuse the passcode, and the vault has slots of its own.
    func approve(reason: String) async throws -> any Approval {
        let approval = AppleApproval(contexts())
        approval.context.localizedFallbackTitle = ""
        approval.context.localizedReason = reason
        return try await withTaskCancellationHandler {
            do {
                try await approval.context.evaluatePolicy(
                    .deviceOwnerAuthenticationWithBiometrics, localizedReason: reason)
                return approval
            } catch {
                throw PlatformFailure(error: error)
            }
        } onCancel: {
            approval.context.invalidate()
        }
    }
}

extension SecureEnclaveKeyGate {
    /// The gate of this device.
    ///
    /// - Parameters:
    ///   - home: the vault's folder.
    ///   - service: the name in the keychain; one of its own for each vault of an app.
    ///   - contexts: a new context for each question to the person.
    public convenience init(
        home: URL,
        service: String = "org.pocketchart",
        contexts: @escaping @Sendable () -> LAContext = { LAContext() }
    ) {
        self.init(
            home: home,
            keys: AppleEnclaveKeys(service: service),
            keychain: AppleKeychain(service: service),
            authentication: AppleAuthentication(contexts: contexts))
    }
}
#endif

// What a platform call answered, carried as a number until it is judged.
//
// The Apple side only reports; what a number means is decided in one place that runs, and is tested, everywhere.

import PocketchartFFI

/// Why a call to the keychain, the Secure Enclave or the face and finger sensor failed: where it came from and the
/// platform's own number. It holds no text, so that no alias and no name travels with it.
public struct PlatformFailure: Error, Equatable, Sendable {
    /// Whose number it is.
    public enum Source: Sendable {
        /// An `OSStatus` of the Security framework.
        case keychain
        /// A code of `LAError`.
        case authentication
        /// A code of CryptoTokenKit, which speaks for the Secure Enclave.
        case token
        /// Anything else.
        case other
    }

    /// Whose number it is.
    public let source: Source
    /// The platform's number.
    public let code: Int

    /// A failure as the platform reported it.
    public init(_ source: Source, _ code: Int) {
        self.source = source
        self.code = code
    }
}

/// The platform's numbers that mean something of their own here. They are written out because the headers that name
/// them exist on Apple's systems only.
enum PlatformCode {
    static let itemNotFound = -25300
    static let interactionNotAllowed = -25308
    static let authFailed = -25293
    static let userCanceled = -128
    static let missingEntitlement = -34018

    static let notRecognised = -1
    static let userCancel = -2
    static let userFallback = -3
    static let systemCancel = -4
    static let passcodeNotSet = -5
    static let biometryNotAvailable = -6
    static let biometryNotEnrolled = -7
    static let biometryLockout = -8
    static let appCancel = -9
}

extension PlatformFailure {
    /// What the app is told. Only a key that is not there is lost; whatever is not known may work the next time.
    var meaning: GateError {
        switch (source, code) {
        case (.keychain, PlatformCode.itemNotFound):
            return .Lost
        case (.keychain, PlatformCode.interactionNotAllowed):
            // The phone is locked, or the system started the app ahead of the person. Later, and never "make a key".
            return .TryAgain
        case (.keychain, PlatformCode.authFailed), (.authentication, PlatformCode.notRecognised):
            return .Refused
        case (.keychain, PlatformCode.userCanceled),
            (.authentication, PlatformCode.userCancel),
            (.authentication, PlatformCode.userFallback),
            (.authentication, PlatformCode.systemCancel),
            (.authentication, PlatformCode.appCancel):
            return .Cancelled
        case (.authentication, PlatformCode.biometryLockout):
            return .LockedOut
        case (.keychain, PlatformCode.missingEntitlement),
            (.authentication, PlatformCode.passcodeNotSet),
            (.authentication, PlatformCode.biometryNotAvailable),
            (.authentication, PlatformCode.biometryNotEnrolled):
            return .Unavailable
        default:
            return .TryAgain
        }
    }

    /// What it means when a key failed **after** the person was recognised. If other fingers or another face are set up
    /// than when the key was made, the Secure Enclave will never use this key again.
    ///
    /// Both must hold: the system's mark of the set may change with a system update while the key goes on working, and
    /// the Secure Enclave fails for passing reasons too. A locked phone stays "later" whatever the mark says.
    func meaning(ofKeyWhoseSetChanged changed: Bool) -> GateError {
        let fails = source == .token || (source == .keychain && code == PlatformCode.authFailed)
        return fails && changed ? .Lost : meaning
    }
}

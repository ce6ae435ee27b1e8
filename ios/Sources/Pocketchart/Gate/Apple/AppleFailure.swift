// Apple's errors as numbers. Compiled on Apple's systems only: docs/devices.md.

#if canImport(Security) && canImport(LocalAuthentication)
import Foundation
import LocalAuthentication
import Security

extension PlatformFailure {
    /// An `OSStatus` that is no success.
    init(status: OSStatus) {
        self.init(.keychain, Int(status))
    }

    /// An error as the frameworks throw it. Its text is left behind.
    init(error: any Error) {
        let error = error as NSError
        switch error.domain {
        case LAError.errorDomain: self.init(.authentication, error.code)
        case NSOSStatusErrorDomain: self.init(.keychain, error.code)
        case "CryptoTokenKit": self.init(.token, error.code)
        default: self.init(.other, error.code)
        }
    }

    /// An error as Security's functions give it back.
    init(error: Unmanaged<CFError>?) {
        guard let error = error?.takeRetainedValue() else {
            self.init(.other, 0)
            return
        }
        self.init(error: error as any Error)
    }
}
#endif

// Names and shapes of Apple's LocalAuthentication, for the type checker: see Security.swift.

import Foundation

public enum LAError {
    public static let errorDomain = ""
}

public enum LAPolicy {
    case deviceOwnerAuthenticationWithBiometrics
}

open class LAContext {
    public init() {}
    public var evaluatedPolicyDomainState: Data?
    public var localizedFallbackTitle: String?
    public var localizedReason = ""
    public func canEvaluatePolicy(_ policy: LAPolicy, error: UnsafeMutablePointer<NSError?>?) -> Bool { false }
    @discardableResult
    public func evaluatePolicy(_ policy: LAPolicy, localizedReason: String) async throws -> Bool { false }
    public func invalidate() {}
}

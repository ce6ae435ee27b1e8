// Who asks the person.

import Foundation

/// The system's sheet for finger and face. Throws ``PlatformFailure``.
public protocol LocalAuthentication: Sendable {
    /// The system's mark of the fingers or the face that are set up now. It changes when they do.
    /// Fails when there is no sensor, nothing is set up, or the sensor is locked out.
    func biometry() throws -> Data

    /// Shows the sheet and waits. `reason` is shown to the person. Cancelling the task takes the sheet away.
    func approve(reason: String) async throws -> any Approval
}

// Errors as an app meets them: a code to decide by, and a sentence for people.

import PocketchartFFI

/// Why something was not done. Nothing was changed, unless the code says otherwise.
///
/// It holds a code, a fixed sentence and at most a number: no secret, and nothing about a person. So it may be logged.
public struct VaultError: Error, Hashable, Sendable {
    /// What to decide by.
    public let code: Code

    /// A fixed English sentence.
    public let words: String

    /// Seconds to wait (``Code/wait``, ``Code/serverBusy``), changes that would be lost (``Code/unsentChanges``) or the
    /// HTTP status (``Code/serverFailed``).
    public let number: UInt64?

    /// An error of this code.
    init(_ code: Code, _ words: String) {
        self.code = code
        self.words = words
        number = code.hasNumber ? UInt64(words.drop { !$0.isNumber }.prefix { $0.isNumber }) : nil
    }

    /// The library's, which is `code: sentence`. What a call throws besides is a fault of the bindings.
    init(_ error: any Error) {
        if let error = error as? VaultError {
            self = error
        } else if error is CancellationError {
            self = .cancelled
        } else if let error = error as? PocketchartFFI.PocketchartError {
            let parts = error.text.split(separator: ":", maxSplits: 1)
            let code = parts.first.flatMap { Code(rawValue: String($0)) }
            self.init(code ?? .internal, parts.last.map { String($0.drop { $0 == " " }) } ?? "")
        } else {
            self.init(.internal, "a fault of this library")
        }
    }

    /// The task was cancelled before the call began, or while it waited for somebody.
    static let cancelled = VaultError(.cancelled, "cancelled")
}

extension VaultError: CustomStringConvertible {
    /// `code: sentence`.
    public var description: String { "\(code.rawValue): \(words)" }
}

extension PocketchartFFI.PocketchartError {
    /// Written out so that a new code in the library does not compile before it stands here.
    fileprivate var text: String {
        switch self {
        case .Locked(let text), .Closed(let text), .NoVault(let text), .VaultExists(let text), .InUse(let text),
            .WrongSecret(let text), .Wait(let text), .SlotEnded(let text), .NoSuchSlot(let text),
            .NeedsGate(let text), .WeakSecret(let text), .SecondSlotFirst(let text), .AlreadyThere(let text),
            .WouldDropSlots(let text), .SlotIsOpen(let text), .LastWayIn(let text), .RemovedNotRekeyed(let text),
            .Full(let text), .GateRefused(let text), .GateCancelled(let text), .GateLockedOut(let text),
            .GateLost(let text), .GateTryAgain(let text), .GateUnavailable(let text), .HeaderMissing(let text),
            .Damaged(let text), .Tampered(let text), .NewerFormat(let text), .WipeInterrupted(let text),
            .UnsentChanges(let text), .Storage(let text), .StoredUnnoted(let text), .Audit(let text),
            .NotAllowed(let text), .BadInput(let text), .NotFound(let text), .NothingWaits(let text),
            .Undecided(let text), .Changed(let text), .Refused(let text), .NoServer(let text),
            .Offline(let text), .UntrustedServer(let text), .BadServer(let text), .Unauthorized(let text),
            .ServerFailed(let text), .ServerBusy(let text), .BadJoinCode(let text), .NotAHub(let text),
            .OtherHub(let text), .TimeNotFree(let text), .UnderWay(let text), .Cancelled(let text),
            .Device(let text), .Internal(let text):
            text
        }
    }
}

// The codes of errors, as the library and every other language know them.

extension VaultError {
    /// A stable code. Its raw value is the same in every language and never changes.
    public enum Code: String, CaseIterable, Sendable {
        /// The keys are gone from memory; only a secret brings them back.
        case locked
        /// The object was closed or used up.
        case closed
        /// There is no vault in the folder.
        case noVault = "no_vault"
        /// There is a vault already; it is never overwritten.
        case vaultExists = "vault_exists"
        /// Another process, or another session of this one, has it open.
        case inUse = "in_use"
        /// No slot opens with it, whoever gave it: a person or a gate.
        case wrongSecret = "wrong_secret"
        /// Too many wrong tries; so many seconds until the next one.
        case wait
        /// The last wrong try ended the slot for good.
        case slotEnded = "slot_ended"
        /// The person has no such slot.
        case noSuchSlot = "no_such_slot"
        /// It takes a gate, and none was given.
        case needsGate = "needs_gate"
        /// Too short, or easy to guess.
        case weakSecret = "weak_secret"
        /// A gate slot needs a passphrase or PIN, and a recovery code, beside it.
        case secondSlotFirst = "second_slot_first"
        /// The person, or a slot of this kind, is there already.
        case alreadyThere = "already_there"
        /// Other slots would go too, and nobody agreed to that.
        case wouldDropSlots = "would_drop_slots"
        /// It is the slot that the vault was opened with.
        case slotIsOpen = "slot_is_open"
        /// Nothing that a device cannot lose would be left.
        case lastWayIn = "last_way_in"
        /// The slot is gone, the records still lie under the old key.
        case removedNotRekeyed = "removed_not_rekeyed"
        /// The header holds no more slots.
        case full
        /// The gate did not recognise the person.
        case gateRefused = "gate_refused"
        /// The person gave up.
        case gateCancelled = "gate_cancelled"
        /// Too many refusals: the device asks for its own code first.
        case gateLockedOut = "gate_locked_out"
        /// The key is gone for good, and this slot with it.
        case gateLost = "gate_lost"
        /// It may work the next time.
        case gateTryAgain = "gate_try_again"
        /// There is no such hardware.
        case gateUnavailable = "gate_unavailable"
        /// The records are there, the header is not: only a backup helps. Nothing is overwritten.
        case headerMissing = "header_missing"
        /// Something that was written does not read back. Nothing was changed or deleted.
        case damaged
        /// Changed by something that does not hold the key; it stays locked.
        case tampered
        /// Made by a newer program.
        case newerFormat = "newer_format"
        /// A wipe has begun; it goes on with another wipe.
        case wipeInterrupted = "wipe_interrupted"
        /// So many changes that no server has would be lost; 0: how many is known only while the vault is open.
        case unsentChanges = "unsent_changes"
        /// The disk is full, read-only or failing. Nothing is half-written.
        case storage
        /// It was stored, and the audit trail could not say so. Do not store it again.
        case storedUnnoted = "stored_unnoted"
        /// It could not be noted in the audit trail, and so it did not happen; or the trail does not hold.
        case audit
        /// The policy does not allow it to this person.
        case notAllowed = "not_allowed"
        /// What was given is not of the form that is asked for.
        case badInput = "bad_input"
        /// There is no such record, or none that this person may see.
        case notFound = "not_found"
        /// Nothing of this record waits for a decision of this person's.
        case nothingWaits = "nothing_waits"
        /// Some differences have no decision yet, or what was decided does not fit.
        case undecided
        /// It changed meanwhile: look at it again.
        case changed
        /// The server refused the change before; there is nothing to choose.
        case refused
        /// No server is known yet.
        case noServer = "no_server"
        /// No network, or no answer. Local changes wait.
        case offline
        /// The certificate is not one that is trusted.
        case untrustedServer = "untrusted_server"
        /// It does not speak as a FHIR server does.
        case badServer = "bad_server"
        /// It wants a token, or another one. Local changes wait.
        case unauthorized
        /// It failed, with this HTTP status.
        case serverFailed = "server_failed"
        /// It wants to be left alone for so many seconds.
        case serverBusy = "server_busy"
        /// The hub does not take the code: used up, too old, or another device's.
        case badJoinCode = "bad_join_code"
        /// What answers is no hub.
        case notAHub = "not_a_hub"
        /// The vault keeps to the hub that it joined first.
        case otherHub = "other_hub"
        /// The time is not free, or what is asked for does not fit how far the visit is.
        case timeNotFree = "time_not_free"
        /// An answer is outstanding: sync first.
        case underWay = "under_way"
        /// It was cancelled. What was done until then stays done.
        case cancelled
        /// The device has no memory or randomness to give.
        case device
        /// A fault of this library. Nothing half-written is kept.
        case `internal`

        /// Whether a number stands in the sentence.
        var hasNumber: Bool {
            switch self {
            case .wait, .unsentChanges, .serverFailed, .serverBusy: true
            default: false
            }
        }
    }
}

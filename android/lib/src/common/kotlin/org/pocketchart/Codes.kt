package org.pocketchart

/** From the boundary's text, `code: sentence`, to the kinds that an app tells apart. */
internal object Codes {
    private val gate = mapOf(
        "gate_refused" to GateFailure.REFUSED,
        "gate_cancelled" to GateFailure.CANCELLED,
        "gate_locked_out" to GateFailure.LOCKED_OUT,
        "gate_lost" to GateFailure.LOST,
        "gate_try_again" to GateFailure.TRY_AGAIN,
        "gate_unavailable" to GateFailure.UNAVAILABLE,
    )
    private val slots = setOf(
        "no_such_slot", "needs_gate", "weak_secret", "second_slot_first", "already_there", "would_drop_slots",
        "slot_is_open", "last_way_in", "removed_not_rekeyed", "full",
    )
    private val broken = setOf("header_missing", "damaged", "tampered", "newer_format", "wipe_interrupted")
    private val decision = setOf("nothing_waits", "undecided", "changed", "refused")
    private val server = setOf(
        "no_server", "offline", "untrusted_server", "bad_server", "unauthorized", "server_failed", "server_busy",
        "bad_join_code", "not_a_hub", "other_hub", "waiting_for_approval",
    )
    private val booking = setOf("time_not_free", "under_way")

    /** A text without a code that is known here is an internal fault: both halves are built together. */
    fun exception(text: String): VaultException {
        val code = text.substringBefore(':')
        val number = text.substringAfter(':').filter(Char::isDigit).toLongOrNull()
        return when (code) {
            "locked" -> VaultException.Locked(code, text)
            "closed" -> VaultException.Closed(code, text)
            "no_vault" -> VaultException.NoVault(code, text)
            "vault_exists" -> VaultException.VaultExists(code, text)
            "in_use" -> VaultException.InUse(code, text)
            "wrong_secret" -> VaultException.WrongSecret(code, text)
            "wait" -> VaultException.TooManyTries(code, text, number)
            "slot_ended" -> VaultException.TooManyTries(code, text, null)
            in gate -> VaultException.Gate(code, text, gate.getValue(code))
            in slots -> VaultException.Slots(code, text)
            in broken -> VaultException.Broken(code, text)
            "unsent_changes" -> VaultException.UnsentChanges(code, text, number ?: 0)
            "storage", "audit", "device" -> VaultException.Storage(code, text)
            "stored_unnoted" -> VaultException.StoredUnnoted(code, text)
            "not_allowed" -> VaultException.NotAllowed(code, text)
            "bad_input" -> VaultException.BadInput(code, text)
            "not_found" -> VaultException.NotFound(code, text)
            in decision -> VaultException.Decision(code, text)
            in server -> VaultException.Server(code, text)
            in booking -> VaultException.Booking(code, text)
            "cancelled" -> VaultException.Cancelled(code, text)
            else -> VaultException.Internal("internal", text)
        }
    }
}

package org.pocketchart

/**
 * Why something was not done. Nothing was changed, unless the kind says otherwise.
 *
 * The kinds are what an app tells apart; [code] is finer, and never changes its meaning. The text is fixed and safe to
 * log: it holds no secret and nothing about a person. Write your own words for people.
 *
 * @property code the stable code, such as `wrong_secret`.
 */
public sealed class VaultException(public val code: String, message: String) : Exception(message) {
    /** The keys are gone from memory; only a secret brings them back. Show the lock screen. */
    public class Locked internal constructor(code: String, text: String) : VaultException(code, text)

    /** The object was closed, or used up. A mistake of the app's. */
    public class Closed internal constructor(code: String, text: String) : VaultException(code, text)

    /** There is no vault here. */
    public class NoVault internal constructor(code: String, text: String) : VaultException(code, text)

    /** There is one already; it is never overwritten. */
    public class VaultExists internal constructor(code: String, text: String) : VaultException(code, text)

    /** Another process, or another session of this one, has it open. */
    public class InUse internal constructor(code: String, text: String) : VaultException(code, text)

    /** No slot opens with it: a wrong passphrase, PIN or code, or bytes of a gate that are not its. */
    public class WrongSecret internal constructor(code: String, text: String) : VaultException(code, text)

    /**
     * Too many wrong tries.
     *
     * @property seconds until the next one; `null`: never, the slot is closed for good.
     */
    public class TooManyTries internal constructor(code: String, text: String, public val seconds: Long?) :
        VaultException(code, text)

    /**
     * The device's key store did not do it.
     *
     * @property failure what it means. Only [GateFailure.LOST] is for good; the other slots still open the vault.
     */
    public class Gate internal constructor(code: String, text: String, public val failure: GateFailure) :
        VaultException(code, text)

    /** A rule about slots and secrets: too weak a secret, the last way in, no gate given, ... */
    public class Slots internal constructor(code: String, text: String) : VaultException(code, text)

    /**
     * The vault does not open, whoever asks: damaged, changed by others, made by a newer version, half wiped, or
     * without its header. Nothing was deleted, and nothing must be: say what [code] says.
     */
    public class Broken internal constructor(code: String, text: String) : VaultException(code, text)

    /**
     * Changes that no server has would be lost.
     *
     * @property changes how many; 0: that is known only while the vault is open.
     */
    public class UnsentChanges internal constructor(code: String, text: String, public val changes: Long) :
        VaultException(code, text)

    /** The disk is full or failing, the audit trail does not take it, or the device has no memory to give. */
    public class Storage internal constructor(code: String, text: String) : VaultException(code, text)

    /** It was stored, and the audit trail could not say so. Do not store it again. */
    public class StoredUnnoted internal constructor(code: String, text: String) : VaultException(code, text)

    /** The policy does not allow it to this person. */
    public class NotAllowed internal constructor(code: String, text: String) : VaultException(code, text)

    /** What was given is not of the form that is asked for. A mistake of the app's, or a person's typing error. */
    public class BadInput internal constructor(code: String, text: String) : VaultException(code, text)

    /** There is no such record, or none that this person may see. */
    public class NotFound internal constructor(code: String, text: String) : VaultException(code, text)

    /** A decision does not fit (any more): look at the record again. */
    public class Decision internal constructor(code: String, text: String) : VaultException(code, text)

    /** The server: none known, not reached, not trusted, not content. Local changes wait, and nothing is lost. */
    public class Server internal constructor(code: String, text: String) : VaultException(code, text) {
        /** Whether there is no network, or no answer. */
        public val isOffline: Boolean get() = code == "offline"
    }

    /** The time is not free, or an earlier wish is not settled yet. */
    public class Booking internal constructor(code: String, text: String) : VaultException(code, text)

    /** It was cancelled, by [Session.pause] for instance. What was done until then stays done. */
    public class Cancelled internal constructor(code: String, text: String) : VaultException(code, text)

    /** A fault of the library. Nothing half-written is kept. */
    public class Internal internal constructor(code: String, text: String) : VaultException(code, text)
}

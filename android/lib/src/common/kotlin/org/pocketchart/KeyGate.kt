package org.pocketchart

/**
 * What only the device's hardware can give back.
 *
 * The answer to every call is bytes that nothing else could have produced, never a "yes": a gate that claims success
 * without the bytes opens nothing. Most apps pass `BiometricKeyGate` and never see these functions.
 */
public interface KeyGate {
    /**
     * Makes the keys of [alias] and seals [secret] under one of them. The answer is no secret; it is kept in the
     * vault's header. Under [GatePolicy.EVALUATE] the secret is empty, and only [evaluate] is used later. The array is
     * wiped after the call.
     *
     * @throws GateException
     */
    public suspend fun enroll(alias: String, policy: GatePolicy, secret: ByteArray): ByteArray

    /**
     * Gives back what [enroll] sealed, after a person has proved to be there. [reason] is shown to that person.
     *
     * @throws GateException
     */
    public suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray

    /**
     * A keyed function of [input]: 32 bytes, the same each time for the same input, computed where the key is, so that
     * a typed PIN cannot be guessed on another machine. The array is wiped after the call.
     *
     * @throws GateException
     */
    public suspend fun evaluate(alias: String, input: ByteArray): ByteArray

    /**
     * Destroys the keys of [alias] for good. That they are gone already is no error.
     *
     * @throws GateException
     */
    public suspend fun destroy(alias: String)
}

/** What the gate must see before it works with a key. */
public enum class GatePolicy {
    /** A present person: a finger or a face that the device counts as strong. */
    PERSON,

    /** Nothing: the key only computes [KeyGate.evaluate], for a secret that was typed. */
    EVALUATE,
}

/** Why a gate did not do it. Only [LOST] is for good. */
public enum class GateFailure {
    /** The person was not recognised, or by something too weak for the key. */
    REFUSED,

    /** The person gave up. */
    CANCELLED,

    /** Too many refusals: the device wants its own code first. */
    LOCKED_OUT,

    /** The key is gone, and with it what was sealed under it. The vault's other slots still open it. */
    LOST,

    /** It may work the next time. */
    TRY_AGAIN,

    /** This device has no such hardware, or nobody has set it up. */
    UNAVAILABLE,
}

/**
 * A gate's refusal.
 *
 * @property failure what it means.
 * @property detail the kinds of the exceptions below and the platform's error number, for a bug report. Never a text of
 * the platform's, a key, an alias or a person.
 */
public class GateException(
    public val failure: GateFailure,
    public val detail: String = "",
) : Exception(if (detail.isEmpty()) failure.name else "${failure.name} ($detail)")

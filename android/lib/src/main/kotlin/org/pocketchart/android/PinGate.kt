package org.pocketchart.android

import android.content.Context
import android.security.keystore.KeyProperties
import javax.crypto.Mac
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import org.pocketchart.GateException
import org.pocketchart.GateFailure
import org.pocketchart.GatePolicy
import org.pocketchart.KeyGate

/**
 * The hardware's half of a PIN or a passphrase: an HMAC-SHA256 key that never leaves it, so that nobody can try PINs
 * anywhere but on this device. It asks for no finger, and makes no slot that a finger opens.
 *
 * For an app with PINs only, such as one for a shared tablet. `BiometricKeyGate` holds one of these.
 *
 * @param context any context of the app.
 */
public class PinGate internal constructor(context: Context, private val work: CoroutineDispatcher) : KeyGate {
    /** @param context any context of the app. */
    public constructor(context: Context) : this(context, Dispatchers.IO)

    private val keys = DeviceKeys(context.applicationContext)

    /**
     * Makes the key; one of that name is replaced. The answer is empty: there is nothing to keep.
     *
     * @throws GateException [GateFailure.UNAVAILABLE] for [GatePolicy.PERSON].
     */
    override suspend fun enroll(alias: String, policy: GatePolicy, secret: ByteArray): ByteArray {
        if (policy != GatePolicy.EVALUATE) throw GateException(GateFailure.UNAVAILABLE, "no finger is asked for here")
        return classified(work) {
            keys.make(KeyProperties.KEY_ALGORITHM_HMAC_SHA256) { strongBox ->
                KeySpecs.function(nameOf(alias), strongBox)
            }
            ByteArray(0)
        }
    }

    /** @throws GateException [GateFailure.UNAVAILABLE], always. */
    override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray =
        throw GateException(GateFailure.UNAVAILABLE, "no finger is asked for here")

    /** @throws GateException */
    override suspend fun evaluate(alias: String, input: ByteArray): ByteArray = classified(work) {
        val mac = Mac.getInstance(KeyProperties.KEY_ALGORITHM_HMAC_SHA256)
        mac.init(keys.find(nameOf(alias)))
        mac.doFinal(input)
    }

    /** @throws GateException */
    override suspend fun destroy(alias: String) {
        classified(work) { keys.destroy(nameOf(alias)) }
    }

    /**
     * Where the key of [alias] lives. Ask once after a slot was made, and say so where it is [KeyHome.SOFTWARE].
     *
     * @throws GateException
     */
    public suspend fun homeOf(alias: String): KeyHome = classified(work) { keys.homeOf(keys.find(nameOf(alias))) }

    private fun nameOf(alias: String) = "pocketchart.$alias.evaluate"
}

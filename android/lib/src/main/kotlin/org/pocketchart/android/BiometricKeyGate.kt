package org.pocketchart.android

import android.app.Activity
import android.content.Context
import android.security.keystore.KeyProperties
import javax.crypto.Cipher
import javax.crypto.spec.GCMParameterSpec
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext
import org.pocketchart.GateException
import org.pocketchart.GateFailure
import org.pocketchart.GatePolicy
import org.pocketchart.KeyGate

/**
 * Opens the vault by a finger or a face: an AES-256-GCM key in AndroidKeyStore that works once for each strong
 * recognition and dies when a finger or face is added.
 *
 * The StrongBox is tried first; where the key ended up is written into the slot ([homeOf]). PINs and passphrases go to
 * a [PinGate], so one object serves every kind of slot.
 */
public class BiometricKeyGate internal constructor(
    context: Context,
    private val prompt: PersonPrompt,
    private val enrolling: String,
    private val work: CoroutineDispatcher,
) : KeyGate {
    /**
     * @param context any context of the app.
     * @param words what the system's sheet says.
     * @param screen the activity in front; `null` while there is none (then the answer is "try again").
     */
    public constructor(context: Context, words: PromptWords, screen: () -> Activity?) :
        this(context, PersonPrompt(words, screen), words.enrolling, Dispatchers.IO)

    private val keys = DeviceKeys(context.applicationContext)
    private val pins = PinGate(context, work)

    /**
     * Makes the key and asks for a finger once, since the key works for nobody without one. A key that was made for
     * nothing is destroyed.
     *
     * @throws GateException
     */
    override suspend fun enroll(alias: String, policy: GatePolicy, secret: ByteArray): ByteArray {
        if (policy == GatePolicy.EVALUATE) return pins.enroll(alias, policy, secret)
        try {
            return seal(alias, secret)
        } catch (@Suppress("TooGenericExceptionCaught") error: Throwable) {
            withContext(NonCancellable) { runCatching { destroyPerson(alias) } }
            throw error
        }
    }

    private suspend fun seal(alias: String, secret: ByteArray): ByteArray {
        val (cipher, home) = classified(work) {
            val key = keys.make(KeyProperties.KEY_ALGORITHM_AES) { strongBox ->
                KeySpecs.person(nameOf(alias), strongBox)
            }
            Cipher.getInstance(CIPHER).apply { init(Cipher.ENCRYPT_MODE, key) } to keys.homeOf(key)
        }
        val ready = prompt.ask(cipher, enrolling)
        return classified(work) { SealedSecret(home, ready.iv, ready.doFinal(secret)).toBytes() }
    }

    /** @throws GateException */
    override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray {
        val parts = SealedSecret.parse(sealed)
        val cipher = classified(work) {
            Cipher.getInstance(CIPHER).apply {
                init(Cipher.DECRYPT_MODE, keys.find(nameOf(alias)), GCMParameterSpec(TAG_BITS, parts.nonce))
            }
        }
        val ready = prompt.ask(cipher, reason)
        return classified(work) { ready.doFinal(parts.ciphertext) }
    }

    /** @throws GateException */
    override suspend fun evaluate(alias: String, input: ByteArray): ByteArray = pins.evaluate(alias, input)

    /** @throws GateException */
    override suspend fun destroy(alias: String) {
        destroyPerson(alias)
        pins.destroy(alias)
    }

    private suspend fun destroyPerson(alias: String) = classified(work) { keys.destroy(nameOf(alias)) }

    /**
     * Where the key of a finger's slot lives, as it was recorded when the slot was made.
     *
     * @param sealed what [enroll] answered.
     * @throws GateException [GateFailure.TRY_AGAIN] when these bytes are not a slot's of this gate.
     */
    public fun homeOf(sealed: ByteArray): KeyHome = SealedSecret.parse(sealed).home

    private fun nameOf(alias: String) = "pocketchart.$alias.person"

    private companion object {
        const val CIPHER = "AES/GCM/NoPadding"
        const val TAG_BITS = 128
    }
}

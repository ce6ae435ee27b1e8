package org.pocketchart

import java.security.SecureRandom
import java.util.concurrent.ConcurrentHashMap
import javax.crypto.Cipher
import javax.crypto.Mac
import javax.crypto.spec.GCMParameterSpec
import javax.crypto.spec.SecretKeySpec

/** A gate that does what it should, with keys in this process. For tests alone: it protects nothing. */
class GoodGate : KeyGate {
    private val keys = ConcurrentHashMap<String, ByteArray>()
    val aliases: Set<String> get() = keys.keys.toSet()

    private fun key(alias: String) = keys[alias] ?: throw GateException(GateFailure.LOST)

    override suspend fun enroll(alias: String, policy: GatePolicy, secret: ByteArray): ByteArray {
        keys[alias] = random(32)
        if (policy == GatePolicy.EVALUATE) return ByteArray(0)
        val nonce = random(12)
        return nonce + gcm(Cipher.ENCRYPT_MODE, alias, nonce).doFinal(secret)
    }

    override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray =
        gcm(Cipher.DECRYPT_MODE, alias, sealed.copyOf(12)).doFinal(sealed, 12, sealed.size - 12)

    override suspend fun evaluate(alias: String, input: ByteArray): ByteArray =
        Mac.getInstance("HmacSHA256").run { init(SecretKeySpec(key(alias), "HmacSHA256")); doFinal(input) }

    override suspend fun destroy(alias: String) {
        keys.remove(alias)
    }

    private fun gcm(mode: Int, alias: String, nonce: ByteArray) = Cipher.getInstance("AES/GCM/NoPadding")
        .apply { init(mode, SecretKeySpec(key(alias), "AES"), GCMParameterSpec(128, nonce)) }

    private fun random(bytes: Int) = ByteArray(bytes).also { SecureRandom().nextBytes(it) }
}

/** A gate that answers each question with [bytes] of what it was asked, or throws. */
class BadGate(private val good: GoodGate, private val bytes: (ByteArray) -> ByteArray) : KeyGate {
    override suspend fun enroll(alias: String, policy: GatePolicy, secret: ByteArray) = bytes(secret)
    override suspend fun release(alias: String, sealed: ByteArray, reason: String) = bytes(sealed)
    override suspend fun evaluate(alias: String, input: ByteArray) = bytes(input)
    override suspend fun destroy(alias: String) = good.destroy(alias)
}

/** The gate of a scenario's word for it. */
fun gate(kind: String, good: GoodGate): KeyGate? = when (kind) {
    "none" -> null
    "good" -> good
    "lies" -> BadGate(good) { ByteArray(32) }
    "echoes" -> BadGate(good) { it.clone() }
    "throws" -> BadGate(good) { throw IllegalStateException("a text that must not get out: plum orbit") }
    else -> {
        val failure = GateFailure.entries.single { it.name.replace("_", "").lowercase() == kind }
        BadGate(good) { throw GateException(failure) }
    }
}

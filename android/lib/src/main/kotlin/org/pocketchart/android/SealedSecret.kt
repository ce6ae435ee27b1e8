package org.pocketchart.android

import org.pocketchart.GateException
import org.pocketchart.GateFailure

/**
 * What stands in the vault's header for a finger's slot: no secret, but not to be believed either before the header's
 * own check.
 *
 * Bytes: format (1), where the key was made ([KeyHome]'s place in [HOMES]), length of the nonce, nonce, ciphertext
 * with its tag.
 */
internal class SealedSecret(val home: KeyHome, val nonce: ByteArray, val ciphertext: ByteArray) {
    fun toBytes(): ByteArray =
        byteArrayOf(FORMAT, HOMES.indexOf(home).toByte(), nonce.size.toByte()) + nonce + ciphertext

    companion object {
        private const val FORMAT: Byte = 1
        private const val HEAD = 3

        /** AES-GCM's only usual one, and the only one that AndroidKeyStore makes. */
        private const val NONCE = 12

        /** Frozen: new ones go to the end. */
        private val HOMES =
            listOf(KeyHome.UNKNOWN, KeyHome.STRONG_BOX, KeyHome.TRUSTED_ENVIRONMENT, KeyHome.SOFTWARE)

        /** @throws GateException [GateFailure.TRY_AGAIN]: damaged, or of a newer program. The key is not lost by it. */
        fun parse(bytes: ByteArray): SealedSecret {
            val whole = bytes.size > HEAD + NONCE && bytes[0] == FORMAT && bytes[2] == NONCE.toByte()
            if (!whole) throw GateException(GateFailure.TRY_AGAIN, "sealed bytes of another format")
            return SealedSecret(
                HOMES.getOrElse(bytes[1].toInt()) { KeyHome.UNKNOWN },
                bytes.copyOfRange(HEAD, HEAD + NONCE),
                bytes.copyOfRange(HEAD + NONCE, bytes.size),
            )
        }
    }
}

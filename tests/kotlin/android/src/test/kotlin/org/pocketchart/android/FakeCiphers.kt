package org.pocketchart.android

import android.security.keystore.UserNotAuthenticatedException
import java.security.AlgorithmParameters
import java.security.InvalidKeyException
import java.security.Key
import java.security.SecureRandom
import java.security.spec.AlgorithmParameterSpec
import javax.crypto.Cipher
import javax.crypto.CipherSpi
import javax.crypto.IllegalBlockSizeException
import javax.crypto.Mac
import javax.crypto.MacSpi
import javax.crypto.spec.SecretKeySpec

/** AES-GCM that works once for each finger, as [FakeKeyStore]'s keys do. */
class FakeGcm : CipherSpi() {
    private val real = Cipher.getInstance("AES/GCM/NoPadding", "SunJCE")
    private lateinit var key: FakeKeyStore.FakeKey

    private fun take(given: Key?): SecretKeySpec {
        key = given as? FakeKeyStore.FakeKey ?: throw InvalidKeyException("not ours")
        return key.checked()
    }

    override fun engineInit(mode: Int, key: Key?, random: SecureRandom?) = real.init(mode, take(key))

    override fun engineInit(mode: Int, key: Key?, params: AlgorithmParameterSpec?, random: SecureRandom?) =
        real.init(mode, take(key), params)

    override fun engineInit(mode: Int, key: Key?, params: AlgorithmParameters?, random: SecureRandom?) =
        real.init(mode, take(key), params)

    override fun engineDoFinal(input: ByteArray?, from: Int, length: Int): ByteArray {
        FakeKeyStore.fail("finish")
        if (key.spec.isUserAuthenticationRequired && !key.released) {
            throw IllegalBlockSizeException().apply { initCause(UserNotAuthenticatedException()) }
        }
        key.released = false
        return real.doFinal(input ?: ByteArray(0), from, length)
    }

    override fun engineDoFinal(input: ByteArray?, from: Int, length: Int, output: ByteArray, to: Int): Int =
        engineDoFinal(input, from, length).also { it.copyInto(output, to) }.size

    override fun engineUpdate(input: ByteArray, from: Int, length: Int): ByteArray? = real.update(input, from, length)
    override fun engineUpdate(input: ByteArray, from: Int, length: Int, output: ByteArray, to: Int) =
        real.update(input, from, length, output, to)
    override fun engineGetIV(): ByteArray? = real.iv
    override fun engineGetParameters(): AlgorithmParameters? = real.parameters
    override fun engineGetBlockSize() = 16
    override fun engineGetOutputSize(length: Int) = real.getOutputSize(length)
    override fun engineSetMode(mode: String?) = Unit
    override fun engineSetPadding(padding: String?) = Unit
}

/** HMAC-SHA256 over a key that does not leave [FakeKeyStore]. */
class FakeMac : MacSpi() {
    private val real = Mac.getInstance("HmacSHA256", "SunJCE")

    override fun engineInit(key: Key?, params: AlgorithmParameterSpec?) =
        real.init((key as? FakeKeyStore.FakeKey ?: throw InvalidKeyException("not ours")).checked())

    override fun engineGetMacLength() = real.macLength
    override fun engineUpdate(input: Byte) = real.update(input)
    override fun engineUpdate(input: ByteArray, from: Int, length: Int) = real.update(input, from, length)
    override fun engineDoFinal(): ByteArray = real.doFinal()
    override fun engineReset() = real.reset()
}

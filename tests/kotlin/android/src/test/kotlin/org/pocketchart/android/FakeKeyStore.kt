package org.pocketchart.android

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyInfo
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.StrongBoxUnavailableException
import java.io.InputStream
import java.io.OutputStream
import java.security.InvalidAlgorithmParameterException
import java.security.Key
import java.security.KeyStoreException
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.SecureRandom
import java.security.Security
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.security.spec.KeySpec
import java.util.Collections
import java.util.Date
import java.util.concurrent.ConcurrentHashMap
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey
import javax.crypto.SecretKeyFactorySpi
import javax.crypto.spec.SecretKeySpec

/**
 * An "AndroidKeyStore" for tests, since Robolectric has none. It keeps the promises that matter here (a key works once
 * for each finger, and dies with a new one) and plays each refusal. What it proves is how *we* take them, nothing about
 * hardware.
 */
object FakeKeyStore {
    class FakeKey(val spec: KeyGenParameterSpec, private val kind: String) : SecretKey {
        internal val raw = SecretKeySpec(ByteArray(32).also { SecureRandom().nextBytes(it) }, kind)

        @Volatile var invalidated = false

        /** A finger was recognised, and no use made of it yet. */
        @Volatile var released = false

        override fun getAlgorithm(): String = kind
        override fun getFormat(): String? = null
        override fun getEncoded(): ByteArray? = null

        internal fun checked(): SecretKeySpec {
            fail("init")
            if (invalidated) throw KeyPermanentlyInvalidatedException()
            return raw
        }
    }

    val keys: MutableMap<String, FakeKey> = ConcurrentHashMap()
    var hasStrongBox = false
    var hasFinger = true
    var level = 1
    private val failures = ConcurrentHashMap<String, Throwable>()

    /** The next call of this kind ("make", "find", "init", "finish", "delete") throws. */
    fun failNext(kind: String, error: Throwable) {
        failures[kind] = error
    }

    internal fun fail(kind: String) {
        failures.remove(kind)?.let { throw it }
    }

    /** Somebody adds a finger in the settings. */
    fun addFinger() = keys.values
        .filter { it.spec.isUserAuthenticationRequired && it.spec.isInvalidatedByBiometricEnrollment }
        .forEach { it.invalidated = true }

    fun install() {
        keys.clear()
        failures.clear()
        hasStrongBox = false
        hasFinger = true
        level = 1
        remove()
        Security.insertProviderAt(FakeProvider(), 1)
    }

    fun remove() = Security.removeProvider(DeviceKeys.STORE)

    class FakeProvider : Provider(DeviceKeys.STORE, "1.0", "for tests") {
        init {
            put("KeyStore.${DeviceKeys.STORE}", Store::class.java.name)
            put("KeyGenerator.AES", MakesAes::class.java.name)
            put("KeyGenerator.HmacSHA256", MakesHmac::class.java.name)
            put("SecretKeyFactory.AES", Tells::class.java.name)
            put("SecretKeyFactory.HmacSHA256", Tells::class.java.name)
            put("Cipher.AES/GCM/NoPadding", FakeGcm::class.java.name)
            put("Cipher.AES/GCM/NoPadding SupportedKeyClasses", FakeKey::class.java.name)
            put("Mac.HmacSHA256", FakeMac::class.java.name)
            put("Mac.HmacSHA256 SupportedKeyClasses", FakeKey::class.java.name)
        }
    }

    open class Makes(private val kind: String) : KeyGeneratorSpi() {
        private lateinit var spec: KeyGenParameterSpec

        override fun engineInit(random: SecureRandom?) = throw IllegalStateException("no spec")
        override fun engineInit(size: Int, random: SecureRandom?) = throw IllegalStateException("no spec")
        override fun engineInit(params: AlgorithmParameterSpec, random: SecureRandom?) {
            spec = params as KeyGenParameterSpec
            if (spec.isUserAuthenticationRequired && !hasFinger) {
                throw InvalidAlgorithmParameterException("none enrolled")
            }
        }

        override fun engineGenerateKey(): SecretKey {
            fail("make")
            if (spec.isStrongBoxBacked && !hasStrongBox) throw StrongBoxUnavailableException()
            return FakeKey(spec, kind).also { keys[spec.keystoreAlias] = it }
        }
    }

    class MakesAes : Makes("AES")

    class MakesHmac : Makes("HmacSHA256")

    /** `KeyInfo` has a hidden constructor, another one at each level; what is not asked for is zero. */
    class Tells : SecretKeyFactorySpi() {
        override fun engineGetKeySpec(key: SecretKey, wanted: Class<*>): KeySpec {
            val spec = (key as FakeKey).spec
            val make = KeyInfo::class.java.constructors.single { it.parameterCount > 10 }
            val values = make.parameterTypes.mapIndexed { place, type ->
                when {
                    place == 1 -> level != 0
                    place == 21 -> if (spec.isStrongBoxBacked) 2 else level
                    type == Boolean::class.java -> false
                    type == Int::class.java -> 0
                    else -> null
                }
            }
            return make.newInstance(*values.toTypedArray<Any?>()) as KeyInfo
        }

        override fun engineGenerateSecret(spec: KeySpec?) = throw UnsupportedOperationException()
        override fun engineTranslateKey(key: SecretKey?) = throw UnsupportedOperationException()
    }

    class Store : KeyStoreSpi() {
        override fun engineGetKey(alias: String, password: CharArray?): Key? {
            fail("find")
            return keys[alias]
        }

        override fun engineDeleteEntry(alias: String) {
            fail("delete")
            keys.remove(alias)
        }

        override fun engineContainsAlias(alias: String) = alias in keys
        override fun engineIsKeyEntry(alias: String) = alias in keys
        override fun engineAliases() = Collections.enumeration(keys.keys.toList())
        override fun engineSize() = keys.size
        override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit
        override fun engineStore(stream: OutputStream?, password: CharArray?) = throw UnsupportedOperationException()
        override fun engineGetCertificateChain(alias: String?): Array<Certificate>? = null
        override fun engineGetCertificate(alias: String?): Certificate? = null
        override fun engineGetCreationDate(alias: String?) = Date(0)
        override fun engineSetKeyEntry(a: String?, k: Key?, p: CharArray?, c: Array<out Certificate>?) =
            throw KeyStoreException()

        override fun engineSetKeyEntry(a: String?, k: ByteArray?, c: Array<out Certificate>?) =
            throw KeyStoreException()

        override fun engineSetCertificateEntry(alias: String?, certificate: Certificate?) = throw KeyStoreException()
        override fun engineIsCertificateEntry(alias: String?) = false
        override fun engineGetCertificateAlias(certificate: Certificate?): String? = null
    }
}

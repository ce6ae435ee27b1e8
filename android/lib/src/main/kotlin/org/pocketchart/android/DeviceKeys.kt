package org.pocketchart.android

import android.annotation.TargetApi
import android.content.Context
import android.os.Build
import android.os.UserManager
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyInfo
import android.security.keystore.KeyProperties
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.ProviderException
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.SecretKeyFactory
import org.pocketchart.GateException
import org.pocketchart.GateFailure

/** Where a key lives, as the device says. */
public enum class KeyHome {
    /** A security chip of its own. */
    STRONG_BOX,

    /** The processor's trusted part. */
    TRUSTED_ENVIRONMENT,

    /** The operating system's own memory: an emulator, or a very old device. */
    SOFTWARE,

    /** The device does not say. */
    UNKNOWN,
}

/**
 * Makes, finds and destroys keys in AndroidKeyStore. All of it blocks, up to seconds where there is a StrongBox: call
 * it off the main thread.
 */
internal class DeviceKeys(private val context: Context) {
    private fun store(): KeyStore = KeyStore.getInstance(STORE).apply { load(null) }

    /**
     * A new key, in the StrongBox if it takes it and in the trusted environment else; a key of that name is replaced.
     */
    fun make(algorithm: String, spec: (strongBox: Boolean) -> KeyGenParameterSpec): SecretKey {
        val generator = KeyGenerator.getInstance(algorithm, STORE)
        return try {
            generator.init(spec(true))
            generator.generateKey()
        } catch (_: ProviderException) {
            // Most say StrongBoxUnavailableException; some only that the generation failed. The second try tells.
            generator.init(spec(false))
            generator.generateKey()
        }
    }

    /**
     * The key of [alias].
     *
     * @throws GateException [GateFailure.LOST] when the store answers, and does not have it.
     */
    fun find(alias: String): SecretKey {
        // Before the first unlocking after a start the store cannot read its keys, and may say that there are none.
        if (context.getSystemService(UserManager::class.java)?.isUserUnlocked == false) {
            throw GateException(GateFailure.TRY_AGAIN, "device not unlocked yet")
        }
        val store = store()
        (store.getKey(alias, null) as? SecretKey)?.let { return it }
        val there = store.containsAlias(alias)
        throw GateException(if (there) GateFailure.TRY_AGAIN else GateFailure.LOST, "no key")
    }

    fun destroy(alias: String) {
        val store = store()
        if (store.containsAlias(alias)) store.deleteEntry(alias)
    }

    /** Where [key] lives. That a device cannot tell is no failure. */
    fun homeOf(key: SecretKey): KeyHome {
        val info = try {
            SecretKeyFactory.getInstance(key.algorithm, STORE).getKeySpec(key, KeyInfo::class.java) as KeyInfo
        } catch (_: GeneralSecurityException) {
            return KeyHome.UNKNOWN
        } catch (_: ProviderException) {
            return KeyHome.UNKNOWN
        }
        return if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) homeIn(info) else homeBefore31(info)
    }

    @TargetApi(Build.VERSION_CODES.S)
    private fun homeIn(info: KeyInfo): KeyHome = when (info.securityLevel) {
        KeyProperties.SECURITY_LEVEL_STRONGBOX -> KeyHome.STRONG_BOX
        KeyProperties.SECURITY_LEVEL_TRUSTED_ENVIRONMENT, KeyProperties.SECURITY_LEVEL_UNKNOWN_SECURE ->
            KeyHome.TRUSTED_ENVIRONMENT
        KeyProperties.SECURITY_LEVEL_SOFTWARE -> KeyHome.SOFTWARE
        else -> KeyHome.UNKNOWN
    }

    /** Before API 31 a device does not tell a StrongBox from the trusted environment: the weaker of the two is said. */
    @Suppress("DEPRECATION")
    private fun homeBefore31(info: KeyInfo): KeyHome =
        if (info.isInsideSecureHardware) KeyHome.TRUSTED_ENVIRONMENT else KeyHome.SOFTWARE

    companion object {
        const val STORE: String = "AndroidKeyStore"
    }
}

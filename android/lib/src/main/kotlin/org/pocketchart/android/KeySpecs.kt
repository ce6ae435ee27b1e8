package org.pocketchart.android

import android.annotation.TargetApi
import android.os.Build
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties

/**
 * What is asked of the device's key store, for each version of Android.
 *
 * Three things are left out on purpose. A validity above zero would silently switch off the invalidation by a new
 * finger. `setUnlockedDeviceRequired` loses the key on Android 12 to 14 when the screen lock is removed. A device
 * credential beside the finger would let whoever saw the screen's code open the vault.
 */
internal object KeySpecs {
    private const val KEY_BITS = 256

    /** A key that works once for each strong finger or face, and dies when a finger or face is added. */
    fun person(alias: String, strongBox: Boolean): KeyGenParameterSpec =
        KeyGenParameterSpec.Builder(alias, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(KEY_BITS)
            .setRandomizedEncryptionRequired(true)
            .setUserAuthenticationRequired(true)
            .apply { if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) eachUse(this) else eachUseBefore30(this) }
            .setInvalidatedByBiometricEnrollment(true)
            .setIsStrongBoxBacked(strongBox)
            .build()

    /** A key for [org.pocketchart.KeyGate.evaluate]: it asks for nobody, and never leaves the hardware. */
    fun function(alias: String, strongBox: Boolean): KeyGenParameterSpec =
        KeyGenParameterSpec.Builder(alias, KeyProperties.PURPOSE_SIGN)
            .setKeySize(KEY_BITS)
            .setIsStrongBoxBacked(strongBox)
            .build()

    @TargetApi(Build.VERSION_CODES.R)
    private fun eachUse(spec: KeyGenParameterSpec.Builder) {
        spec.setUserAuthenticationParameters(0, KeyProperties.AUTH_BIOMETRIC_STRONG)
    }

    @Suppress("DEPRECATION") // Its successor is of API 30.
    private fun eachUseBefore30(spec: KeyGenParameterSpec.Builder) {
        spec.setUserAuthenticationValidityDurationSeconds(-1)
    }
}

package org.pocketchart.android

import android.annotation.TargetApi
import android.hardware.biometrics.BiometricPrompt
import android.os.Build
import android.security.KeyStoreException
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.UserNotAuthenticatedException
import java.security.InvalidAlgorithmParameterException
import java.security.NoSuchAlgorithmException
import java.security.NoSuchProviderException
import kotlin.coroutines.cancellation.CancellationException
import org.pocketchart.GateException
import org.pocketchart.GateFailure

/**
 * What the platform's exceptions and numbers mean.
 *
 * Only an invalidated key and a key that is not there are loss. Whatever else is thrown may be a hiccup of the key
 * store, and saying "lost" to a hiccup would have an app throw a good slot away.
 */
internal object Classify {
    private const val DEEPEST = 8

    /** [error] as a gate's refusal; a coroutine's own cancellation is passed on as it is. */
    fun thrown(error: Throwable): Exception = when (error) {
        is GateException, is CancellationException -> error as Exception
        else -> {
            val chain = generateSequence(error) { it.cause }.take(DEEPEST).toList()
            GateException(chain.firstNotNullOfOrNull(::meaning) ?: GateFailure.TRY_AGAIN, detail(chain))
        }
    }

    private fun meaning(error: Throwable): GateFailure? = when (error) {
        is KeyPermanentlyInvalidatedException -> GateFailure.LOST
        // The prompt was passed by a face of class 2, which is too weak for the key.
        is UserNotAuthenticatedException -> GateFailure.REFUSED
        // No finger is enrolled; or the device makes no such keys.
        is InvalidAlgorithmParameterException, is NoSuchAlgorithmException, is NoSuchProviderException ->
            GateFailure.UNAVAILABLE
        // KeyStore.getInstance: there is no AndroidKeyStore at all.
        is java.security.KeyStoreException -> GateFailure.UNAVAILABLE.takeIf { error.cause is NoSuchAlgorithmException }
        else -> if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) numbered(error) else null
    }

    @TargetApi(Build.VERSION_CODES.TIRAMISU)
    private fun numbered(error: Throwable): GateFailure? = when {
        error !is KeyStoreException -> null
        error.isTransientFailure -> GateFailure.TRY_AGAIN
        error.numericErrorCode == KeyStoreException.ERROR_KEY_DOES_NOT_EXIST -> GateFailure.LOST
        error.numericErrorCode == KeyStoreException.ERROR_USER_AUTHENTICATION_REQUIRED -> GateFailure.REFUSED
        else -> GateFailure.TRY_AGAIN
    }

    private fun detail(chain: List<Throwable>): String = chain.joinToString(" < ") { error ->
        val number = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) numberOf(error) else null
        listOfNotNull(error.javaClass.simpleName, number).joinToString(" ")
    }

    @TargetApi(Build.VERSION_CODES.TIRAMISU)
    private fun numberOf(error: Throwable): Int? = (error as? KeyStoreException)?.numericErrorCode

    /** What a number of [BiometricPrompt]'s means. Its text is not kept: it is for the screen, and in any language. */
    fun prompt(code: Int): GateException {
        val failure = when (code) {
            // The system takes the sheet away too: another app comes to the front, the phone is locked.
            BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED, BiometricPrompt.BIOMETRIC_ERROR_CANCELED ->
                GateFailure.CANCELLED
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT, BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT ->
                GateFailure.LOCKED_OUT
            BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS, BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT,
            BiometricPrompt.BIOMETRIC_ERROR_NO_DEVICE_CREDENTIAL, SECURITY_UPDATE_REQUIRED, NOT_ENABLED_FOR_APPS,
            -> GateFailure.UNAVAILABLE
            // Busy hardware, a dirty sensor, a time-out: nobody gave up.
            else -> GateFailure.TRY_AGAIN
        }
        return GateException(failure, "prompt $code")
    }

    /**
     * `BiometricPrompt.BIOMETRIC_ERROR_SECURITY_UPDATE_REQUIRED`, which the framework does not publish for all levels.
     */
    private const val SECURITY_UPDATE_REQUIRED = 15

    /** `BiometricPrompt.BIOMETRIC_ERROR_NOT_ENABLED_FOR_APPS`, of a later level than the one compiled against. */
    private const val NOT_ENABLED_FOR_APPS = 21
}

package org.pocketchart.android

import android.annotation.TargetApi
import android.content.Context
import android.hardware.biometrics.BiometricManager
import android.hardware.biometrics.BiometricPrompt
import android.os.Build
import android.os.CancellationSignal
import javax.crypto.Cipher
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.suspendCancellableCoroutine
import org.pocketchart.GateException
import org.pocketchart.GateFailure

/**
 * The words on the system's sheet.
 *
 * @property title its heading, such as "Open your records".
 * @property cancel the button that gives up, such as "Use the passphrase".
 * @property enrolling what is said when a finger is asked for to make a slot, where the vault gives no reason.
 */
public data class PromptWords(val title: String, val cancel: String, val enrolling: String)

/** Asks a person to prove to be there, with the system's own sheet. No library besides the framework is used. */
internal class PersonPrompt(private val words: PromptWords, private val where: () -> Context?) {
    /**
     * [cipher], once a person has been recognised. It is always bound to the prompt: that the prompt says "recognised"
     * counts for nothing, what counts is that the hardware lets this cipher work.
     *
     * @throws GateException
     */
    suspend fun ask(cipher: Cipher, reason: String): Cipher {
        val context = where() ?: throw GateException(GateFailure.TRY_AGAIN, "no screen")
        return suspendCancellableCoroutine { waiting ->
            val stop = CancellationSignal()
            waiting.invokeOnCancellation { stop.cancel() }
            context.mainExecutor.execute {
                if (!waiting.isActive) return@execute
                try {
                    sheet(context, reason, waiting).authenticate(
                        BiometricPrompt.CryptoObject(cipher),
                        stop,
                        context.mainExecutor,
                        Answers(waiting),
                    )
                } catch (error: RuntimeException) {
                    waiting.settle(Result.failure(Classify.thrown(error)))
                }
            }
        }
    }

    private fun sheet(context: Context, reason: String, waiting: CancellableContinuation<Cipher>): BiometricPrompt =
        BiometricPrompt.Builder(context)
            .setTitle(words.title)
            .setDescription(reason)
            .setNegativeButton(words.cancel, context.mainExecutor) { _, _ ->
                waiting.settle(Result.failure(GateException(GateFailure.CANCELLED, "button")))
            }
            .apply { if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) strongOnly(this) }
            .build()

    @TargetApi(Build.VERSION_CODES.R)
    private fun strongOnly(builder: BiometricPrompt.Builder) {
        builder.setAllowedAuthenticators(BiometricManager.Authenticators.BIOMETRIC_STRONG)
    }

    private class Answers(private val waiting: CancellableContinuation<Cipher>) :
        BiometricPrompt.AuthenticationCallback() {
        override fun onAuthenticationSucceeded(result: BiometricPrompt.AuthenticationResult) {
            val cipher = result.cryptoObject?.cipher
            waiting.settle(
                if (cipher != null) Result.success(cipher)
                else Result.failure(GateException(GateFailure.REFUSED, "no cipher")),
            )
        }

        override fun onAuthenticationError(code: Int, words: CharSequence?) {
            waiting.settle(Result.failure(Classify.prompt(code)))
        }

        // onAuthenticationFailed: the sheet stays and says so itself.
    }
}

/** The first answer counts: some devices call back twice, an error after the button among them. */
private fun CancellableContinuation<Cipher>.settle(answer: Result<Cipher>) {
    synchronized(this) {
        if (isActive) answer.fold({ resume(it) }, { resumeWithException(it) })
    }
}

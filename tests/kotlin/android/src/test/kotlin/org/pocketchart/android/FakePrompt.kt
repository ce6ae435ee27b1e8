package org.pocketchart.android

import android.content.DialogInterface
import android.hardware.biometrics.BiometricPrompt
import android.os.CancellationSignal
import android.os.Looper
import java.util.concurrent.Executor
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicReference
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import org.pocketchart.GateException
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.util.ReflectionHelpers

/** Robolectric's own BiometricPrompt never answers; this one answers what the test says. */
@Implements(BiometricPrompt::class)
class FakePrompt {
    @RealObject lateinit var real: BiometricPrompt

    @Implementation
    fun authenticate(
        crypto: BiometricPrompt.CryptoObject,
        stop: CancellationSignal,
        executor: Executor,
        answers: BiometricPrompt.AuthenticationCallback,
    ) {
        shown.set(Sheet(real, crypto, stop, executor, answers))
    }

    class Sheet(
        val prompt: BiometricPrompt,
        private val crypto: BiometricPrompt.CryptoObject,
        val stop: CancellationSignal,
        private val executor: Executor,
        private val answers: BiometricPrompt.AuthenticationCallback,
    ) {
        /** A finger that the hardware knows. */
        fun finger() {
            FakeKeyStore.keys.values.forEach { it.released = true }
            weakFace()
        }

        /** A face of class 2: the sheet is content, the key is not. */
        fun weakFace() = executor.execute { answers.onAuthenticationSucceeded(result(crypto)) }

        /** A sheet that says yes and hands back no cipher. */
        fun yesWithoutCipher() = executor.execute { answers.onAuthenticationSucceeded(result(null)) }

        fun error(code: Int) = executor.execute { answers.onAuthenticationError(code, "in any language") }

        fun wrongFinger() = executor.execute { answers.onAuthenticationFailed() }

        /** The button that gives up. */
        fun button() {
            val info = ReflectionHelpers.getField<Any>(prompt, "mNegativeButtonInfo")
            val listener = ReflectionHelpers.getField<DialogInterface.OnClickListener>(info, "listener")
            executor.execute { listener.onClick(null, 0) }
        }

        private fun result(crypto: BiometricPrompt.CryptoObject?): BiometricPrompt.AuthenticationResult {
            val cryptoClass = BiometricPrompt.CryptoObject::class.java
            val make = BiometricPrompt.AuthenticationResult::class.java.declaredConstructors
                .first { it.parameterTypes.firstOrNull() == cryptoClass }
            make.isAccessible = true
            val values = make.parameterTypes.map {
                when (it) {
                    cryptoClass -> crypto
                    Int::class.java -> BiometricPrompt.AUTHENTICATION_RESULT_TYPE_BIOMETRIC
                    else -> null
                }
            }
            return make.newInstance(*values.toTypedArray<Any?>()) as BiometricPrompt.AuthenticationResult
        }
    }

    companion object {
        private val shown = AtomicReference<Sheet?>()

        /** The sheet that is on the screen, once. */
        fun take(): Sheet? = shown.getAndSet(null)

        fun clear() = shown.set(null)
    }
}

/** For calls that must ask nobody. */
val NO_SHEET: (FakePrompt.Sheet) -> Unit = { error("no sheet was expected") }

/** Starts [work] beside the main thread, as an app does. */
fun <T> start(work: suspend () -> T): Deferred<Result<T>> =
    CoroutineScope(Dispatchers.Default).async { runCatching { work() } }

/** Runs the main thread until [work] is done; each sheet that comes up is given to [answer]. */
@OptIn(ExperimentalCoroutinesApi::class)
fun <T> answering(answer: (FakePrompt.Sheet) -> Unit = NO_SHEET, work: suspend () -> T): Result<T> {
    val job = start(work)
    mainThreadUntil { FakePrompt.take()?.let(answer); job.isCompleted }
    return job.getCompleted()
}

/** The gate's refusal that [work] ends with. */
fun <T> refusal(answer: (FakePrompt.Sheet) -> Unit = NO_SHEET, work: suspend () -> T): GateException {
    val error = answering(answer, work).exceptionOrNull() ?: throw AssertionError("it was not refused")
    return error as? GateException ?: throw AssertionError("not a gate's refusal", error)
}

fun mainThreadUntil(done: () -> Boolean) {
    val end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20)
    while (!done()) {
        check(System.nanoTime() < end) { "still waiting after 20 s" }
        shadowOf(Looper.getMainLooper()).idle()
        Thread.sleep(1)
    }
}

fun Job.finished() = mainThreadUntil { isCompleted }

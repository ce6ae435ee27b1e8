package org.pocketchart

import kotlin.coroutines.cancellation.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import org.pocketchart.ffi.GateException as ForeignException
import org.pocketchart.ffi.GatePolicy as ForeignPolicy
import org.pocketchart.ffi.KeyGate as ForeignGate

/**
 * An app's [KeyGate] as the library calls it. Whatever else it throws becomes "try again" here already: the generated
 * half would carry an unknown exception's text and stack trace over the boundary.
 */
internal class GateBridge(private val gate: KeyGate) : ForeignGate {
    override suspend fun enroll(alias: String, policy: ForeignPolicy, secret: ByteArray): ByteArray = asked {
        val wanted = when (policy) {
            ForeignPolicy.PERSON -> GatePolicy.PERSON
            ForeignPolicy.EVALUATE -> GatePolicy.EVALUATE
        }
        try {
            gate.enroll(alias, wanted, secret)
        } finally {
            secret.fill(0)
        }
    }

    override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray =
        asked { gate.release(alias, sealed, reason) }

    override suspend fun evaluate(alias: String, input: ByteArray): ByteArray = asked {
        try {
            gate.evaluate(alias, input)
        } finally {
            input.fill(0)
        }
    }

    override suspend fun destroy(alias: String): Unit = asked { gate.destroy(alias) }

    @Suppress("TooGenericExceptionCaught") // Nothing may get out of here but what is declared.
    private suspend fun <T> asked(question: suspend () -> T): T = try {
        question()
    } catch (error: GateException) {
        throw foreign(error.failure)
    } catch (_: CancellationException) {
        // A time-out of the gate's own looks the same as a caller who went away.
        currentCoroutineContext().ensureActive()
        throw ForeignException.TryAgain()
    } catch (_: Throwable) {
        throw ForeignException.TryAgain()
    }

    private fun foreign(failure: GateFailure): ForeignException = when (failure) {
        GateFailure.REFUSED -> ForeignException.Refused()
        GateFailure.CANCELLED -> ForeignException.Cancelled()
        GateFailure.LOCKED_OUT -> ForeignException.LockedOut()
        GateFailure.LOST -> ForeignException.Lost()
        GateFailure.TRY_AGAIN -> ForeignException.TryAgain()
        GateFailure.UNAVAILABLE -> ForeignException.Unavailable()
    }
}

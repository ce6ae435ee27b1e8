package org.pocketchart.android

import android.security.KeyStoreException
import android.security.keystore.KeyPermanentlyInvalidatedException
import java.security.UnrecoverableKeyException
import kotlin.coroutines.cancellation.CancellationException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Test
import org.junit.runner.RunWith
import org.pocketchart.GateException
import org.pocketchart.GateFailure
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config

/** The exceptions that the fake key store does not throw by itself. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [35])
class ClassifyTest {
    private fun failure(error: Throwable) = (Classify.thrown(error) as GateException).failure

    /** `KeyStoreException` maps the daemon's numbers to its public ones. These are the daemon's. */
    private fun daemon(code: Int) = KeyStoreException(code, "a text")

    @Test
    fun onlyTwoThingsAreLoss() {
        assertEquals(GateFailure.LOST, failure(KeyPermanentlyInvalidatedException()))
        val wrapped = UnrecoverableKeyException().apply { initCause(KeyPermanentlyInvalidatedException()) }
        assertEquals(GateFailure.LOST, failure(wrapped))
        val gone = daemon(KEY_NOT_FOUND)
        assertEquals(KeyStoreException.ERROR_KEY_DOES_NOT_EXIST, gone.numericErrorCode)
        assertEquals(GateFailure.LOST, failure(UnrecoverableKeyException().apply { initCause(gone) }))
    }

    @Test
    fun everythingElseIsNot() {
        assertEquals(GateFailure.TRY_AGAIN, failure(UnrecoverableKeyException("a text")))
        for (code in listOf(SYSTEM_ERROR, VALUE_CORRUPTED, PERMISSION_DENIED, OUT_OF_KEYS, HARDWARE_BUSY)) {
            assertEquals("code $code", GateFailure.TRY_AGAIN, failure(daemon(code)))
        }
        assertEquals(GateFailure.TRY_AGAIN, failure(IllegalStateException()))
        for (code in listOf(USER_NOT_AUTHENTICATED, LOCKED)) {
            assertEquals("code $code", GateFailure.REFUSED, failure(daemon(code)))
        }
    }

    @Test
    fun aCauseThatRunsInACircleEnds() {
        val one = IllegalStateException()
        val two = IllegalStateException(one)
        one.initCause(two)
        assertEquals(GateFailure.TRY_AGAIN, failure(one))
    }

    @Test
    fun cancellationIsPassedOn() {
        val cancelled = CancellationException("by the app")
        assertSame(cancelled, Classify.thrown(cancelled))
    }

    @Test
    fun theDetailHoldsKindsAndNumbersOnly() {
        val error = IllegalStateException("alias 7, user Kim", daemon(KEY_NOT_FOUND))
        assertEquals("LOST (IllegalStateException < KeyStoreException 6)", Classify.thrown(error).message)
    }

    private companion object {
        const val LOCKED = 2
        const val SYSTEM_ERROR = 4
        const val PERMISSION_DENIED = 6
        const val KEY_NOT_FOUND = 7
        const val VALUE_CORRUPTED = 8
        const val OUT_OF_KEYS = 22
        const val HARDWARE_BUSY = -67
        const val USER_NOT_AUTHENTICATED = -26
    }
}

package org.pocketchart

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import org.pocketchart.ffi.PocketchartException

/** Runs a call over the boundary, whose errors come out as [VaultException]s. */
internal inline fun <T> crossing(call: () -> T): T = try {
    call()
} catch (error: PocketchartException) {
    throw Codes.exception(error.message.orEmpty())
} catch (error: IllegalStateException) {
    // The generated half says so of an object that was given back; a coroutine's cancellation is one of these too.
    if (error is kotlin.coroutines.cancellation.CancellationException) throw error
    throw Codes.exception("closed: this object was closed")
}

/** As [crossing], for short calls that look into a file: off the main thread. */
internal suspend fun <T> reading(call: () -> T): T = withContext(Dispatchers.IO) { crossing(call) }

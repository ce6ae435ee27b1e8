package org.pocketchart.android

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.withContext

/** Runs blocking [work] of the key store on [dispatcher]; whatever it throws comes out as a gate's refusal. */
internal suspend fun <T> classified(dispatcher: CoroutineDispatcher, work: () -> T): T = withContext(dispatcher) {
    try {
        work()
    } catch (@Suppress("TooGenericExceptionCaught") error: Exception) {
        throw Classify.thrown(error)
    }
}

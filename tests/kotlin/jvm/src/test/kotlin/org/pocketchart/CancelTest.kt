package org.pocketchart

import kotlin.coroutines.cancellation.CancellationException
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.pocketchart.ffi.NewSlot

/** A coroutine that goes away: nothing is torn, and nothing is left behind. */
class CancelTest {
    /** Starts [call], cancels it after each of some delays, and hands over whether it got through. */
    private suspend fun cancelled(call: suspend (Int) -> Unit, after: suspend (Int) -> Unit) {
        for ((round, micros) in listOf(0L, 50, 200, 1_000, 5_000, 20_000, 100_000).withIndex()) {
            coroutineScope {
                val job = launch(Dispatchers.Default, CoroutineStart.UNDISPATCHED) { call(round) }
                if (micros >= 1_000) delay((micros / 1_000).milliseconds) else if (micros > 0) busy(micros)
                job.cancelAndJoin()
            }
            after(round)
        }
    }

    private fun busy(micros: Long) {
        val end = System.nanoTime() + micros * 1_000
        while (System.nanoTime() < end) Thread.onSpinWait()
    }

    @Test
    fun `put is whole or not there`() = atHome {
        cancelled({ patient("p$it") }) { round ->
            // It may still be on its way: writes go to their end.
            eventually(1.seconds) { runCatching { session.get("Patient/p$round") }.isSuccess }
            val found = runCatching { session.get("Patient/p$round") }
            found.onSuccess { assertTrue("Kim" in it.json) }.onFailure { assertTrue(it is VaultException.NotFound) }
        }
        patient("last")
        assertEquals("Patient/last", session.get("Patient/last").reference)
    }

    @Test
    fun `get and search can be given up at any moment`() = atHome {
        patient("a")
        cancelled({ session.get("Patient/a") }) {}
        cancelled({ session.search("Patient?name=kim") }) {}
        cancelled({ session.outbox(); session.conflicts(); session.visits(); session.syncState() }) {}
        assertEquals(1, session.search("Patient?name=kim").items.size)
    }

    @Test
    fun `delete is done or not done`() = atHome {
        patient("a")
        cancelled({ runCatching { session.delete("Patient/a") } }) {}
        assertTrue(eventually { runCatching { session.get("Patient/a") }.exceptionOrNull() is VaultException.NotFound })
    }

    @Test
    fun `unlock leaves no session that nobody has`() = atHome {
        session.lock()
        cancelled({ vault.unlockByPassphrase(Surroundings.PASSPHRASE) }) {
            // Whatever was opened is locked again: the vault is free.
            suspend fun opens() = runCatching { vault.unlockByPassphrase(Surroundings.PASSPHRASE).use {} }.isSuccess
            assertTrue(eventually { System.gc(); opens() })
        }
    }

    @Test
    fun `create leaves no vault that nobody confirmed`() = atHome {
        val folder = java.io.File(folder, "other")
        Vault(folder).use { other ->
            // What is being put together has the folder until it is through and thrown away.
            suspend fun tried() = runCatching { other.create(Surroundings.PASSPHRASE).close() }
            cancelled({ tried() }) {
                assertFalse(other.exists())
                assertTrue(eventually { System.gc(); tried().isSuccess })
            }
            other.create(Surroundings.PASSPHRASE).use { new -> new.confirm(new.recoveryCode).close() }
            assertTrue(other.exists())
        }
    }

    @Test
    fun `the gate's question ends with whoever asked`() = atHome {
        session.lock()
        val asked = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<Unit>()
        val waits = object : KeyGate by gate {
            override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray {
                asked.complete(Unit)
                try {
                    awaitCancellation()
                } finally {
                    ended.complete(Unit)
                }
            }
        }
        vault.unlockByPassphrase(Surroundings.PASSPHRASE).use { it.addSlot(NewSlot.Gate("finger")) }
        Vault(folder, waits).use { asking ->
            coroutineScope {
                val job = launch(Dispatchers.Default) { asking.unlockByGate("why") }
                asked.await()
                job.cancelAndJoin()
                withTimeout(10.seconds) { ended.await() }
            }
        }
        vault.unlockByGate("why").use { assertEquals("owner", it.person().id) }
    }

    @Test
    fun `a gate that never answers holds nobody up`() = atHome {
        session.addSlot(NewSlot.Gate("finger"))
        session.lock()
        val never = object : KeyGate by gate {
            override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray =
                awaitCancellation()
        }
        Vault(folder, never).use { asking ->
            coroutineScope {
                val job = launch(Dispatchers.Default) { asking.unlockByGate("why") }
                delay(50.milliseconds)
                withTimeout(10.seconds) { vault.unlockByPassphrase(Surroundings.PASSPHRASE).use { patient(it) } }
                job.cancelAndJoin()
            }
        }
    }

    private suspend fun patient(of: Session) = of.put("""{"resourceType":"Patient","id":"x"}""")

    @Test
    fun `a time-out of the gate's own is try again`() = atHome {
        val slow = object : KeyGate by gate {
            override suspend fun release(alias: String, sealed: ByteArray, reason: String): ByteArray =
                withTimeout(10.milliseconds) { awaitCancellation() }
        }
        session.addSlot(NewSlot.Gate("finger"))
        session.lock()
        Vault(folder, slow).use {
            val error = assertFailsWith<VaultException.Gate> { it.unlockByGate("why") }
            assertEquals(GateFailure.TRY_AGAIN, error.failure)
        }
    }

    @Test
    fun `a wait for ticks can be given up`() = atHome {
        assertFailsWith<TimeoutCancellationException> {
            withTimeout(300.milliseconds) { session.observe("Patient").collect { } }
        }
        assertEquals(listOf("Patient"), session.observe("Patient").first().kinds)
    }

    @Test
    fun `a cancelled coroutine gets a cancellation and no error of the library`() = atHome {
        coroutineScope {
            val call = async(Dispatchers.Default, CoroutineStart.LAZY) { session.search("Patient") }
            call.cancel()
            assertFailsWith<CancellationException> { call.await() }
        }
    }
}

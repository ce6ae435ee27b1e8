package org.pocketchart

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.pocketchart.ffi.LockState
import org.pocketchart.ffi.bytesInUse
import org.pocketchart.ffi.liveObjects

/** Objects that are closed, closed too early, used too late or forgotten; and very many calls. */
class HandlesTest {
    @Test
    fun `closing while calls run ends them and locks`() = atHome {
        repeat(20) { patient("p$it") }
        coroutineScope {
            val calls = (1..100).map {
                async(Dispatchers.Default) { runCatching { session.search("Patient?name=kim") } }
            }
            session.close()
            for (done in calls.awaitAll()) {
                done.onSuccess { assertEquals(20, it.items.size) }
                    .onFailure { assertTrue(it is VaultException.Closed || it is VaultException.Locked, "$it") }
            }
        }
        vault.unlockByPassphrase(Surroundings.PASSPHRASE).use { assertEquals(20, it.search("Patient").items.size) }
    }

    @Test
    fun `locking while calls run ends them`() = atHome {
        repeat(20) { patient("p$it") }
        coroutineScope {
            val calls = (1..100).map {
                async(Dispatchers.Default) { runCatching { session.search("Patient?name=kim") } }
            }
            session.lock()
            for (done in calls.awaitAll()) {
                done.onSuccess { assertEquals(20, it.items.size) }
                    .onFailure { assertTrue(it is VaultException.Locked, "$it") }
            }
        }
        assertTrue(session.isLocked())
    }

    @Test
    fun `every call after closing says so`() = atHome {
        session.close()
        val calls = listOf<suspend () -> Any?>(
            { session.person() }, { session.lockState() }, { session.search("Patient") }, { session.get("Patient/a") },
            { session.put("{}") }, { session.delete("Patient/a") }, { session.sync() }, { session.slots() },
            { session.people() }, { session.outbox() }, { session.conflicts() }, { session.visits() },
            { session.servers() }, { session.whoSaw("a") }, { session.pause() }, { session.resume() },
            { session.lock() }, { session.observe().toList() }, { session.newRecoveryCode() }, { session.freeTimes() },
        )
        for ((number, call) in calls.withIndex()) {
            assertIs<VaultException.Closed>(runCatching { call() }.exceptionOrNull(), "call $number")
        }
        assertTrue(session.isLocked())
        session.background()
        session.foreground()
        session.close()
    }

    @Test
    fun `a vault that was closed answers nothing`() = atHome {
        vault.close()
        assertFailsWith<VaultException.Closed> { vault.exists() }
        assertFailsWith<VaultException.Closed> { vault.unlockByPassphrase(Surroundings.PASSPHRASE) }
        assertEquals("owner", session.person().id)
    }

    @Test
    fun `a new vault that is closed is none`() = atHome {
        Vault(File(folder, "other")).use { other ->
            val new = other.create(Surroundings.PASSPHRASE)
            new.close()
            assertFailsWith<VaultException.Closed> { new.recoveryCode }
            assertFailsWith<VaultException.Closed> { new.confirm("code") }
            assertFalse(other.exists())
        }
    }

    @Test
    fun `a forgotten session is locked and given back`() = atHome {
        session.lock()
        val before = settled { liveObjects() }
        suspend fun forget() {
            vault.unlockByPassphrase(Surroundings.PASSPHRASE).search("Patient")
        }
        forget()
        assertTrue(eventually { System.gc(); liveObjects() <= before }, "${liveObjects() - before} are still held")
        vault.unlockByPassphrase(Surroundings.PASSPHRASE).use { assertEquals("owner", it.person().id) }
    }

    @Test
    fun `forgotten objects of each kind are given back`() = atHome {
        val before = settled { liveObjects() }
        suspend fun forget() = repeat(20) {
            Vault(File(folder, "other-$it")).exists()
            session.inner.observe(listOf("Patient"))
            org.pocketchart.ffi.CancelToken()
        }
        forget()
        assertTrue(eventually { System.gc(); liveObjects() <= before }, "${liveObjects() - before} are still held")
    }

    @Test
    fun `a thousand calls at once are all answered`() = atHome {
        repeat(10) { patient("p$it") }
        val answers = withTimeout(50.seconds) {
            coroutineScope {
                (1..1_000).map { n ->
                    async(Dispatchers.Default) {
                        when (n % 4) {
                            0 -> session.search("Patient?name=kim").items.size
                            1 -> session.get("Patient/p${n % 10}").reference.length
                            2 -> patient("n$n", "Lopez").reference.length
                            else -> if (session.lockState() is LockState.Open) 1 else 0
                        }
                    }
                }.awaitAll()
            }
        }
        assertTrue(answers.all { it > 0 })
        assertEquals(250uL, session.search("Patient?name=lopez&_total=accurate").total)
    }

    @Test
    fun `many observers hear of one change`() = atHome {
        coroutineScope {
            val heard = (1..50).map {
                async(Dispatchers.Default) {
                    var ticks = 0
                    session.observe("Patient").collect { ticks += 1 }
                    ticks
                }
            }
            // Everyone has had the first tick once the changes are told apart from it.
            val watched = launch { session.observe("Patient").collect { } }
            kotlinx.coroutines.delay(500)
            patient("a")
            kotlinx.coroutines.delay(500)
            session.lock()
            assertEquals(List(50) { 2 }, heard.awaitAll())
            watched.join()
        }
    }

    @Test
    fun `reads leave nothing on the library's heap`() = atHome {
        repeat(20) { patient("p$it") }
        suspend fun round() = repeat(500) {
            session.search("Patient?name=kim")
            session.get("Patient/p1")
            session.lockState()
        }
        round()
        val before = settled { bytesInUse() }
        round()
        val grown = settled { bytesInUse() } - before
        assertTrue(grown < 64 * 1024, "$grown bytes more after 1,500 calls")
    }

    @Test
    fun `an empty path is no vault`() = runBlocking {
        assertFailsWith<VaultException.BadInput> { Vault(File("")) }
        Unit
    }
}

package org.pocketchart

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.pocketchart.ffi.LockState
import org.pocketchart.ffi.NewSlot
import org.pocketchart.ffi.UnlockWith

/** What screens collect. */
class FlowsTest {
    @Test
    fun `a page comes at once, and again after a change`() = atHome {
        coroutineScope {
            val sizes = Channel<Int>(Channel.UNLIMITED)
            val screen = launch(Dispatchers.Default) {
                session.pages("Patient?name=kim", "Patient").collect { sizes.send(it.items.size) }
            }
            suspend fun until(size: Int) = withTimeout(10.seconds) { while (sizes.receive() != size) Unit }
            until(0)
            patient("a")
            until(1)
            patient("b")
            until(2)
            session.delete("Patient/a")
            until(1)
            screen.cancel()
        }
    }

    @Test
    fun `pages end when the vault is locked`() = atHome {
        coroutineScope {
            val seen = async(Dispatchers.Default) { session.pages("Patient").toList() }
            kotlinx.coroutines.delay(200)
            session.lock()
            assertTrue(withTimeout(10.seconds) { seen.await() }.isNotEmpty())
        }
    }

    @Test
    fun `the lock state is told once for each change`() = atHome {
        coroutineScope {
            val states = async(Dispatchers.Default) { session.lockStates().toList() }
            kotlinx.coroutines.delay(200)
            patient("a")
            session.lock()
            val seen = withTimeout(10.seconds) { states.await() }
            assertEquals(listOf(true, false), seen.map { it is LockState.Open })
        }
    }

    @Test
    fun `the lock state goes on when the vault changes hands`() = atHome {
        session.addPerson("nurse-1", "nurse", NewSlot.Passphrase("Ann", Surroundings.OTHER, false))
        coroutineScope {
            val states = async(Dispatchers.Default) { session.lockStates().toList() }
            kotlinx.coroutines.delay(200)
            session.switchPerson(UnlockWith.Passphrase("nurse-1", Surroundings.OTHER))
            kotlinx.coroutines.delay(200)
            assertTrue(states.isActive)
            session.lock()
            assertEquals(2, withTimeout(10.seconds) { states.await() }.size)
        }
    }

    @Test
    fun `a locked vault has no flow`() = atHome {
        session.lock()
        assertFailsWith<VaultException.Locked> { session.observe("Patient").first() }
        assertEquals(listOf<LockState>(LockState.Locked), session.lockStates().toList())
    }

    @Test
    fun `a collector that has enough stops it`() = atHome {
        assertEquals(1, session.observe().take(1).toList().size)
        assertEquals(1, session.pages("Patient").take(1).toList().size)
    }

    @Test
    fun `a sync as a flow ends with its report, or its error`() = atHome {
        assertFailsWith<VaultException.Server> { session.syncing().toList() }
        Surroundings(java.io.File(folder, "around").apply { mkdirs() }).use { around ->
            val hub = around.startHub()
            session.addServer(hub.getValue("url"), hub.getValue("token"), hub.getValue("ca"))
            patient("a")
            val steps = session.syncing().toList()
            assertIs<SyncStep.Done>(steps.last()).report.servers.single().let { assertEquals(1uL, it.sent) }
            assertTrue(steps.size > 1 && steps.dropLast(1).all { it is SyncStep.Progress })
        }
    }

    @Test
    fun `a progress listener that throws stops nothing`() = atHome {
        Surroundings(java.io.File(folder, "around").apply { mkdirs() }).use { around ->
            val hub = around.startHub()
            session.addServer(hub.getValue("url"), hub.getValue("token"), hub.getValue("ca"))
            patient("a")
            val report = session.sync { error("a text that must not get out") }
            assertEquals(1uL, report.servers.single().sent)
        }
    }

    @Test
    fun `background sync says whether everybody was reached`() = atHome {
        assertEquals(false, session.syncInBackground())
        Surroundings(java.io.File(folder, "around").apply { mkdirs() }).use { around ->
            val hub = around.startHub()
            session.addServer(hub.getValue("url"), hub.getValue("token"), hub.getValue("ca"))
            assertEquals(true, session.syncInBackground())
            around.stopHub()
            assertEquals(false, session.syncInBackground())
        }
    }
}

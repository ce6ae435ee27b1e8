package org.pocketchart

import java.io.File
import java.nio.file.Files
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.pocketchart.guide.tenLines

/** The ten lines of docs/guides/android.md, as they stand there. */
class GuideTest {
    @Test
    fun `the ten lines of the guide run`() = runBlocking {
        val place = Files.createTempDirectory("pocketchart-guide").toFile()
        Surroundings(place).use { around ->
            around.startHub()
            val made = around.ok("hub", listOf("--json", "hub", "enrol", "--device", "phone", "--facility", "north"))
            val shown = CopyOnWriteArrayList<Int>()
            val session = withContext(Dispatchers.Default) {
                tenLines(
                    home = File(place, "phone"),
                    gate = GoodGate(),
                    passphrase = Surroundings.PASSPHRASE,
                    code = part(made["json"], "code") as String,
                    scope = this,
                    writtenDown = { it },
                    approved = { around.ok("hub", listOf("hub", "approve", it)) },
                    show = { shown += it.items.size },
                )
            }
            session.use {
                assertTrue(1 in shown, "the screen saw $shown")
                assertEquals("Weight", it.search("Observation").items.single().what)
                assertEquals("gate", answer(it.slots().single { slot -> slot.isOpen }.kind))
            }
        }
    }
}

package org.pocketchart

import java.io.File
import java.nio.file.Files
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.pocketchart.ffi.liveObjects

/** A folder with a vault in it, open in its owner's hands. */
class Home(val folder: File, val gate: GoodGate, val vault: Vault, val session: Session, val code: String) {
    suspend fun patient(id: String, family: String = "Kim") =
        session.put("""{"resourceType":"Patient","id":"$id","name":[{"family":"$family"}]}""")
}

/** Runs [test] on a vault of its own, within a minute; nothing may be held afterwards. */
fun atHome(test: suspend Home.() -> Unit) = runBlocking {
    val before = settled { liveObjects() }
    val folder = Files.createTempDirectory("pocketchart-home").toFile()
    try {
        withTimeout(60.seconds) {
            val gate = GoodGate()
            Vault(folder, gate).use { vault ->
                val new = vault.create(Surroundings.PASSPHRASE)
                val code = new.recoveryCode
                new.use { it.confirm(code) }.use { session -> Home(folder, gate, vault, session, code).test() }
            }
        }
    } finally {
        folder.deleteRecursively()
    }
    check(eventually { liveObjects() <= before }) { "${liveObjects() - before} objects are still held" }
}

/** Whether [holds] within [patience]. */
suspend fun eventually(patience: Duration = 20.seconds, holds: suspend () -> Boolean): Boolean {
    val end = System.nanoTime() + patience.inWholeNanoseconds
    while (!holds()) {
        if (System.nanoTime() > end) return false
        delay(5.milliseconds)
    }
    return true
}

/** A number once it has stopped changing: what an earlier test left behind may still be on its way out. */
suspend fun settled(number: () -> Long): Long {
    var last = number()
    var same = 0
    while (same < 10) {
        System.gc()
        delay(10.milliseconds)
        val now = number()
        if (now == last) same += 1 else same = 0
        last = now
    }
    return last
}

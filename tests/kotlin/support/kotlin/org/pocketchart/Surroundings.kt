package org.pocketchart

import com.google.gson.JsonParser
import java.io.File
import java.util.concurrent.TimeUnit

/** What stands around the library in a story: its folder, the desktop program, a hub. */
class Surroundings(val place: File) : AutoCloseable {
    private val passphrase = File(place, "passphrase").apply { writeText("$PASSPHRASE\n") }
    private var hub: Process? = null

    private fun started(home: String, args: List<String>, name: String): Process {
        val program = System.getProperty("program")
        val begin = listOf(program, "--home", File(place, home).path)
        return ProcessBuilder(begin + listOf("--passphrase-file", passphrase.path) + args).apply {
            environment().remove("POCKETCHART_HOME")
            environment()["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent"
            redirectInput(File("/dev/null"))
            redirectOutput(File(place, "$name.out"))
            redirectError(File(place, "$name.err"))
        }.start()
    }

    /** Runs the desktop program; exit code, output, errors and the output's last line as JSON. */
    fun cli(home: String, args: List<String>): Map<String, Any?> {
        val process = started(home, args, "cli")
        check(process.waitFor(120, TimeUnit.SECONDS)) { "$args takes too long" }
        val out = File(place, "cli.out").readText()
        val json = runCatching { fromJson(JsonParser.parseString(out.trim().lines().last())) }.getOrNull()
        return mapOf(
            "code" to process.exitValue().toLong(),
            "out" to out,
            "err" to File(place, "cli.err").readText(),
            "json" to json,
        )
    }

    fun ok(home: String, args: List<String>): Map<String, Any?> =
        cli(home, args).also { check(it["code"] == 0L) { "$args: $it" } }

    /** A hub with a vault of its own; what it says it can be reached by. */
    fun startHub(): Map<String, String> {
        if (!File(place, "hub").exists()) ok("hub", listOf("vault", "create"))
        val ready = File(place, "ready.json").apply { delete() }
        val args = listOf("hub", "--listen", "127.0.0.1:0", "--ready-file", ready.path)
        val process = started("hub", args, "hub-process")
        hub = process
        // Where the tests are cut off, nobody closes this.
        Runtime.getRuntime().addShutdownHook(Thread(process::destroy))
        val end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60)
        while (!ready.exists()) {
            check(process.isAlive && System.nanoTime() < end) {
                "the hub is not ready: " + File(place, "hub-process.err").readText()
            }
            Thread.sleep(20)
        }
        val said = fromJson(JsonParser.parseString(ready.readText())) as Map<*, *>
        return mapOf(
            "url" to said["url"] as String,
            "ca" to File(said["ca_file"] as String).readText(),
            "token" to File(said["token_file"] as String).readText().trim(),
            "caFile" to said["ca_file"] as String,
            "tokenFile" to said["token_file"] as String,
        )
    }

    fun stopHub() {
        hub?.destroy()
        hub?.waitFor(20, TimeUnit.SECONDS)
        hub = null
    }

    override fun close() {
        hub?.destroyForcibly()?.waitFor()
        place.deleteRecursively()
    }

    companion object {
        const val PASSPHRASE = "plum orbit lantern 42"
        const val OTHER = "ferry thimble orchard 19"
    }
}

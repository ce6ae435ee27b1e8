package org.pocketchart.android

import android.content.ComponentName
import android.content.pm.ApplicationInfo
import android.content.pm.PackageManager
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.w3c.dom.Element

/** Nothing of an app with this library is backed up, and the job's service belongs to the system alone. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [35])
class ManifestTest {
    private val app get() = RuntimeEnvironment.getApplication()
    private val source = File(System.getProperty("library"), "src/main")
    private val domains = listOf(
        "root", "file", "database", "sharedpref", "external",
        "device_root", "device_file", "device_database", "device_sharedpref",
    )

    private fun read(path: String): Element =
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(File(source, path)).documentElement

    /** The domains that are left out whole under [where]; anything else in there fails. */
    private fun leftOut(where: Element): List<String> {
        val children = (0 until where.childNodes.length).map(where.childNodes::item).filterIsInstance<Element>()
        assertTrue(children.all { it.tagName == "exclude" && it.getAttribute("path") == "." })
        return children.map { it.getAttribute("domain") }
    }

    @Test
    fun nothingIsBackedUp() {
        assertEquals(0, app.applicationInfo.flags and ApplicationInfo.FLAG_ALLOW_BACKUP)
        assertEquals(domains, leftOut(read("res/xml/pocketchart_backup_rules.xml")))
        val newer = read("res/xml/pocketchart_data_extraction_rules.xml")
        for (way in listOf("cloud-backup", "device-transfer")) {
            assertEquals(way, domains, leftOut(newer.getElementsByTagName(way).item(0) as Element))
        }
    }

    @Test
    fun theManifestNamesTheRules() {
        val application = read("AndroidManifest.xml").getElementsByTagName("application").item(0) as Element
        assertEquals("false", application.getAttribute("android:allowBackup"))
        for (attribute in listOf("fullBackupContent", "dataExtractionRules")) {
            val named = application.getAttribute("android:$attribute").removePrefix("@xml/")
            assertTrue(named, File(source, "res/xml/$named.xml").isFile)
            assertTrue("an app's own file of that name would take its place", named.startsWith("pocketchart_"))
        }
    }

    @Test
    fun theJobsServiceIsTheSystems() {
        val name = ComponentName(app, SyncJobService::class.java)
        val service = app.packageManager.getServiceInfo(name, 0)
        assertEquals("android.permission.BIND_JOB_SERVICE", service.permission)
        assertFalse(service.exported)
    }

    @Test
    fun noMorePermissionsThanNeeded() {
        val asked = app.packageManager.getPackageInfo(app.packageName, PackageManager.GET_PERMISSIONS)
        val expected = listOf("INTERNET", "ACCESS_NETWORK_STATE", "USE_BIOMETRIC").map { "android.permission.$it" }
        assertEquals(expected.toSet(), asked.requestedPermissions.orEmpty().toSet())
    }
}

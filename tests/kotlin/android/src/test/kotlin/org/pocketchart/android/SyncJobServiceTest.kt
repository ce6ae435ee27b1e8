package org.pocketchart.android

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.pocketchart.BackgroundSync
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.util.ReflectionHelpers

/** The job, as the system starts and stops it. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [28, 35])
class SyncJobServiceTest {
    private class Open(private val locked: Boolean = false, private val round: suspend () -> Boolean) : BackgroundSync {
        val told = CopyOnWriteArrayList<String>()
        override fun background() = Unit
        override fun foreground() = Unit
        override fun isLocked() = locked
        override suspend fun syncInBackground(): Boolean {
            told += "synced"
            return round()
        }
    }

    private val app get() = RuntimeEnvironment.getApplication()
    private val service by lazy { Robolectric.buildService(SyncJobService::class.java).create().get() }
    private val params: JobParameters = ReflectionHelpers.newInstance(JobParameters::class.java)

    @After
    fun down() {
        SyncJobService.vault = { null }
    }

    private fun rescheduled(): Boolean {
        assertTrue("the work goes on beside the main thread", service.onStartJob(params))
        mainThreadUntil { shadowOf(service).isJobFinished }
        return shadowOf(service).isRescheduleNeeded
    }

    @Test
    fun syncsWhileTheVaultIsOpen() {
        val open = Open { true }
        SyncJobService.vault = { open }
        assertFalse(rescheduled())
        assertEquals(listOf("synced"), open.told)
    }

    @Test
    fun asksAgainWhenTheServerWasNotReached() {
        SyncJobService.vault = { Open { false } }
        assertTrue(rescheduled())
    }

    @Test
    fun asksAgainWhileItIsLocked() {
        val open = Open(locked = true) { true }
        SyncJobService.vault = { open }
        assertTrue(rescheduled())
        assertEquals(emptyList<String>(), open.told)
    }

    @Test
    fun asksAgainWithoutAVault() {
        assertTrue(rescheduled())
    }

    @Test
    fun theSystemStopsIt() {
        val stopped = CompletableDeferred<Boolean>()
        val open = Open { try { awaitCancellation() } finally { stopped.complete(true) } }
        SyncJobService.vault = { open }
        service.onStartJob(params)
        mainThreadUntil { open.told.isNotEmpty() }
        assertTrue("once more later", service.onStopJob(params))
        mainThreadUntil { stopped.isCompleted }
        assertFalse("nobody calls back after the stop", shadowOf(service).isJobFinished)
    }

    @Test
    fun theServiceIsDestroyed() {
        val stopped = CompletableDeferred<Boolean>()
        val open = Open { try { awaitCancellation() } finally { stopped.complete(true) } }
        SyncJobService.vault = { open }
        service.onStartJob(params)
        mainThreadUntil { open.told.isNotEmpty() }
        service.onDestroy()
        mainThreadUntil { stopped.isCompleted }
        assertTrue(stopped.isCompleted)
    }

    @Test
    fun isScheduledOnce() {
        assertTrue(SyncJobService.schedule(app, 1.hours))
        assertTrue(SyncJobService.schedule(app, 1.minutes))
        val job = app.getSystemService(JobScheduler::class.java)!!.allPendingJobs.single()
        assertTrue(job.isPeriodic)
        assertFalse("it needs no permission to start after a restart", job.isPersisted)
        assertEquals(15.minutes.inWholeMilliseconds, job.intervalMillis)
        assertEquals(JobInfo.BACKOFF_POLICY_LINEAR, job.backoffPolicy)
        SyncJobService.cancel(app)
        assertEquals(0, app.getSystemService(JobScheduler::class.java)!!.allPendingJobs.size)
    }
}

package org.pocketchart.android

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.app.job.JobService
import android.content.ComponentName
import android.content.Context
import java.util.concurrent.ConcurrentHashMap
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch
import org.pocketchart.BackgroundSync

/**
 * Syncs now and then while the vault is open; while it is locked it does nothing, and asks again later.
 *
 * Nothing can be synced without a person's slot yet: a job that starts after the process was ended finds no open
 * vault. So the job is not kept over a restart of the phone, and needs no permission for that.
 */
public class SyncJobService : JobService() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val running = ConcurrentHashMap<Int, Job>()

    override fun onStartJob(params: JobParameters): Boolean {
        val job = scope.launch(start = CoroutineStart.LAZY) { jobFinished(params, !synced()) }
        running.put(params.jobId, job)?.cancel()
        job.invokeOnCompletion { running.remove(params.jobId, job) }
        job.start()
        return true
    }

    /** Whether the job has done what it was for. */
    private suspend fun synced(): Boolean {
        val open = vault()
        return open != null && !open.isLocked() && open.syncInBackground()
    }

    /** The system wants the network or the battery back: what arrived is kept, the rest comes another time. */
    override fun onStopJob(params: JobParameters): Boolean {
        running.remove(params.jobId)?.cancel()
        return true
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    public companion object {
        /** The vault that is open now, if one is. Set it once, in `Application.onCreate`. */
        @Volatile
        public var vault: () -> BackgroundSync? = { null }

        private const val JOB = 0x7063
        private val SHORTEST = 15.minutes

        /**
         * Has the system run the job about once in [every], with a network. Call it whenever a vault was opened;
         * doing so twice is fine.
         *
         * @param every 15 minutes at least, which is the system's own floor.
         * @param id a number that no other job of the app has.
         * @return whether the system took it.
         */
        public fun schedule(context: Context, every: Duration = SHORTEST, id: Int = JOB): Boolean {
            val job = JobInfo.Builder(id, ComponentName(context, SyncJobService::class.java))
                .setRequiredNetworkType(JobInfo.NETWORK_TYPE_ANY)
                .setPeriodic(every.coerceAtLeast(SHORTEST).inWholeMilliseconds)
                .setBackoffCriteria(SHORTEST.inWholeMilliseconds, JobInfo.BACKOFF_POLICY_LINEAR)
                .build()
            val scheduler = context.getSystemService(JobScheduler::class.java) ?: return false
            return scheduler.schedule(job) == JobScheduler.RESULT_SUCCESS
        }

        /** Stops it, after the vault was wiped for instance. */
        public fun cancel(context: Context, id: Int = JOB) {
            context.getSystemService(JobScheduler::class.java)?.cancel(id)
        }
    }
}

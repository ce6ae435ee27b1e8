package org.pocketchart

import org.pocketchart.ffi.SyncProgress
import org.pocketchart.ffi.SyncReport

/** What a sync tells while it runs. */
public sealed interface SyncStep {
    /** @property now how far it is. */
    public data class Progress(public val now: SyncProgress) : SyncStep

    /** @property report what it did, and what is left. */
    public data class Done(public val report: SyncReport) : SyncStep
}

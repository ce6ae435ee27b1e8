// The library's plain data, under names that an app sees with `import Pocketchart` alone.

import PocketchartFFI

public typealias GateError = PocketchartFFI.GateError
public typealias GatePolicy = PocketchartFFI.GatePolicy
public typealias KeyGate = PocketchartFFI.KeyGate
public typealias LockState = PocketchartFFI.LockState
public typealias PassphraseJudgement = PocketchartFFI.PassphraseJudgement
public typealias PersonInfo = PocketchartFFI.PersonInfo
public typealias RecordState = PocketchartFFI.RecordState
public typealias RecordSummary = PocketchartFFI.RecordSummary
public typealias RecordText = PocketchartFFI.RecordText
public typealias SavedRecord = PocketchartFFI.SavedRecord
public typealias SaveState = PocketchartFFI.SaveState
public typealias ServerSync = PocketchartFFI.ServerSync
public typealias SlotInfo = PocketchartFFI.SlotInfo
public typealias SlotKind = PocketchartFFI.SlotKind
public typealias SummaryPage = PocketchartFFI.SummaryPage
public typealias SyncPhase = PocketchartFFI.SyncPhase
public typealias SyncProgress = PocketchartFFI.SyncProgress
public typealias SyncReport = PocketchartFFI.SyncReport
public typealias Tick = PocketchartFFI.Tick
public typealias UnlockWith = PocketchartFFI.UnlockWith
public typealias VisitCounts = PocketchartFFI.VisitCounts

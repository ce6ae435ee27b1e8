// The library's plain data, under names that an app sees with `import Pocketchart` alone. What each is stands with it in
// `PocketchartFFI`.

import PocketchartFFI

public typealias AccessInfo = PocketchartFFI.AccessInfo
public typealias AccessPage = PocketchartFFI.AccessPage
public typealias ConflictInfo = PocketchartFFI.ConflictInfo
public typealias ConflictKind = PocketchartFFI.ConflictKind
public typealias ConflictSide = PocketchartFFI.ConflictSide
public typealias ConflictView = PocketchartFFI.ConflictView
public typealias FieldDifference = PocketchartFFI.FieldDifference
public typealias FreeTime = PocketchartFFI.FreeTime
public typealias FreeTimes = PocketchartFFI.FreeTimes
public typealias FreeTimesFilter = PocketchartFFI.FreeTimesFilter
public typealias GateError = PocketchartFFI.GateError
public typealias GatePolicy = PocketchartFFI.GatePolicy
public typealias HubJoin = PocketchartFFI.HubJoin
public typealias JoinWindow = PocketchartFFI.JoinWindow
public typealias KeyGate = PocketchartFFI.KeyGate
public typealias LockState = PocketchartFFI.LockState
public typealias MemberInfo = PocketchartFFI.MemberInfo
public typealias NewSlot = PocketchartFFI.NewSlot
public typealias PassphraseJudgement = PocketchartFFI.PassphraseJudgement
public typealias PathChoice = PocketchartFFI.PathChoice
public typealias PersonInfo = PocketchartFFI.PersonInfo
public typealias RecordState = PocketchartFFI.RecordState
public typealias RecordSummary = PocketchartFFI.RecordSummary
public typealias RecordText = PocketchartFFI.RecordText
public typealias RefusedChange = PocketchartFFI.RefusedChange
public typealias Resolution = PocketchartFFI.Resolution
public typealias SavedRecord = PocketchartFFI.SavedRecord
public typealias SaveState = PocketchartFFI.SaveState
public typealias ServerInfo = PocketchartFFI.ServerInfo
public typealias ServerState = PocketchartFFI.ServerState
public typealias ServerSync = PocketchartFFI.ServerSync
public typealias SkippedRecord = PocketchartFFI.SkippedRecord
public typealias SlotInfo = PocketchartFFI.SlotInfo
public typealias SlotKind = PocketchartFFI.SlotKind
public typealias SummaryPage = PocketchartFFI.SummaryPage
public typealias SyncPhase = PocketchartFFI.SyncPhase
public typealias SyncProgress = PocketchartFFI.SyncProgress
public typealias SyncReport = PocketchartFFI.SyncReport
public typealias Tick = PocketchartFFI.Tick
public typealias UnlockWith = PocketchartFFI.UnlockWith
public typealias VaultWarnings = PocketchartFFI.VaultWarnings
public typealias VisitCounts = PocketchartFFI.VisitCounts
public typealias VisitInfo = PocketchartFFI.VisitInfo
public typealias VisitLink = PocketchartFFI.VisitLink
public typealias VisitNote = PocketchartFFI.VisitNote
public typealias VisitWaits = PocketchartFFI.VisitWaits
public typealias VisitWish = PocketchartFFI.VisitWish
public typealias WaitingChange = PocketchartFFI.WaitingChange

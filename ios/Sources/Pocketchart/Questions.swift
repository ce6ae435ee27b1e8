// Small questions that need no vault.

import PocketchartFFI

/// Whether a passphrase may open a new slot: to be asked while it is typed. Takes about a millisecond.
public func judgePassphrase(_ text: String) throws(VaultError) -> PassphraseJudgement {
    do {
        return try PocketchartFFI.judgePassphrase(text: text)
    } catch {
        throw VaultError(error)
    }
}

/// An id for a record that is made here: a random UUID.
public func newRecordID() throws(VaultError) -> String {
    do {
        return try PocketchartFFI.newRecordId()
    } catch {
        throw VaultError(error)
    }
}

/// The version of the library, as `1.2.3`.
public func libraryVersion() throws(VaultError) -> String {
    do {
        return try PocketchartFFI.libraryVersion()
    } catch {
        throw VaultError(error)
    }
}

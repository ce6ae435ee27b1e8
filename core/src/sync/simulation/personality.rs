//! What servers do, as switches: each was seen on a real one (sync.md, "What real servers did").

use super::dice::Dice;

/// A server's ways.
#[derive(Debug, Clone)]
pub(super) struct Personality {
    /// Writes are stamped when they begin and seen up to this many milliseconds later.
    pub(super) late_ms: i64,
    /// How fine its stamps are. (HAPI's search cache is not here: `net::http` says `no-cache` on each request.)
    pub(super) stamps: Stamps,
    /// Status of a PUT whose If-Match is not the version any more.
    pub(super) stale: u16,
    /// The same in a transaction.
    pub(super) stale_in_transaction: StaleInTransaction,
    /// If-Match on an id that is not there (or deleted) creates it; else 412.
    pub(super) if_match_creates: bool,
    /// DELETE ignores If-Match.
    pub(super) deletes_blindly: bool,
    /// `If-None-Match: *` counts.
    pub(super) if_none_match: bool,
    /// A PUT that changes nothing keeps the version.
    pub(super) keeps_identical: bool,
    /// Status of a DELETE of what is not there. 404 fails a transaction.
    pub(super) second_delete: u16,
    /// Status of a GET of what was deleted.
    pub(super) gone: u16,
    /// How versions are told beside the resource.
    pub(super) etags: Etags,
    /// Answers to writes hold the resource.
    pub(super) represents: bool,
    /// Status texts in transaction answers: `201 Created`, or a bare `201`.
    pub(super) bare_status: bool,
    /// Equal stamps come in any order unless `,_id` is asked for.
    pub(super) shuffles_ties: bool,
    /// What history tells of deletions.
    pub(super) history: History,
    /// It has one of everything, not of each type alone.
    pub(super) whole_history: bool,
    /// Status of the history of one record: 200, or it has none.
    pub(super) record_history: u16,
    /// How pages follow each other.
    pub(super) paging: Paging,
    /// Most entries in a page, whatever is asked for.
    pub(super) page_cap: usize,
    /// Whose ids it takes.
    pub(super) ids: Ids,
    /// What is referred to must be there.
    pub(super) targets_must_exist: bool,
    /// What it does with content.
    pub(super) rewrites: Rewrites,
    /// One bad entry fails a whole batch too; and nothing is read in one.
    pub(super) batch_is_whole: bool,
    /// Most entries of a transaction.
    pub(super) most_entries: Option<usize>,
    /// Versions are UUIDs instead of numbers.
    pub(super) uuid_versions: bool,
    /// Does not look at If-Match at all, and does not declare `versioned-update`.
    pub(super) last_writer_wins: bool,
    /// Of a hundred requests, how many are answered 429 or 503 with Retry-After.
    pub(super) busy_percent: u32,
    /// Of a hundred pages, how many leave a record out: an index that lags, a cache.
    pub(super) forgets_percent: u32,
    /// Of a hundred requests, how many are answered 500, half of them after the work was done.
    pub(super) fails_percent: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamps {
    /// To the microsecond, shown in milliseconds.
    FinerThanShown,
    Milliseconds,
    /// Whole seconds: many ties.
    Seconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StaleInTransaction {
    /// 409 for the whole, rolled back, no index.
    Whole409,
    /// 400 "Entry failed with status 412", rolled back.
    Whole400,
    /// 412 for the whole, what came before it stays.
    NotRolledBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Etags {
    Weak,
    /// `2` in transaction answers.
    Bare,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    Tombstones,
    /// Tombstones without time.
    Timeless,
    Forbidden,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paging {
    /// The link names the last record.
    Keyset,
    /// The link names a number: what is written meanwhile shifts the pages.
    Offset,
    /// The first page fixes which records come; its links end after this many milliseconds.
    Snapshot(i64),
    /// No links.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    All,
    /// A client's, if it has a letter.
    NotNumeric,
    /// Its own only (`updateCreate` is false).
    Own,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rewrites {
    pub(super) order: bool,
    pub(super) drops_empties: bool,
    pub(super) merges_tags: bool,
    /// `1E2` becomes `100`.
    pub(super) numbers: bool,
}

impl Personality {
    /// As the specification would have it.
    pub(super) fn honest() -> Self {
        Self {
            late_ms: 0,
            stamps: Stamps::Milliseconds,
            stale: 412,
            stale_in_transaction: StaleInTransaction::Whole400,
            if_match_creates: false,
            deletes_blindly: false,
            if_none_match: true,
            keeps_identical: false,
            second_delete: 204,
            gone: 410,
            etags: Etags::Weak,
            represents: true,
            bare_status: false,
            shuffles_ties: false,
            history: History::Tombstones,
            whole_history: false,
            record_history: 200,
            paging: Paging::Keyset,
            page_cap: 1000,
            ids: Ids::All,
            targets_must_exist: false,
            rewrites: Rewrites::default(),
            batch_is_whole: false,
            most_entries: None,
            uuid_versions: false,
            last_writer_wins: false,
            busy_percent: 0,
            forgets_percent: 0,
            fails_percent: 0,
        }
    }

    /// Any mixture, within what the present code can cope with.
    pub(super) fn drawn(dice: &mut Dice, can: &Can) -> Self {
        let mut percent = |p| dice.chance(p);
        let mut rewrites = Rewrites {
            order: percent(30),
            drops_empties: percent(30),
            merges_tags: percent(30),
            numbers: percent(30),
        };
        if !can.see_through_rewriting {
            rewrites = Rewrites::default();
        }
        let mut drawn = Self {
            late_ms: if percent(40) { 8_000 } else { 0 },
            stamps: dice.pick(&[
                Stamps::FinerThanShown,
                Stamps::Milliseconds,
                Stamps::Milliseconds,
                Stamps::Seconds,
            ]),
            stale: dice.pick(&[409, 412]),
            stale_in_transaction: dice.pick(&[
                StaleInTransaction::Whole409,
                StaleInTransaction::Whole400,
                StaleInTransaction::NotRolledBack,
            ]),
            if_match_creates: dice.chance(30),
            deletes_blindly: dice.chance(30),
            if_none_match: dice.chance(40),
            keeps_identical: dice.chance(40),
            second_delete: dice.pick(&[200, 204, 404]),
            gone: dice.pick(&[404, 410]),
            etags: dice.pick(&[Etags::Weak, Etags::Bare, Etags::Missing]),
            represents: dice.chance(70),
            bare_status: dice.chance(40),
            shuffles_ties: dice.chance(50),
            history: dice.pick(&[
                History::Tombstones,
                History::Timeless,
                History::Forbidden,
                History::None,
            ]),
            whole_history: dice.chance(50),
            paging: dice.pick(&[
                Paging::Keyset,
                Paging::Offset,
                Paging::Snapshot(20_000),
                Paging::Snapshot(3_600_000),
                Paging::None,
            ]),
            page_cap: dice.pick(&[1000, 1000, 20, 5, 3]),
            ids: dice.pick(&[Ids::All, Ids::All, Ids::NotNumeric, Ids::Own]),
            targets_must_exist: dice.chance(30),
            rewrites,
            batch_is_whole: dice.chance(30),
            most_entries: dice.chance(30).then_some(50),
            uuid_versions: dice.chance(25),
            last_writer_wins: dice.chance(10),
            busy_percent: dice.pick(&[0, 0, 5]),
            forgets_percent: dice.pick(&[0, 0, 30]),
            fails_percent: dice.pick(&[0, 0, 4]),
            record_history: dice.pick(&[200, 200, 200, 403, 404, 405, 501]),
        };
        can.limit(&mut drawn);
        drawn
    }
}

/// What the code under test can cope with: the one place that says which switches stay off, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Can {
    /// Learn of deletions at the server.
    pub(super) learn_deletions: bool,
    /// Go on without `next` links, or find what shifting pages left out.
    pub(super) page_without_links: bool,
    /// Recognise what it sent in what a server made of it.
    pub(super) see_through_rewriting: bool,
    /// POST where a server wants ids of its own.
    pub(super) take_server_ids: bool,
    /// Send what is referred to first.
    pub(super) order_by_reference: bool,
    /// Read before each PUT where If-Match does not count.
    pub(super) read_before_put: bool,
    /// Obey Retry-After.
    pub(super) wait_when_told: bool,
    /// Merge what both sides changed in different places.
    pub(super) merge: bool,
    /// Where an answer to a PUT brings no bytes, tell its own version from a newer one when reading. Found by seeds 56 and
    /// 183 of this simulation: PUT (no representation), a stranger's PUT, the GET shows the stranger's; edited here
    /// meanwhile, base becomes the stranger's version and the next PUT goes over what nobody here has seen.
    pub(super) tell_its_own_version: bool,
    /// Not take a page of an old list, with records as they are now, for proof that nothing older is missing. Found by
    /// seed 360: page 1 of a stored search, then minutes offline, then page 2 with younger stamps; the cursor jumps over
    /// what was made in between.
    pub(super) see_how_old_a_list_is: bool,
    /// Look for a write whose answer was lost among the versions in between. Without, an item that it added and that
    /// somebody took out meanwhile is added again (seed 172 of 2026-11-24).
    pub(super) look_into_history: bool,
}

impl Can {
    const NOW: Self = Self {
        learn_deletions: true,
        page_without_links: true,
        see_through_rewriting: true,
        take_server_ids: true,
        order_by_reference: true,
        read_before_put: true,
        wait_when_told: true,
        merge: true,
        tell_its_own_version: true,
        see_how_old_a_list_is: true,
        look_into_history: true,
    };

    /// As [`Can::NOW`]; `POCKETCHART_CAN=merge,learn_deletions` asks for more, to see what it would find.
    pub(super) fn now() -> Self {
        let mut can = Self::NOW;
        let more = std::env::var("POCKETCHART_CAN").unwrap_or_default();
        for name in more.split(',').filter(|name| !name.is_empty()) {
            let switch = match name {
                "learn_deletions" => &mut can.learn_deletions,
                "page_without_links" => &mut can.page_without_links,
                "see_through_rewriting" => &mut can.see_through_rewriting,
                "take_server_ids" => &mut can.take_server_ids,
                "order_by_reference" => &mut can.order_by_reference,
                "read_before_put" => &mut can.read_before_put,
                "wait_when_told" => &mut can.wait_when_told,
                "merge" => &mut can.merge,
                "tell_its_own_version" => &mut can.tell_its_own_version,
                "see_how_old_a_list_is" => &mut can.see_how_old_a_list_is,
                "look_into_history" => &mut can.look_into_history,
                other => panic!("there is no switch {other}"),
            };
            *switch = true;
        }
        can
    }

    fn limit(&self, drawn: &mut Personality) {
        if drawn.paging == Paging::None {
            // Without links nobody could tell a page that was cut short from the last one.
            drawn.page_cap = 1000;
        }
        if !self.page_without_links && matches!(drawn.paging, Paging::None | Paging::Offset) {
            drawn.paging = Paging::Keyset;
        }
        if !self.see_how_old_a_list_is && matches!(drawn.paging, Paging::Snapshot(_)) {
            drawn.paging = Paging::Keyset;
        }
        if !self.tell_its_own_version {
            drawn.represents = true;
        }
        if !self.take_server_ids && drawn.ids == Ids::Own {
            drawn.ids = Ids::NotNumeric;
        }
        if !self.order_by_reference {
            drawn.targets_must_exist = false;
        }
        if !self.read_before_put {
            drawn.last_writer_wins = false;
        }
        if !self.wait_when_told {
            drawn.busy_percent = 0;
        }
    }
}

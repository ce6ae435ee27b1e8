//! The machine against a server that is small enough to be believed.

mod model;

use super::*;
use crate::care::booking::acts::{Unfit, cancel, take};
use model::{Luck, Model, World, check, chosen, happen, now, settle, sync, wish};
use proptest::prelude::*;

#[test]
fn a_free_slot_is_booked_after_it_was_read_back() {
    for is_whole in [true, false] {
        let mut model = Model::new(is_whole, 3);
        let mut wish = chosen(&model, false);
        let mut words = vec![wish.word()];
        let side = Side {
            now: now(),
            is_whole,
        };
        let mut ask = resume(&wish);
        while ask != Ask::Rest {
            let event = match &ask {
                Ask::Slot(id) => Event::Slot(model.view(id)),
                Ask::Send => {
                    let State::Requested(attempt) = &wish.state else {
                        panic!()
                    };
                    let writes: Vec<_> = attempt
                        .writes()
                        .into_iter()
                        .map(|(k, p)| (k.to_owned(), p.clone()))
                        .collect();
                    Event::Answered(model.take(&writes))
                }
                _ => Event::Looked(model.look(&wish)),
            };
            (wish, ask) = on(wish, event, side);
            words.push(wish.word());
        }
        assert_eq!(words, ["wished", "requested", "held", "booked"]);
        assert_eq!(wish.booking().unwrap().version.as_deref(), Some("1"));
        assert_eq!(wish.booking().unwrap().slot.version.as_deref(), Some("2"));
        check(&model, &wish);
    }
}

#[test]
fn every_way_to_lose_an_answer_books_once() {
    for is_whole in [true, false] {
        for luck in [Luck::Lost, Luck::Unanswered, Luck::Late, Luck::Killed] {
            for at in 0..4 {
                let mut model = Model::new(is_whole, 3);
                let mut wish = chosen(&model, false);
                let mut step = 0;
                sync(&mut model, &mut wish, &mut || {
                    step += 1;
                    if step == at + 1 { luck } else { Luck::Fine }
                });
                settle(&mut model, &mut wish);
                assert_eq!(wish.word(), "booked", "{is_whole} {luck:?} {at}");
                assert_eq!(model.live().len(), 1);
                check(&model, &wish);
            }
        }
    }
}

#[test]
fn a_taken_slot_gives_alternatives_or_the_next_best() {
    for is_whole in [true, false] {
        let mut model = Model::new(is_whole, 3);
        let (mut shows, mut takes) = (chosen(&model, false), chosen(&model, true));
        model.stranger_takes("s0");
        sync(&mut model, &mut shows, &mut || Luck::Fine);
        assert_eq!((shows.word(), &shows.note), ("offered", &Some(Note::Taken)));
        let offered: Vec<_> = shows.offers().iter().map(|slot| slot.id.as_str()).collect();
        assert_eq!(offered, ["s1", "s2"]);
        check(&model, &shows);
        sync(&mut model, &mut takes, &mut || Luck::Fine);
        assert_eq!(
            (takes.word(), takes.booking().unwrap().slot.id.as_str()),
            ("booked", "s1")
        );
        // And nothing at all: it stays a wish.
        model.stranger_takes("s2");
        let mut late = chosen(&Model::new(is_whole, 3), true);
        sync(&mut model, &mut late, &mut || Luck::Fine);
        assert_eq!(
            (late.word(), late.note),
            ("wished", Some(Note::NothingFree))
        );
    }
}

#[test]
fn a_touched_slot_is_asked_for_again_with_its_new_version() {
    for is_whole in [true, false] {
        let mut model = Model::new(is_whole, 1);
        let mut wish = chosen(&model, false);
        let mut step = 0;
        // Killed with the request stored and not sent; then it is touched.
        sync(&mut model, &mut wish, &mut || {
            step += 1;
            if step == 2 { Luck::Lost } else { Luck::Fine }
        });
        assert_eq!(wish.word(), "requested");
        model.stranger_touches("s0");
        settle(&mut model, &mut wish);
        assert_eq!(wish.word(), "booked");
        check(&model, &wish);
    }
}

#[test]
fn half_a_transaction_is_finished_or_taken_back() {
    let cut = |model: &mut Model, keep: &str| {
        let mut wish = chosen(model, false);
        let mut step = 0;
        sync(model, &mut wish, &mut || {
            step += 1;
            if step == 2 { Luck::Lost } else { Luck::Fine }
        });
        let State::Requested(attempt) = &wish.state else {
            panic!()
        };
        for (kind, put) in attempt.writes() {
            if kind == keep {
                model.put(kind, &put.id, put.text.clone());
            }
        }
        wish
    };
    // The Slot alone: finished. So is the Appointment alone, while the Slot is free.
    for half in ["Slot", "Appointment"] {
        let mut model = Model::new(false, 2);
        let mut wish = cut(&mut model, half);
        settle(&mut model, &mut wish);
        assert_eq!(wish.word(), "booked", "{half}");
        check(&model, &wish);
    }
    // The Appointment alone, and the Slot is another's: taken back, under an id of its own the next one.
    let mut model = Model::new(false, 2);
    let mut wish = cut(&mut model, "Appointment");
    model.stranger_takes("s0");
    wish.next_best = true;
    settle(&mut model, &mut wish);
    assert_eq!(wish.word(), "booked");
    assert_ne!(wish.booking().unwrap().appointment, wish.id);
    check(&model, &wish);
    // Called off when half of it is there.
    for half in ["Slot", "Appointment"] {
        let mut model = Model::new(false, 2);
        let wish = cut(&mut model, half);
        let mut wish = cancel(wish, "owner").unwrap();
        settle(&mut model, &mut wish);
        assert_eq!(wish.word(), "cancelled", "{half}");
        check(&model, &wish);
    }
}

#[test]
fn cancelling_and_moving_survive_every_loss() {
    for is_whole in [true, false] {
        for denies_free in [false, true] {
            for luck in [
                Luck::Fine,
                Luck::Lost,
                Luck::Unanswered,
                Luck::Late,
                Luck::Killed,
            ] {
                for at in 0..4 {
                    let case = format!("{is_whole} {denies_free} {luck:?} {at}");
                    let mut model = Model::new(is_whole, 3);
                    model.denies_free = denies_free;
                    let mut wish = chosen(&model, false);
                    settle(&mut model, &mut wish);
                    let (to, _) = model.view("s2").unwrap();
                    let mut wish = take(wish, to, "owner", now()).unwrap();
                    let mut step = 0;
                    let mut once = || {
                        step += 1;
                        if step == at + 1 { luck } else { Luck::Fine }
                    };
                    sync(&mut model, &mut wish, &mut once);
                    settle(&mut model, &mut wish);
                    assert_eq!(wish.word(), "booked", "{case}");
                    assert_eq!(wish.booking().unwrap().slot.id, "s2", "{case}");
                    assert_eq!(
                        model.read("Slot", "s0").unwrap().has_status("free"),
                        !denies_free,
                        "{case}"
                    );
                    check(&model, &wish);
                    let mut wish = cancel(wish, "owner").unwrap();
                    let mut step = 0;
                    let mut once = || {
                        step += 1;
                        if step == at + 1 { luck } else { Luck::Fine }
                    };
                    sync(&mut model, &mut wish, &mut once);
                    settle(&mut model, &mut wish);
                    assert_eq!(wish.word(), "cancelled", "{case}");
                    assert_eq!(wish.note.is_some(), denies_free, "{case}");
                    check(&model, &wish);
                }
            }
        }
    }
}

#[test]
fn a_move_to_a_slot_that_is_taken_keeps_the_old_one_and_offers_others() {
    let mut model = Model::new(true, 3);
    let mut wish = chosen(&model, false);
    settle(&mut model, &mut wish);
    let (to, _) = model.view("s1").unwrap();
    let mut wish = take(wish, to, "owner", now()).unwrap();
    model.stranger_takes("s1");
    settle(&mut model, &mut wish);
    assert_eq!((wish.word(), &wish.note), ("booked", &Some(Note::Taken)));
    assert_eq!(wish.booking().unwrap().slot.id, "s0");
    let offered: Vec<_> = wish.offers().iter().map(|slot| slot.id.as_str()).collect();
    assert_eq!(offered, ["s2"]);
    check(&model, &wish);
}

#[test]
fn what_the_server_refuses_is_refused_and_what_waits_for_approval_waits() {
    let refusing = |kind: AnswerKind| {
        let model = Model::new(true, 1);
        let side = Side {
            now: now(),
            is_whole: true,
        };
        let (wish, ask) = on(chosen(&model, false), Event::Slot(model.view("s0")), side);
        assert_eq!(ask, Ask::Send);
        let answer = Answer { kind, took: None };
        let (wish, _) = on(wish, Event::Answered(answer), side);
        let seen = model.look(&wish);
        on(wish, Event::Looked(seen), side)
    };
    let refused = AnswerKind::Refused {
        status: 403,
        codes: "forbidden".into(),
    };
    let (wish, ask) = refusing(refused);
    assert_eq!((wish.word(), ask), ("refused", Ask::Rest));
    assert_eq!(
        wish.note,
        Some(Note::Refused {
            status: 403,
            codes: "forbidden".into()
        })
    );
    let (wish, ask) = refusing(AnswerKind::NotApproved);
    assert_eq!((wish.word(), ask, wish.number()), ("wished", Ask::Rest, 0));
    let (wish, ask) = refusing(AnswerKind::Conflict { status: 409 });
    assert_eq!((wish.word(), ask), ("requested", Ask::Send));
    // A server that answers 400 to everything: not for ever.
    let mut model = Model::new(true, 1);
    let mut wish = chosen(&model, false);
    let side = Side {
        now: now(),
        is_whole: true,
    };
    let mut ask = resume(&wish);
    let mut sent = 0;
    while ask != Ask::Rest {
        let event = match &ask {
            Ask::Slot(id) => Event::Slot(model.view(id)),
            Ask::Send => {
                sent += 1;
                Event::Answered(Answer {
                    kind: AnswerKind::Conflict { status: 400 },
                    took: None,
                })
            }
            _ => Event::Looked(model.look(&wish)),
        };
        (wish, ask) = on(wish, event, side);
    }
    assert_eq!((wish.word(), sent), ("refused", MAX_TRIES / 2 + 1));
    model.stranger_touches("s0");
}

#[test]
fn acts_that_do_not_fit_are_refused() {
    let mut model = Model::new(true, 2);
    let (view, _) = model.view("s1").unwrap();
    let past = SlotView {
        start_ms: 0,
        end_ms: 1,
        ..view.clone()
    };
    assert_eq!(
        take(wish(false), past, "owner", now()).unwrap_err(),
        Unfit::NotOpen
    );
    let mut booked = chosen(&model, false);
    settle(&mut model, &mut booked);
    let (same, _) = Model::new(true, 1).view("s0").unwrap();
    assert_eq!(
        take(booked.clone(), same, "owner", now()).unwrap_err(),
        Unfit::NotOpen
    );
    let off = cancel(booked, "owner").unwrap();
    assert_eq!(
        take(off.clone(), view.clone(), "owner", now()).unwrap_err(),
        Unfit::UnderWay
    );
    let mut off = off;
    settle(&mut model, &mut off);
    assert_eq!(cancel(off.clone(), "owner").unwrap_err(), Unfit::Over);
    assert_eq!(take(off, view, "owner", now()).unwrap_err(), Unfit::Over);
}

fn lucks() -> impl Strategy<Value = Luck> {
    prop_oneof![
        4 => Just(Luck::Fine),
        1 => Just(Luck::Lost),
        1 => Just(Luck::Unanswered),
        1 => Just(Luck::Late),
        1 => Just(Luck::Killed),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    prop_oneof![
        8 => Just(World::Quiet),
        3 => any::<u8>().prop_map(World::Takes),
        2 => any::<u8>().prop_map(World::Touches),
        2 => any::<u8>().prop_map(World::Frees),
        1 => Just(World::ClinicCancels),
        2 => Just(World::Arrives),
        1 => Just(World::PersonCancels),
        2 => any::<u8>().prop_map(World::PersonTakes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Whatever is lost, late or done by others: no Slot is booked twice, none is lost, and what the person sees is so.
    #[test]
    fn nothing_is_booked_twice_and_what_is_shown_is_so(
        is_whole: bool,
        denies_free: bool,
        next_best: bool,
        steps in prop::collection::vec((worlds(), lucks()), 1..40),
    ) {
        let mut model = Model::new(is_whole, 4);
        model.denies_free = denies_free;
        let mut wish = chosen(&model, next_best);
        let mut steps = steps.into_iter();
        while let Some((world, luck)) = steps.next() {
            happen(&mut model, &mut wish, world);
            let mut lucks = vec![luck];
            lucks.extend(steps.by_ref().take(3).map(|(_, luck)| luck));
            let mut lucks = lucks.into_iter();
            sync(&mut model, &mut wish, &mut || lucks.next().unwrap_or(Luck::Lost));
        }
        settle(&mut model, &mut wish);
        check(&model, &wish);
    }
}

//! Who takes part in a commit, for the trail: the caller, or those who signed its changes.

use crate::access::audit::AuditKind;
use crate::access::authorship::Author;
use crate::access::concerned::{self, Writing};
use crate::access::note::Note;
use crate::access::{AccessError, Actor, Guard};

/// One who takes part in a commit, as one who acts, and in which of its writes.
pub(super) struct Part {
    guard: Guard,
    writes: Vec<usize>,
}

impl Part {
    /// All of them. Whoever hands a signed change on does not take part in it.
    pub(super) fn all(caller: &Guard, authors: &[Vec<Author>]) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for (at, authors) in authors.iter().enumerate() {
            let actors: Vec<&Actor> = match authors.as_slice() {
                [] => vec![caller.actor()],
                signed => signed.iter().map(|author| &author.actor).collect(),
            };
            for actor in actors {
                match parts.iter_mut().find(|part| part.guard.actor() == actor) {
                    Some(part) => part.writes.push(at),
                    None => parts.push(Self {
                        guard: caller.acting_as(actor.clone()),
                        writes: vec![at],
                    }),
                }
            }
        }
        if parts.is_empty() {
            parts.push(Self {
                guard: caller.clone(),
                writes: Vec::new(),
            });
        }
        parts
    }

    /// Notes this part of `each` write.
    pub(super) fn note(
        &self,
        caller: &Guard,
        each: &[Writing],
        kind: AuditKind,
        revision: Option<i64>,
    ) -> Result<(), AccessError> {
        let writing = match self.writes[..] {
            [one] => each[one].clone(),
            ref many => {
                let patients = many.iter().flat_map(|at| each[*at].patients.clone());
                Writing {
                    patients: concerned::and(patients.collect(), &[]),
                    ..Writing::named(format!("transaction of {}", many.len()))
                }
            }
        };
        let via = caller.person();
        self.guard.enter(Note {
            revision,
            via: (via != self.guard.person()).then(|| via.id()),
            ..writing.note(kind)
        })
    }
}

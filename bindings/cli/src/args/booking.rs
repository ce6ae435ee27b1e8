//! The arguments of `slots` and `book`.

/// What kind of time is looked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Times {
    /// Only with this practitioner, such as Practitioner/123; may be repeated
    #[arg(long, value_name = "TYPE/ID")]
    pub(crate) practitioner: Vec<String>,
    /// Only from this day or time on, in this computer's zone, such as 2026-11-24 or 2026-11-24T09:30
    #[arg(long, value_name = "WHEN")]
    pub(crate) from: Option<String>,
    /// Only before this day or time
    #[arg(long, value_name = "WHEN")]
    pub(crate) to: Option<String>,
    /// Only virtual visits
    #[arg(long, conflicts_with = "in_person")]
    pub(crate) r#virtual: bool,
    /// Only visits that are none
    #[arg(long)]
    pub(crate) in_person: bool,
    /// Only of this service type: a code, SYSTEM|CODE, or a text
    #[arg(long, value_name = "TYPE")]
    pub(crate) service: Option<String>,
    /// Rather at this time of day: morning, afternoon, evening, or as in 08:30-12:00
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Rather on these days, such as mon,wed
    #[arg(long, value_name = "DAYS")]
    pub(crate) days: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Slots {
    #[command(flatten)]
    pub(crate) times: Times,
    /// All of them, not only the first 50
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Book {
    /// The time, as `slots` lists it
    #[arg(value_name = "SLOT", group = "what")]
    pub(crate) slot: Option<String>,
    /// Whichever time fits best
    #[arg(long, group = "what")]
    pub(crate) wish: bool,
    /// Visits that were asked for, and what came of them
    #[arg(long, group = "what")]
    pub(crate) list: bool,
    /// Take one of the times that are offered in place of one that is gone
    #[arg(long, num_args = 2, value_names = ["VISIT", "SLOT"], group = "what")]
    pub(crate) take: Option<Vec<String>>,
    /// Call a visit off
    #[arg(long, value_name = "VISIT", group = "what")]
    pub(crate) cancel: Option<String>,
    /// Move a booked visit to another time
    #[arg(long, num_args = 2, value_names = ["VISIT", "SLOT"], group = "what")]
    pub(crate) reschedule: Option<Vec<String>>,
    /// Print the link of a virtual visit, from ten minutes before it until its end
    #[arg(long, value_name = "VISIT", group = "what")]
    pub(crate) join: Option<String>,
    /// For this patient [default: the only one here]
    #[arg(long, value_name = "ID")]
    pub(crate) patient: Option<String>,
    /// Why, for the clinic to read ("-": read it from standard input, out of sight of other programs)
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Where the time is gone, book the next best one without asking again
    #[arg(long)]
    pub(crate) or_next_best: bool,
    #[command(flatten)]
    pub(crate) times: Times,
}

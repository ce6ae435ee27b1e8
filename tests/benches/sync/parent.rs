//! Starts the server, takes the turns, and prints the table.

use pocketchart_tests::draw::Draw;
use pocketchart_tests::helios::Helios;
use pocketchart_tests::synthea;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Turns of each comparison.
const TURNS: usize = 7;
/// Other programs may take this much of a core.
const DISTURBED: f64 = 0.10;
/// Page sizes that the plain download tries.
const PAGES: [usize; 5] = [50, 100, 200, 500, 1000];
/// What it sorts by, so that the server picks its fastest way of paging.
const SORTS: [&str; 3] = ["", "_lastUpdated", "_lastUpdated,_id"];
/// Kernel ticks a second, on every Linux that we measure on.
const TICKS: f64 = 100.0;
/// Kills of a first load.
const KILLS: usize = 12;
/// Longer than the window in which a server may still show older stamps.
const OLD_AFTER: Duration = Duration::from_secs(65);
/// A page of no records is shorter.
const EMPTY: usize = 1024;

struct Bench {
    helios: Helios,
    filled: Instant,
    records: usize,
    folder: tempfile::TempDir,
    types: String,
    noise: Vec<f64>,
    /// Disturbed turns count too.
    is_anyway: bool,
}

pub(crate) async fn measure(parts: &[&str]) {
    let is_any = parts.iter().all(|part| *part == "anyway");
    let wanted = |part: &str| is_any || parts.contains(&part);
    let Some(helios) = Helios::start("the bench of the sync").await else {
        return;
    };
    let records = synthea::records("synthea-100.tar.xz").unwrap();
    helios.fill(&records).await;
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench {
        helios,
        filled: Instant::now(),
        records: records.len(),
        folder,
        types: String::new(),
        noise: Vec::new(),
        is_anyway: parts.contains(&"anyway"),
    };
    drop(records);
    bench.learn_types();
    println!("| | a sync | beside it | bar |\n|---|---|---|---|");
    if wanted("load") {
        bench.load();
    }
    if wanted("quiet") {
        bench.quiet();
    }
    if wanted("push") {
        bench.push();
    }
    if wanted("kill") {
        bench.kill();
    }
    let busiest = bench.noise.iter().copied().fold(0.0, f64::max);
    println!(
        "\nother programs took at most {:.0} % of a core in a turn that counts",
        busiest * 100.0
    );
}

impl Bench {
    /// One measured process.
    fn child(&self, what: &[&str]) -> Value {
        let output = command(what).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{what:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn home(&self, name: &str) -> String {
        let home = self.folder.path().join(name);
        let _ = fs::remove_dir_all(&home);
        let home = home.to_str().unwrap().to_owned();
        self.child(&["create", &home, self.helios.url()]);
        home
    }

    /// The types that a sync asks for, so that the plain download asks for the same.
    fn learn_types(&mut self) {
        let home = self.home("types");
        let log = self.folder.path().join("types.log");
        let seen = self.child(&["watch", &home, self.helios.url(), log.to_str().unwrap()]);
        assert_eq!(seen["records"], self.records, "everything came");
        let asked = seen["asked"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str);
        let kinds: BTreeSet<&str> = asked
            .filter_map(|what| what.strip_prefix("GET ")?.split_once('?'))
            .map(|(kind, _)| kind)
            .filter(|kind| !kind.starts_with('_') && !kind.contains('/'))
            .collect();
        self.types = kinds.into_iter().collect::<Vec<_>>().join(",");
    }

    /// A turn on a computer that has little else to do; taken again where it had.
    fn turn<R>(&mut self, spare: &mut usize, mut work: impl FnMut(&Self) -> R) -> R {
        loop {
            let (before, start) = (self.busy(), Instant::now());
            let result = work(self);
            let after = self.busy();
            let others =
                ((after.0 - before.0) - (after.1 - before.1)) / start.elapsed().as_secs_f64();
            if others <= DISTURBED || *spare == 0 || self.is_anyway {
                self.noise.push(others);
                return result;
            }
            eprintln!(
                "again: other programs took {:.0} % of a core",
                others * 100.0
            );
            *spare -= 1;
        }
    }

    /// CPU seconds of the whole computer; of this process, its children and the server.
    fn busy(&self) -> (f64, f64) {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let all: Vec<f64> = stat
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|n| n.parse().unwrap())
            .collect();
        // user, nice, system, (idle, iowait), irq, softirq
        let computer = all[0] + all[1] + all[2] + all[5] + all[6];
        let of = |process: &str, last: usize| -> f64 {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            let (_, rest) = stat.rsplit_once(')').unwrap();
            rest.split_whitespace()
                .skip(11)
                .take(last)
                .map(|n| n.parse::<f64>().unwrap())
                .sum()
        };
        let own = of("self", 4) + of(&self.helios.process_id().to_string(), 2);
        (computer / TICKS, own / TICKS)
    }

    fn load(&mut self) {
        // Which plain download is the fastest?
        let mut best = (f64::MAX, "", 0, "");
        let types = self.types.clone();
        let plain = |bench: &Self, sort: &str, page: usize, ahead: &str| {
            number(
                &bench.child(&[
                    "plain",
                    bench.helios.url(),
                    &types,
                    sort,
                    &page.to_string(),
                    ahead,
                ]),
                "wall_ms",
            )
        };
        let mut spare = 3 * TURNS;
        for page in PAGES {
            for sort in SORTS {
                for ahead in ["ahead", "after"] {
                    let took = self.turn(&mut spare, |bench| {
                        let two = [
                            plain(bench, sort, page, ahead),
                            plain(bench, sort, page, ahead),
                        ];
                        two[0].min(two[1])
                    });
                    eprintln!(
                        "plain, pages of {page}, sorted by '{sort}', asked {ahead}: {took:.0} ms"
                    );
                    if took < best.0 {
                        best = (took, sort, page, ahead);
                    }
                }
            }
        }
        let (_, sort, page, ahead) = best;
        let (mut plains, mut loads) = (Vec::new(), Vec::new());
        let mut spare = TURNS;
        for turn in 0..TURNS {
            let (one, load) = self.turn(&mut spare, |bench| {
                let home = bench.home("load");
                let load = || bench.child(&["sync", &home, bench.helios.url()]);
                if turn % 2 == 0 {
                    let one = plain(bench, sort, page, ahead);
                    (one, load())
                } else {
                    let load = load();
                    (plain(bench, sort, page, ahead), load)
                }
            });
            assert_eq!(number(&load, "received") as usize, self.records);
            eprintln!("plain {one:.0} ms, load {load}");
            plains.push(one);
            loads.push(load);
        }
        let each = |name: &str| median(loads.iter().map(|load| number(load, name)).collect());
        let count = self.records as f64;
        let ratios = plains
            .iter()
            .zip(&loads)
            .map(|(plain, load)| number(load, "wall_ms") / plain);
        println!(
            "| first load of {} records, wall | {:.0} ms ({:.2}x) | {:.0} ms: the fastest plain download (pages of {page}, sort `{sort}`, the next page asked for {}) | 1.2x |",
            self.records,
            each("wall_ms"),
            median(ratios.collect()),
            median(plains),
            if ahead == "ahead" {
                "while one comes"
            } else {
                "after one"
            },
        );
        println!(
            "| the same, CPU of the whole process | {:.1} us a record | {:.1} us of it the sync | 60 us |",
            each("cpu_ms") * 1000.0 / count,
            each("sync_cpu_ms") * 1000.0 / count,
        );
        println!(
            "| the same, peak resident memory after unlocking | {:.1} MiB | | 64 MiB |",
            each("peak_mib")
        );
    }

    fn quiet(&mut self) {
        let home = self.home("quiet");
        self.child(&["sync", &home, self.helios.url()]);
        self.wait_until_old();
        let log = self.folder.path().join("quiet.log");
        // The first sync that finds nothing young any more, and the one after it.
        for turn in 0..2 {
            let seen = self.child(&["watch", &home, self.helios.url(), log.to_str().unwrap()]);
            let asked = seen["asked"].as_array().unwrap();
            let types = self.types.split(',').count();
            let of_types = asked
                .iter()
                .filter_map(Value::as_str)
                .filter(|what| what.contains('?') && !what.contains("_history"))
                .count();
            eprintln!(
                "quiet {turn}: {} requests, {of_types} searches, known {}",
                asked.len(),
                seen["known"]
            );
            if turn == 1 {
                println!(
                    "| nothing new, nothing younger than the window | {of_types} searches, {} other requests, {} records again | {types} types | one a type |",
                    asked.len() - of_types,
                    seen["known"],
                );
            }
        }
    }

    fn wait_until_old(&self) {
        std::thread::sleep(OLD_AFTER.saturating_sub(self.filled.elapsed()));
    }

    fn push(&mut self) {
        let home = self.home("push");
        self.child(&["sync", &home, self.helios.url()]);
        // The first push shows how it divides them; the plain client does the same then.
        let mut together = String::from("50");
        let (mut turns, mut spare, mut at) = (Vec::new(), TURNS, 0);
        while turns.len() <= TURNS {
            let pushed = self.turn(&mut spare, |bench| {
                at += 1;
                let turn = (at - 1).to_string();
                bench.child(&["push", &home, bench.helios.url(), &turn, &together])
            });
            eprintln!("push {pushed}");
            let divided = pushed["divided"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_u64);
            together = divided.max().unwrap().to_string();
            turns.push(pushed);
        }
        turns.remove(0);
        let each = |name: &str| median(turns.iter().map(|turn| number(turn, name)).collect());
        let ratios = turns
            .iter()
            .map(|turn| number(turn, "push_ms") / number(turn, "plain_ms"));
        println!(
            "| push of 500 edits, wall | {:.0} ms ({:.2}x), {:.0} ms of it waiting for the server | {:.0} ms: the same in transactions of {together}, `metadata` read before, by a plain client | 1.3x |",
            each("push_ms"),
            median(ratios.collect()),
            each("waited_ms"),
            each("plain_ms"),
        );
    }

    fn kill(&mut self) {
        // Else what is younger than the window comes again in any case.
        self.wait_until_old();
        let home = self.home("kill");
        let log = self.folder.path().join("kill.log");
        let watch = ["watch", &home, self.helios.url(), log.to_str().unwrap()];
        let mut draw = Draw::new(9);
        let start = Instant::now();
        let whole = self.home("whole");
        self.child(&["sync", &whole, self.helios.url()]);
        let longest = usize::try_from(start.elapsed().as_millis()).unwrap();
        let mut kills = 0;
        while kills < KILLS {
            note_run(&log);
            let mut child = command(&watch).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(draw.below(longest) as u64));
            if child.try_wait().unwrap().is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        note_run(&log);
        let seen = self.child(&watch);
        assert_eq!(
            seen["records"], self.records,
            "nothing is missing and nothing is there twice"
        );
        let again = asked_again(&fs::read_to_string(&log).unwrap());
        eprintln!("asked for again after each kill (whole, on its way): {again:?}");
        let (whole, cut) = again
            .iter()
            .fold((0, 0), |most, one| (most.0.max(one.0), most.1.max(one.1)));
        println!(
            "| first load killed {kills} times at random (SIGKILL), and resumed: for one kill, at most | {whole} pages again that had come whole | {cut} more that was on its way | one page |",
        );
    }
}

fn note_run(log: &Path) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(log)
        .unwrap();
    file.write_all(b"run\n").unwrap();
}

/// For each run after the first: the pages with records that it asked for although they had come whole before, and those
/// that had been on their way.
fn asked_again(log: &str) -> Vec<(usize, usize)> {
    let (mut asked, mut whole, mut empty) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut again = Vec::new();
    for run in log.split("run\n").skip(1) {
        let (mut of_whole, mut of_cut) = (0, 0);
        let (mut now_asked, mut now_whole) = (Vec::new(), Vec::new());
        for line in run.lines() {
            let (line, target) = line.rsplit_once(' ').unwrap();
            // A page of the load: no statement, and no question whether there is something new.
            let is_page = target.contains('?')
                && !target.starts_with('_')
                && !target.contains("_lastUpdated=ge");
            if !is_page || empty.contains(target) {
                continue;
            }
            if let Some(answered) = line.strip_prefix("whole ") {
                let (bytes, _) = answered.split_once(' ').unwrap();
                match bytes.parse::<usize>().unwrap() {
                    0..=EMPTY => _ = empty.insert(target),
                    _ => now_whole.push(target),
                }
            } else {
                of_whole += usize::from(whole.contains(target));
                of_cut += usize::from(asked.contains(target) && !whole.contains(target));
                now_asked.push(target);
            }
        }
        asked.extend(now_asked);
        whole.extend(now_whole);
        again.push((of_whole, of_cut));
    }
    again
}

fn command(what: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("child").args(what);
    command
}

fn number(value: &Value, name: &str) -> f64 {
    value[name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

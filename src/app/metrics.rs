//! What this process counts, for whoever watches it. A room says what it counts in a constant and counts where it happens:
//!
//! ```text
//! const SENT: Counter = Counter::new("mails_total", "Mails, by what came of them.", &["outcome"]);
//! SENT.add(&app.metrics, ["sent"], 1);
//! ```
//!
//! The registry is ours, of plain atomic numbers. The published one (`metrics` with its exporter for Prometheus) sets durations
//! aside and sorts them later, and loses some when threads count while it sorts: the story of many below found 19,999 of
//! 20,000.
//!
//! What is known only to the database is read when somebody looks, by functions that a room registers at start
//! ([`Metrics::read_at_scrape`]). Labels are words of the program, never a tenant's id: counting takes `&'static str`.

use super::App;
use crate::kernel::Result;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long what was read is shown again: many who look at once cost one look.
const KEPT: Duration = Duration::from_secs(5);
/// How long one reader may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Combinations of labels that one name may have. Labels are few words, so more is a mistake, and must not fill the memory.
const MOST_SERIES: usize = 4_000;

/// What is counted, under which name, told apart by which labels.
#[derive(Clone, Copy, Debug)]
struct About {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
}

/// Grows.
#[derive(Clone, Copy, Debug)]
pub struct Counter(About);

/// Goes up and down.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(About);

/// Durations, by how long they were at most.
#[derive(Clone, Copy, Debug)]
pub struct Histogram(About);

/// Upper ends of a histogram's buckets, in seconds.
const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Counter {
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self(About { name, help, labels })
    }

    pub fn add<const N: usize>(&self, metrics: &Metrics, labels: [&'static str; N], count: u64) {
        if let Series::Counter(counter) = &*metrics.series(&self.0, labels, || Series::Counter(AtomicU64::new(0))) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Gauge {
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self(About { name, help, labels })
    }

    /// Adds, or with a negative number takes away.
    pub fn change<const N: usize>(&self, metrics: &Metrics, labels: [&'static str; N], by: i64) {
        if let Series::Gauge(gauge) = &*metrics.series(&self.0, labels, || Series::Gauge(AtomicI64::new(0))) {
            gauge.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// A value for [`Metrics::read_at_scrape`].
    pub fn is(&self, labels: &[&str], value: f64) -> Sample {
        Sample { about: self.0, labels: labels.iter().map(|label| (*label).to_owned()).collect(), value }
    }
}

impl Histogram {
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self(About { name, help, labels })
    }

    pub fn observe<const N: usize>(&self, metrics: &Metrics, labels: [&'static str; N], took: Duration) {
        let series = metrics.series(&self.0, labels, || Series::Histogram(Box::default()));
        let Series::Histogram(buckets) = &*series else { return };
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        buckets.counts[at].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        buckets.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Buckets {
    /// How many fell into each; the last one has no upper end.
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

#[derive(Debug)]
enum Series {
    Counter(AtomicU64),
    Gauge(AtomicI64),
    Histogram(Box<Buckets>),
}

/// Labels, filled up with nothing.
type Key = [&'static str; 4];

#[derive(Debug)]
struct Family {
    about: About,
    series: RwLock<HashMap<Key, Arc<Series>>>,
}

/// A value that was read.
#[derive(Clone, Debug)]
pub struct Sample {
    about: About,
    labels: Vec<String>,
    value: f64,
}

/// Reads values when somebody looks: cheap, bounded, by an index.
pub type Reader = for<'a> fn(&'a App) -> BoxFuture<'a, Result<Vec<Sample>>>;

struct Reading {
    reader: Reader,
    last: tokio::sync::Mutex<Option<(Instant, Vec<Sample>)>>,
}

/// Everything this process counts.
#[derive(Default)]
pub struct Metrics {
    families: RwLock<HashMap<&'static str, Arc<Family>>>,
    readings: RwLock<Vec<Arc<Reading>>>,
}

const FAILED: Counter = Counter::new("skylight_scrape_errors_total", "Values that could not be read.", &[]);

impl Metrics {
    fn series<const N: usize>(
        &self,
        about: &About,
        labels: [&'static str; N],
        new: impl FnOnce() -> Series,
    ) -> Arc<Series> {
        let mut key: Key = [""; 4];
        key.iter_mut().zip(labels).for_each(|(place, label)| *place = label);
        let known = self.families.read().get(about.name).cloned();
        let family = known.unwrap_or_else(|| {
            let new = || Arc::new(Family { about: *about, series: RwLock::default() });
            self.families.write().entry(about.name).or_insert_with(new).clone()
        });
        if let Some(series) = family.series.read().get(&key) {
            return series.clone();
        }
        let mut series = family.series.write();
        if series.len() >= MOST_SERIES {
            key = ["other"; 4];
        }
        series.entry(key).or_insert_with(|| Arc::new(new())).clone()
    }

    /// Registers a reader; done once, at start.
    pub fn read_at_scrape(&self, reader: Reader) {
        self.readings.write().push(Arc::new(Reading { reader, last: tokio::sync::Mutex::default() }));
    }

    /// Everything in the text format of Prometheus.
    pub async fn written(&self, app: &App) -> String {
        let mut text = Text::default();
        let readings = self.readings.read().clone();
        for reading in readings {
            match reading.samples(app).await {
                Some(samples) => samples.iter().for_each(|sample| text.sample(sample)),
                None => FAILED.add(self, [], 1),
            }
        }
        let families: Vec<_> = self.families.read().values().cloned().collect();
        families.iter().for_each(|family| text.family(family));
        text.finished()
    }
}

impl Reading {
    /// What was read a moment ago, or is read now; none if it cannot be read.
    async fn samples(&self, app: &App) -> Option<Vec<Sample>> {
        let mut last = self.last.lock().await;
        if let Some((_, samples)) = last.as_ref().filter(|(since, _)| since.elapsed() < KEPT) {
            return Some(samples.clone());
        }
        match tokio::time::timeout(PATIENCE, (self.reader)(app)).await {
            Ok(Ok(samples)) => {
                *last = Some((Instant::now(), samples.clone()));
                Some(samples)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "a metric could not be read");
                None
            }
            Err(_) => None,
        }
    }
}

/// Lines by name, so that those of one name stand together.
#[derive(Default)]
struct Text(BTreeMap<&'static str, (String, Vec<String>)>);

impl Text {
    fn lines(&mut self, about: &About, kind: &str) -> &mut Vec<String> {
        let About { name, help, .. } = about;
        let head = || (format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"), Vec::new());
        &mut self.0.entry(name).or_insert_with(head).1
    }

    fn sample(&mut self, Sample { about, labels, value }: &Sample) {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let line = format!("{}{} {value}\n", about.name, braces(about.labels, &labels, None));
        self.lines(about, "gauge").push(line);
    }

    fn family(&mut self, family: &Family) {
        let About { name, labels, .. } = family.about;
        let series: Vec<_> = family.series.read().iter().map(|(key, series)| (*key, series.clone())).collect();
        for (key, series) in series {
            let (kind, text) = match &*series {
                Series::Counter(count) => {
                    ("counter", format!("{name}{} {}\n", braces(labels, &key, None), count.load(Ordering::Relaxed)))
                }
                Series::Gauge(value) => {
                    ("gauge", format!("{name}{} {}\n", braces(labels, &key, None), value.load(Ordering::Relaxed)))
                }
                Series::Histogram(buckets) => ("histogram", buckets.written(name, labels, &key)),
            };
            self.lines(&family.about, kind).push(text);
        }
    }

    fn finished(self) -> String {
        let mut text = String::new();
        for (head, mut lines) in self.0.into_values() {
            lines.sort_unstable();
            text.push_str(&head);
            lines.iter().for_each(|line| text.push_str(line));
        }
        text
    }
}

impl Buckets {
    fn written(&self, name: &str, labels: &[&str], key: &Key) -> String {
        let (mut text, mut sum) = (String::new(), 0);
        let ends = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (end, count) in ends.zip(&self.counts) {
            sum += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{} {sum}", braces(labels, key, Some(&end)));
        }
        let (braces, seconds) = (braces(labels, key, None), self.micros.load(Ordering::Relaxed) as f64 / 1e6);
        let _ = writeln!(text, "{name}_sum{braces} {seconds}\n{name}_count{braces} {sum}");
        text
    }
}

/// `{route="/x",le="0.1"}`
fn braces(names: &[&str], values: &[&str], end: Option<&str>) -> String {
    let pairs = names.iter().zip(values).map(|(name, value)| (*name, *value)).chain(end.map(|end| ("le", end)));
    let pairs: Vec<String> = pairs
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Counter = Counter::new("seen_total", "Seen.", &["what"]);
    const TOOK: Histogram = Histogram::new("took_seconds", "Took.", &["what", "how"]);

    fn written(metrics: &Metrics) -> String {
        let mut text = Text::default();
        let families: Vec<_> = metrics.families.read().values().cloned().collect();
        families.iter().for_each(|family| text.family(family));
        text.finished()
    }

    #[test]
    fn what_is_counted_is_written_as_prometheus_reads_it() {
        let metrics = Metrics::default();
        SEEN.add(&metrics, ["a \"bird\"\\"], 2);
        SEEN.add(&metrics, ["a \"bird\"\\"], 3);
        SEEN.add(&metrics, ["fish"], 1);
        TOOK.observe(&metrics, ["walk", "slow"], Duration::from_millis(3));
        TOOK.observe(&metrics, ["walk", "slow"], Duration::from_secs(60));
        let text = written(&metrics);
        let head = "# HELP seen_total Seen.\n# TYPE seen_total counter\n";
        let lines = "seen_total{what=\"a \\\"bird\\\"\\\\\"} 5\nseen_total{what=\"fish\"} 1\n# HELP took_seconds";
        assert!(text.starts_with(&format!("{head}{lines}")), "{text}");
        for line in [
            "# TYPE took_seconds histogram",
            "took_seconds_bucket{what=\"walk\",how=\"slow\",le=\"0.0025\"} 0",
            "took_seconds_bucket{what=\"walk\",how=\"slow\",le=\"0.005\"} 1",
            "took_seconds_bucket{what=\"walk\",how=\"slow\",le=\"30\"} 1",
            "took_seconds_bucket{what=\"walk\",how=\"slow\",le=\"+Inf\"} 2",
            "took_seconds_sum{what=\"walk\",how=\"slow\"} 60.003",
            "took_seconds_count{what=\"walk\",how=\"slow\"} 2",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn what_many_count_at_once_is_counted_once() {
        let metrics = Metrics::default();
        std::thread::scope(|scope| {
            let counting = || {
                for _ in 0..5_000 {
                    SEEN.add(&metrics, ["fish"], 1);
                    TOOK.observe(&metrics, ["walk", "fast"], Duration::from_millis(1));
                }
            };
            let counting: Vec<_> = (0..4).map(|_| scope.spawn(counting)).collect();
            while counting.iter().any(|thread| !thread.is_finished()) {
                written(&metrics);
            }
        });
        let text = written(&metrics);
        assert!(text.contains("seen_total{what=\"fish\"} 20000\n"), "{text}");
        assert!(text.contains("took_seconds_count{what=\"walk\",how=\"fast\"} 20000\n"), "{text}");
    }

    #[test]
    fn labels_without_end_do_not_fill_the_memory() {
        let metrics = Metrics::default();
        for n in 0..MOST_SERIES + 100 {
            SEEN.add(&metrics, [Box::leak(n.to_string().into_boxed_str())], 1);
        }
        let text = written(&metrics);
        assert_eq!(text.lines().count(), MOST_SERIES + 3);
        assert!(text.contains("seen_total{what=\"other\"} 100"), "{text}");
    }
}

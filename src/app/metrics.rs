//! What this process counts, for whoever watches it. A room says what it counts in a constant and counts where it happens:
//!
//! ```ignore
//! const SENT: Counter = Counter::new("mails_total", "Mails, by what came of them.", &["outcome"]);
//! SENT.add(&app.metrics, ["sent"], 1);
//! ```
//!
//! What is known only to the database is read when somebody looks, by functions that a room registers at start
//! ([`Metrics::read_at_scrape`]). Labels are words of the program, never a tenant's id: counting takes `&'static str`.

use super::App;
use crate::kernel::{Error, Result};
use futures_util::future::BoxFuture;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long what was read is shown again: many who look at once cost one look.
const KEPT: Duration = Duration::from_secs(5);
/// How long one reader may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often durations are sorted into their buckets, if nobody looks.
const SORTED: Duration = Duration::from_secs(5);
/// Combinations of labels that one name may have. Labels are few words, so more is a mistake, and must not fill the memory.
const MOST_SERIES: usize = 4_000;
/// Nothing is filtered, so where and how loud something is counted makes no difference.
const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

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
        metrics.counters.with(&self.0, labels, &metrics.recorder, |counter| counter.increment(count));
    }
}

impl Gauge {
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self(About { name, help, labels })
    }

    /// Adds, or with a negative number takes away.
    pub fn change<const N: usize>(&self, metrics: &Metrics, labels: [&'static str; N], by: i32) {
        metrics.gauges.with(&self.0, labels, &metrics.recorder, |gauge| gauge.increment(f64::from(by)));
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
        metrics.histograms.with(&self.0, labels, &metrics.recorder, |histogram| histogram.record(took.as_secs_f64()));
    }
}

impl About {
    fn key(&self, values: impl IntoIterator<Item = impl Into<metrics::SharedString>>) -> Key {
        let labels = self.labels.iter().zip(values).map(|(name, value)| Label::new(*name, value));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }
}

/// What is counted into, as the recorder hands it out.
trait Handle: Sized {
    fn register(recorder: &PrometheusRecorder, about: &About, key: &Key) -> Self;
}

impl Handle for metrics::Counter {
    fn register(recorder: &PrometheusRecorder, about: &About, key: &Key) -> Self {
        recorder.describe_counter(KeyName::from_const_str(about.name), None, about.help.into());
        recorder.register_counter(key, &METADATA)
    }
}

impl Handle for metrics::Gauge {
    fn register(recorder: &PrometheusRecorder, about: &About, key: &Key) -> Self {
        recorder.describe_gauge(KeyName::from_const_str(about.name), None, about.help.into());
        recorder.register_gauge(key, &METADATA)
    }
}

impl Handle for metrics::Histogram {
    fn register(recorder: &PrometheusRecorder, about: &About, key: &Key) -> Self {
        recorder.describe_histogram(KeyName::from_const_str(about.name), None, about.help.into());
        recorder.register_histogram(key, &METADATA)
    }
}

/// Labels, filled up with nothing.
type Labels = [&'static str; 4];

/// The handles of one kind: to count costs two short looks, and nothing is made anew.
struct Handles<H>(RwLock<HashMap<&'static str, HashMap<Labels, H>>>);

impl<H> Default for Handles<H> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<H: Handle> Handles<H> {
    fn with<const N: usize>(
        &self,
        about: &About,
        labels: [&'static str; N],
        recorder: &PrometheusRecorder,
        count: impl FnOnce(&H),
    ) {
        let mut key: Labels = [""; 4];
        key.iter_mut().zip(labels).for_each(|(place, label)| *place = label);
        if let Some(handle) = self.0.read().get(about.name).and_then(|family| family.get(&key)) {
            return count(handle);
        }
        let mut families = self.0.write();
        let family = families.entry(about.name).or_default();
        if family.len() >= MOST_SERIES {
            key = ["other"; 4];
        }
        count(family.entry(key).or_insert_with(|| H::register(recorder, about, &about.key(key))));
    }
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

/// Everything this process counts. Each [`App`] has its own recorder, and there is none that all share.
pub struct Metrics {
    recorder: PrometheusRecorder,
    counters: Handles<metrics::Counter>,
    gauges: Handles<metrics::Gauge>,
    histograms: Handles<metrics::Histogram>,
    readings: RwLock<Vec<Arc<Reading>>>,
}

const FAILED: Counter = Counter::new("skylight_scrape_errors_total", "Values that could not be read.", &[]);

impl Metrics {
    pub fn new() -> Result<Self> {
        let recorder = PrometheusBuilder::new().set_buckets(&BOUNDS).map_err(Error::internal)?.build_recorder();
        let (counters, gauges, histograms) = (Handles::default(), Handles::default(), Handles::default());
        Ok(Self { recorder, counters, gauges, histograms, readings: RwLock::default() })
    }

    /// Registers a reader; done once, at start.
    pub fn read_at_scrape(&self, reader: Reader) {
        self.readings.write().push(Arc::new(Reading { reader, last: tokio::sync::Mutex::default() }));
    }

    /// Everything in the text format of Prometheus.
    pub async fn written(&self, app: &App) -> String {
        let mut samples = Vec::new();
        let readings = self.readings.read().clone();
        for reading in readings {
            match reading.samples(app).await {
                Some(read) => samples.extend(read),
                None => FAILED.add(self, [], 1),
            }
        }
        self.recorder.handle().render() + &read_text(&samples)
    }
}

/// What was read, in the same format. Its recorder lives for one look, so that what is not told any more is not shown.
fn read_text(samples: &[Sample]) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    for Sample { about, labels, value } in samples {
        metrics::Gauge::register(&recorder, about, &about.key(labels.iter().cloned())).set(*value);
    }
    recorder.handle().render()
}

/// Sorts durations into their buckets now and then: until then each is kept, also where nobody ever looks.
pub async fn sort(app: App) {
    while !app.is_stopping() {
        app.metrics.recorder.handle().run_upkeep();
        tokio::select! {
            () = tokio::time::sleep(SORTED) => {}
            () = app.stopped() => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Counter = Counter::new("seen_total", "Seen.", &["what"]);
    const HERE: Gauge = Gauge::new("here", "Here now.", &[]);
    const TOOK: Histogram = Histogram::new("took_seconds", "Took.", &["what", "how"]);

    fn written(metrics: &Metrics) -> String {
        metrics.recorder.handle().render()
    }

    #[test]
    fn what_is_counted_is_written_as_prometheus_reads_it() {
        let (metrics, other) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        SEEN.add(&metrics, ["a \"bird\""], 2);
        SEEN.add(&metrics, ["a \"bird\""], 3);
        SEEN.add(&metrics, ["fish"], 1);
        HERE.change(&metrics, [], 3);
        HERE.change(&metrics, [], -1);
        TOOK.observe(&metrics, ["walk", "slow"], Duration::from_millis(3));
        TOOK.observe(&metrics, ["walk", "slow"], Duration::from_millis(5));
        metrics.recorder.handle().run_upkeep();
        TOOK.observe(&metrics, ["walk", "slow"], Duration::from_secs(60));
        let bounds = [
            "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30",
            "+Inf",
        ];
        let counts = [0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3];
        let bucket =
            |(bound, count)| format!("took_seconds_bucket{{what=\"walk\",how=\"slow\",le=\"{bound}\"}} {count}");
        let mut expected: Vec<String> = bounds.into_iter().zip(counts).map(bucket).collect();
        expected.extend(
            [
                "# HELP seen_total Seen.",
                "# TYPE seen_total counter",
                "seen_total{what=\"a \\\"bird\\\"\"} 5",
                "seen_total{what=\"fish\"} 1",
                "# HELP here Here now.",
                "# TYPE here gauge",
                "here 2",
                "# HELP took_seconds Took.",
                "# TYPE took_seconds histogram",
                "took_seconds_sum{what=\"walk\",how=\"slow\"} 60.008",
                "took_seconds_count{what=\"walk\",how=\"slow\"} 3",
            ]
            .map(str::to_owned),
        );
        let text = written(&metrics);
        let mut lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected);
        assert_eq!(written(&other), "", "each counts for itself");
    }

    #[test]
    fn what_is_read_is_written_with_its_help() {
        let of_kind = Gauge::new("waiting", "What waits.", &["kind"]);
        let samples = [of_kind.is(&["mail"], 2.0), of_kind.is(&["webhooks.deliver"], 0.5)];
        let text = read_text(&samples);
        assert!(text.starts_with("# HELP waiting What waits.\n# TYPE waiting gauge\n"), "{text}");
        assert!(
            text.contains("\nwaiting{kind=\"mail\"} 2\n")
                && text.contains("\nwaiting{kind=\"webhooks.deliver\"} 0.5\n"),
            "{text}"
        );
    }

    #[test]
    fn what_many_count_at_once_is_counted_once() {
        let metrics = Metrics::new().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..5_000 {
                        SEEN.add(&metrics, ["fish"], 1);
                        TOOK.observe(&metrics, ["walk", "fast"], Duration::from_millis(1));
                        if n % 100 == 0 {
                            metrics.recorder.handle().run_upkeep();
                        }
                    }
                });
            }
        });
        let text = written(&metrics);
        assert!(text.contains("seen_total{what=\"fish\"} 20000\n"), "{text}");
        assert!(text.contains("took_seconds_count{what=\"walk\",how=\"fast\"} 20000\n"), "{text}");
    }

    #[test]
    fn labels_without_end_do_not_fill_the_memory() {
        let metrics = Metrics::new().unwrap();
        for n in 0..MOST_SERIES + 100 {
            SEEN.add(&metrics, [Box::leak(n.to_string().into_boxed_str())], 1);
        }
        let text = written(&metrics);
        assert_eq!(text.lines().filter(|line| line.starts_with("seen_total{")).count(), MOST_SERIES + 1);
        assert!(text.contains("seen_total{what=\"other\"} 100"), "{text}");
    }
}

//! The table, and the sentences below it.

use crate::common::machine::Busy;
use crate::common::verdict;

/// The stage that the others are compared to.
pub const FLOOR: &str = "floor: GET /health/live";

/// One stage.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub per_second: f64,
    /// Median and 99th percentile in milliseconds.
    pub latency: Option<(f64, f64)>,
    /// Of the floor.
    pub target: Option<f64>,
    pub cores: Busy,
}

#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    pub fn row(&mut self, row: Row) {
        println!("{}: {:.0}/s", row.name, row.per_second);
        self.rows.push(row);
    }

    pub fn note(&mut self, sentence: String) {
        println!("{sentence}");
        self.notes.push(sentence);
    }

    pub fn memory(&mut self, when: &str, megabytes: f64, target: Option<f64>) {
        let verdict = target.map(|most| format!(", to be at most {most:.0}: {}", verdict(megabytes <= most)));
        self.note(format!("{megabytes:.1} MB resident {when}{}", verdict.unwrap_or_default()));
    }

    /// The floor is measured first and last, because machines change their mind; the ratios are to the mean.
    pub fn print(&self) {
        let floors: Vec<f64> = self.rows.iter().filter(|row| row.name == FLOOR).map(|row| row.per_second).collect();
        let floor = floors.iter().sum::<f64>() / floors.len().max(1) as f64;
        println!();
        println!(
            "{:<32} {:>9} {:>8} {:>8} {:>7} {:>7} {:>12}   cores: server + load + others",
            "", "per sec", "p50 ms", "p99 ms", "ratio", "target", ""
        );
        for row in &self.rows {
            let (p50, p99) = row.latency.map_or(("–".into(), "–".into()), |(p50, p99)| (ms(p50), ms(p99)));
            let ratio = row.per_second / floor;
            let target = row.target.map_or_else(String::new, |target| format!("{target:.2}"));
            let verdict = row.target.map_or("", |target| verdict(ratio >= target));
            println!(
                "{:<32} {:>9.0} {p50:>8} {p99:>8} {ratio:>7.3} {target:>7} {verdict:>12}   {}",
                row.name, row.per_second, row.cores
            );
        }
        println!();
        self.notes.iter().for_each(|note| println!("- {note}"));
        let judged = self.rows.iter().filter_map(|row| row.target.map(|target| row.per_second / floor >= target));
        let (reached, missed): (Vec<bool>, Vec<bool>) = judged.partition(|reached| *reached);
        println!("- {} ratios reached, {} not", reached.len(), missed.len());
    }
}

fn ms(milliseconds: f64) -> String {
    format!("{milliseconds:.2}")
}

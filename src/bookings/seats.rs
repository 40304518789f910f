//! Which place of a resource a booking gets. Where bookings of different lengths left no place free all the time, though
//! never were all taken at once, those around it change places: that always works out, taken in the order of their starts.

use crate::kernel::Instant;

/// A place that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub booking: i64,
    pub seat: i64,
    pub from: Instant,
    pub to: Instant,
}

impl Taken {
    fn overlaps(&self, (from, to): (Instant, Instant)) -> bool {
        self.to > from && self.from < to
    }
}

/// The lowest place up to a capacity that is free all the time.
pub fn free(taken: &[Taken], span: (Instant, Instant), capacity: i64) -> Option<i64> {
    (1..=capacity).find(|seat| !taken.iter().any(|other| other.seat == *seat && other.overlaps(span)))
}

/// New places for all of them: each gets the lowest one that those before it leave.
pub fn arranged(mut all: Vec<Taken>) -> Vec<Taken> {
    all.sort_by_key(|taken| (taken.from, taken.booking));
    let mut until: Vec<Instant> = Vec::new();
    for taken in &mut all {
        let place = until.iter().position(|end| *end <= taken.from).unwrap_or(until.len());
        match until.get_mut(place) {
            Some(end) => *end = taken.to,
            None => until.push(taken.to),
        }
        taken.seat = i64::try_from(place).unwrap_or(i64::MAX - 1) + 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn taken(booking: i64, seat: i64, from: i64, to: i64) -> Taken {
        Taken { booking, seat, from: Instant::from_seconds(from), to: Instant::from_seconds(to) }
    }

    #[test]
    fn those_around_a_booking_make_room_for_it() {
        let held = vec![taken(1, 1, 10, 11), taken(2, 2, 11, 12)];
        let wanted = taken(3, 0, 10, 12);
        assert_eq!(free(&held, (wanted.from, wanted.to), 2), None);
        let arranged = arranged(held.into_iter().chain([wanted]).collect());
        let seats: Vec<_> = arranged.iter().map(|taken| (taken.booking, taken.seat)).collect();
        assert_eq!(seats, [(1, 1), (3, 2), (2, 1)]);
    }

    /// However they lie, nobody shares a place, and no more places are needed than are ever taken at once.
    #[test]
    fn an_arrangement_needs_as_many_places_as_are_taken_at_once() {
        let mut state: u64 = 0x2545_F491_4F6C_DD1D;
        let mut below = |most: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from((state >> 33) % most).unwrap()
        };
        for _ in 0..2_000 {
            let many = below(14);
            let all: Vec<Taken> = (0..many)
                .map(|booking| {
                    let from = below(40);
                    taken(booking, below(5) + 1, from, from + 1 + below(12))
                })
                .collect();
            let at_once =
                |at: &Taken| all.iter().filter(|other| other.overlaps((at.from, at.from.after(SECOND)))).count();
            let most = all.iter().map(at_once).max().unwrap_or(0);
            let arranged = arranged(all.clone());
            assert_eq!(arranged.len(), all.len());
            for one in &arranged {
                assert!(usize::try_from(one.seat).unwrap() <= most, "{arranged:?}");
                let shares = |other: &&Taken| {
                    other.booking != one.booking && other.seat == one.seat && other.overlaps((one.from, one.to))
                };
                assert!(!arranged.iter().any(|other| shares(&other)), "{arranged:?}");
            }
        }
    }
}

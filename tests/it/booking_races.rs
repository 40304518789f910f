//! Thousands want the same times at once: on one node with the embedded database, on three nodes with PostgreSQL.
//!
//! `SKYLIGHT_BOOKING_SEED` repeats what was wanted, `SKYLIGHT_BOOKING_ATTEMPTS` makes it more.

use crate::on_both_engines;
use crate::races::Nodes;
use crate::sequence::setting;
use crate::world::{Actor, World};
use parking_lot::Mutex;
use serde_json::{Value, json};
use skylight::kernel::Instant;
use skylight_db::{Db, Read, args};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const BOOKINGS: &str = "/api/v1/bookings";
const ATTEMPTS: usize = 3_000;
const AT_ONCE: usize = 60;
const SLOTS: i64 = 50;
/// So many numbers were given to guests.
static GUESTS: AtomicUsize = AtomicUsize::new(0);
/// Of the resources.
const ROOM: [i64; 5] = [1, 3, 1, 3, 1];

on_both_engines! {
    async fn there_are_as_many_winners_as_places(world: World) {
        let place = Place::new(&world).await;
        let nodes = Nodes::on(&world).await;
        let places: i64 = ROOM.iter().sum();
        // Every slot is wanted by nearly three times as many as it has places for; every other one with no matter whom.
        let wanted = (0..ATTEMPTS / 2).map(|n| {
            let slot = i64::try_from(n).unwrap() % SLOTS;
            let resource = (slot % 2 == 0).then(|| place.resources[n / 50 % 5].clone());
            Want::Book { kind: 0, resource, slot, day: 0, holds: false }
        });
        let heard = place.all(&nodes, wanted.collect()).await;
        let of = |status: u16| heard.iter().filter(|(_, heard, _)| *heard == status).count();
        assert_eq!(of(201) + of(409), heard.len(), "{:?}", heard.iter().find(|(_, status, _)| *status != 201 && *status != 409));
        let mut winners = BTreeMap::<i64, i64>::new();
        for (want, status, _) in &heard {
            let Want::Book { slot, .. } = want else { continue };
            *winners.entry(*slot).or_default() += i64::from(*status == 201);
        }
        for (slot, winners) in winners {
            assert_eq!(winners, places, "slot {slot}");
        }
        place.assert_sound(of(201), 0).await;
        nodes.stop().await;
    }

    async fn at_no_moment_is_more_taken_than_there_is_room(world: World) {
        let place = Place::new(&world).await;
        let nodes = Nodes::on(&world).await;
        let seed = setting("SKYLIGHT_BOOKING_SEED", world.app.now().micros().unsigned_abs());
        println!("SKYLIGHT_BOOKING_SEED={seed}");
        let mut dice = Dice(seed | 1);
        let attempts = setting("SKYLIGHT_BOOKING_ATTEMPTS", ATTEMPTS);
        let wanted = (0..attempts).map(|_| {
            let (kind, slot) = (dice.below(3), i64::try_from(dice.below(50)).unwrap());
            let resource = (dice.below(3) > 0).then(|| place.resources[dice.below(5)].clone());
            let which = dice.below(1 << 20);
            match dice.below(20) {
                0..9 => Want::Book { kind, resource, slot, day: 1, holds: which.is_multiple_of(3) },
                9..13 => Want::Move { which, resource, slot },
                13..15 => Want::Confirm { which },
                15..17 => Want::Note { which },
                17 => Want::Guest { kind, slot },
                _ => Want::Swap { which, kind },
            }
        });
        let wanted: Vec<Want> = wanted.collect();
        let over = Arc::new(AtomicBool::new(false));
        let watch = tokio::spawn(watch(world.app.db.clone(), place.rooms(), over.clone()));
        let heard = place.all(&nodes, wanted).await;
        over.store(true, Ordering::SeqCst);
        let looks = watch.await.unwrap();
        let mut statuses = BTreeMap::<u16, usize>::new();
        for (_, status, text) in &heard {
            let is_understood = [200, 201, 204, 404, 409].contains(status) || (*status == 422 && text.contains("opening hours"));
            assert!(is_understood, "{status} {text}");
            *statuses.entry(*status).or_default() += 1;
        }
        println!("{statuses:?}, looked at {looks} times");
        assert!(looks > 3 && statuses[&409] > attempts / 10 && statuses[&201] > 100, "{statuses:?}");
        let gone = heard.iter().filter(|(want, status, _)| matches!(want, Want::Guest { .. }) && *status == 201).count();
        assert_eq!(statuses.get(&204).copied().unwrap_or(0), heard.iter().filter(|(want, ..)| matches!(want, Want::Guest { .. })).count() / 2);
        place.assert_sound(statuses[&201], gone).await;
        nodes.stop().await;
    }

    async fn two_who_change_different_things_of_a_booking_both_have_their_way(world: World) {
        let place = Place::new(&world).await;
        let nodes = Nodes::on(&world).await;
        let who = |n: usize| Actor { base: nodes.bases[n % nodes.bases.len()].clone(), ..place.nakheel.clone() };
        let body = json!({"contact_id": place.contact, "booking_type_id": place.kinds[0], "starts_at": place.time(0, 0), "hold_minutes": 600});
        let one = format!("{BOOKINGS}/{}", place.nakheel.post(BOOKINGS, body).await.expect(201)["data"]["id"]);
        for round in 1..40 {
            let (slot, note) = (place.time(0, round), format!("Note {round}"));
            let (mover, writer, confirmer) = (who(0), who(1), who(2));
            let (moved, noted, confirmed) = tokio::join!(
                mover.put(&one, json!({"starts_at": slot})),
                writer.put(&one, json!({"notes": note})),
                confirmer.put(&one, json!({"status": "confirmed"})),
            );
            for answer in [moved, noted, confirmed] {
                answer.expect(200);
            }
            let booking = place.nakheel.get(&one).await.expect(200)["data"].clone();
            assert_eq!((&booking["starts_at"], &booking["notes"], &booking["status"]), (&slot, &json!(note), &json!("confirmed")));
        }
        nodes.stop().await;
    }
}

/// What somebody wants.
#[derive(Clone, Debug)]
enum Want {
    Book {
        kind: usize,
        resource: Option<Value>,
        slot: i64,
        day: i64,
        /// For ten hours, not for good.
        holds: bool,
    },
    /// Likewise, what was held is to be kept.
    Confirm {
        which: usize,
    },
    Note {
        which: usize,
    },
    /// A contact who books, and is deleted at once.
    Guest {
        kind: usize,
        slot: i64,
    },
    /// One of those that were made.
    Move {
        which: usize,
        resource: Option<Value>,
        slot: i64,
    },
    /// Cancels one and books its time anew.
    Swap {
        which: usize,
        kind: usize,
    },
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// Five resources, three types of different lengths and buffers, and fifty slots a day.
struct Place {
    db: Db,
    nakheel: Actor,
    contact: Value,
    kinds: Vec<Value>,
    resources: Vec<Value>,
    /// The beginning of the first slot.
    begin: i64,
}

/// A booking that was made: where it stands is known to whoever moved it last.
#[derive(Clone)]
struct Made {
    id: Value,
    resource: Value,
    starts_at: Value,
}

impl Place {
    async fn new(world: &World) -> Self {
        let nakheel = world.workspace("nakheel").await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let mut kinds = Vec::new();
        for (name, minutes, buffer) in [("short", 5, 0), ("long", 15, 0), ("careful", 5, 5)] {
            // Of two lanes, some of them need one, some the other, some both.
            let reminders = if name == "long" { json!([]) } else { json!([{"minutes_before": 30, "text": "Soon."}]) };
            let body = json!({
                "name": name, "duration_minutes": minutes, "slot_step_minutes": 5, "buffer_after_minutes": buffer,
                "auto_complete": name != "careful", "reminders": reminders,
            });
            kinds.push(nakheel.post("/api/v1/bookings/types", body).await.expect(201)["data"]["id"].clone());
        }
        let hours: Vec<Value> = (1..=7).map(|day| json!({"weekday": day, "from": "10:00", "to": "14:10"})).collect();
        let mut resources = Vec::new();
        for capacity in ROOM {
            let body = json!({"name": "room", "type": "room", "timezone": "UTC", "capacity": capacity, "hours": hours});
            resources.push(nakheel.post("/api/v1/bookings/resources", body).await.expect(201)["data"]["id"].clone());
        }
        let begin = (world.app.now().seconds() / 86_400 + 2) * 86_400 + 10 * 3_600;
        Self { db: world.app.db.clone(), nakheel, contact, kinds, resources, begin }
    }

    fn rooms(&self) -> BTreeMap<i64, i64> {
        self.resources.iter().map(|id| id.as_i64().unwrap()).zip(ROOM).collect()
    }

    fn time(&self, day: i64, slot: i64) -> Value {
        json!(Instant::from_seconds(self.begin + day * 86_400 + slot * 300).to_string())
    }

    /// Everything at once, each at another node than the one before; what was wanted, the status, and what was said.
    async fn all(&self, nodes: &Nodes, wanted: Vec<Want>) -> Vec<(Want, u16, String)> {
        let wanted = Arc::new(wanted);
        let (next, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::<Made>::new())));
        let mut crowd = JoinSet::new();
        for worker in 0..AT_ONCE {
            let who = Actor { base: nodes.bases[worker % nodes.bases.len()].clone(), ..self.nakheel.clone() };
            let person = Person { who, contact: self.contact.clone(), made: made.clone() };
            let times: Vec<[Value; 2]> = (0..SLOTS).map(|slot| [0, 1].map(|day| self.time(day, slot))).collect();
            let (kinds, next, wanted) = (self.kinds.clone(), next.clone(), wanted.clone());
            crowd.spawn(async move {
                let mut heard = Vec::new();
                while let Some(want) = wanted.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let time = |day: i64, slot: i64| {
                        times[usize::try_from(slot).unwrap()][usize::try_from(day).unwrap()].clone()
                    };
                    for (status, text) in person.does(want, &kinds, time).await {
                        heard.push((want.clone(), status, text));
                    }
                }
                heard
            });
        }
        crowd.join_all().await.into_iter().flatten().collect()
    }

    /// What is stored fits together: as many bookings, first entries and events as were told of, a seat for each active one,
    /// and no seat taken twice.
    async fn assert_sound(&self, created: usize, gone: usize) {
        let (created, gone) = (i64::try_from(created).unwrap(), i64::try_from(gone).unwrap());
        let count = async |sql: &str| -> i64 { (&self.db).one(sql, args![]).await.unwrap() };
        assert_eq!(count("SELECT COUNT(*) FROM booking").await, created - gone);
        assert_eq!(count("SELECT COUNT(*) FROM booking_history WHERE action = 'created'").await, created - gone);
        assert_eq!(count("SELECT COUNT(*) FROM event WHERE kind = 'booking.created'").await, created);
        assert_eq!(count("SELECT CAST(SUM(bookings_created) AS BIGINT) FROM meter_month").await, created);
        let cancelled = count("SELECT COUNT(*) FROM booking WHERE status = 'cancelled'").await;
        let told = count("SELECT COUNT(*) FROM event WHERE kind = 'booking.cancelled'").await;
        assert!((cancelled..=cancelled + gone).contains(&told), "{cancelled} of {told}, {gone} are gone");
        let active = count("SELECT COUNT(*) FROM booking WHERE status IN ('pending', 'confirmed')").await;
        let seated = "SELECT COUNT(*) FROM booking JOIN booking_seat ON booking_seat.booking_id = booking.id
                      AND booking_seat.resource_id = booking.resource_id AND booking_seat.starts_at = booking.starts_at
                      AND booking_seat.ends_at >= booking.ends_at WHERE status IN ('pending', 'confirmed')";
        assert_eq!((count(seated).await, count("SELECT COUNT(*) FROM booking_seat").await), (active, active));
        let twice = "SELECT COUNT(*) FROM booking_seat AS one JOIN booking_seat AS other
                     ON other.resource_id = one.resource_id AND other.seat = one.seat AND other.booking_id <> one.booking_id
                     AND other.ends_at > one.starts_at AND other.starts_at < one.ends_at";
        assert_eq!(count(twice).await, 0);
        overbooked(&self.db, &self.rooms()).await;
    }
}

struct Person {
    who: Actor,
    contact: Value,
    made: Arc<Mutex<Vec<Made>>>,
}

impl Person {
    async fn does(&self, want: &Want, kinds: &[Value], time: impl Fn(i64, i64) -> Value) -> Vec<(u16, String)> {
        match want {
            Want::Book { kind, resource, slot, day, holds } => {
                let hold = if *holds { json!(600) } else { json!(null) };
                vec![self.book(&self.contact, &kinds[*kind], resource.clone(), time(*day, *slot), hold).await]
            }
            Want::Confirm { which } => self.change(*which, json!({"status": "confirmed"})).await,
            Want::Note { which } => self.change(*which, json!({"notes": format!("Note {which}")})).await,
            Want::Guest { kind, slot } => {
                let phone = format!("+14155{:06}", GUESTS.fetch_add(1, Ordering::SeqCst));
                let guest = self.who.contact("Guest", &phone).await["id"].clone();
                let booked = self.book(&guest, &kinds[*kind], None, time(1, *slot), json!(null)).await;
                let deleted = self.who.delete(&format!("/api/v1/contacts/{guest}")).await;
                vec![booked, (deleted.status, deleted.text())]
            }
            Want::Move { which, resource, slot } => {
                let Some(made) = self.one(*which) else { return Vec::new() };
                let mut change = json!({"starts_at": time(1, *slot)});
                if let Some(resource) = resource {
                    change["resource_id"] = resource.clone();
                }
                let answer = self.who.put(&format!("{BOOKINGS}/{}", made.id), change).await;
                vec![(answer.status, answer.text())]
            }
            Want::Swap { which, kind } => {
                let Some(made) = self.one(*which) else { return Vec::new() };
                let cancelled = self.who.post(&format!("{BOOKINGS}/{}/cancel", made.id), json!({})).await;
                let place = (Some(made.resource), made.starts_at);
                let booked = self.book(&self.contact, &kinds[*kind], place.0, place.1, json!(null)).await;
                vec![(cancelled.status, cancelled.text()), booked]
            }
        }
    }

    fn one(&self, which: usize) -> Option<Made> {
        let made = self.made.lock();
        made.get(which % made.len().max(1)).cloned()
    }

    async fn change(&self, which: usize, change: Value) -> Vec<(u16, String)> {
        let Some(made) = self.one(which) else { return Vec::new() };
        let answer = self.who.put(&format!("{BOOKINGS}/{}", made.id), change).await;
        vec![(answer.status, answer.text())]
    }

    async fn book(
        &self,
        contact: &Value,
        kind: &Value,
        resource: Option<Value>,
        starts_at: Value,
        hold: Value,
    ) -> (u16, String) {
        let body = json!({
            "contact_id": contact, "booking_type_id": kind, "resource_id": resource, "starts_at": starts_at, "hold_minutes": hold,
        });
        let answer = self.who.post(BOOKINGS, body).await;
        if answer.status == 201 {
            let booking = answer.json()["data"].clone();
            let [id, resource, starts_at] = ["id", "resource_id", "starts_at"].map(|name| booking[name].clone());
            self.made.lock().push(Made { id, resource, starts_at });
        }
        (answer.status, answer.text())
    }
}

/// Looks at what is taken until it is over; answers how often.
async fn watch(db: Db, rooms: BTreeMap<i64, i64>, over: Arc<AtomicBool>) -> usize {
    let mut looks = 0;
    while !over.load(Ordering::SeqCst) {
        overbooked(&db, &rooms).await;
        looks += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    looks
}

/// No moment, of what is one moment's state, has more active bookings than there is room for, their buffers included.
async fn overbooked(db: &Db, rooms: &BTreeMap<i64, i64>) {
    let sql = "SELECT booking.resource_id, booking.starts_at - booking_type.buffer_before_minutes * 60000000,
                      booking.ends_at + booking_type.buffer_after_minutes * 60000000
               FROM booking JOIN booking_type ON booking_type.id = booking.booking_type_id
               WHERE booking.status IN ('pending', 'confirmed')";
    let taken: Vec<(i64, i64, i64)> = db.all(sql, args![]).await.unwrap();
    for (resource, from, _) in &taken {
        // More can only begin to be taken where one begins.
        let then = taken.iter().filter(|(other, begin, end)| other == resource && begin <= from && end > from).count();
        assert!(i64::try_from(then).unwrap() <= rooms[resource], "{then} at once with resource {resource}");
    }
}

"""Books times in many zones on a running server, and has its calendar feeds read by programs that others wrote. Prints what it
counted; ends with 1 if anything is not as it should be. See scripts/calendars."""

import http.client
import json
import os
import urllib.parse
from collections import Counter
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
import vobject
import x_wr_timezone

SERVER = urllib.parse.urlsplit(os.environ["VERIFIER_URL"])
PARTNER = json.loads(os.environ["VERIFIER_PARTNER"])

# Half hours, quarters of an hour, clocks that change by half an hour, in the other half of the year, or not at all.
ZONES = [
    "Asia/Riyadh",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Santiago",
    "Africa/Cairo",
    "UTC",
]
DAYS = [2, 40, 75, 110, 145, 180, 215, 250, 285, 320]

# What people write, and what it must be to whoever reads it.
TEXTS = [
    ("سارة الأحمد، موعدها غدًا", None),
    ("a, b; c\\ d: \"e\" \\n f", None),
    ("👋🏽 Zoë 👨‍👩‍👧‍👦 🇸🇦", None),
    ("x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:forged", "x\nEND:VEVENT\nBEGIN:VEVENT\nUID:forged"),
    ("é " * 120, None),
    ("one\u2028two\u0085three\u000bfour", "one\ntwo\nthree\nfour"),
    ("ليلى " * 50, None),
    ("BEGIN:VALARM", None),
    ("漢字한국어ไทย" * 20, None),
    ("bell\u0007 and\ttab", "bell and\ttab"),
]

counted = Counter()
faults = []


def expect(wanted, got, what):
    counted[what] += 1
    if wanted != got:
        faults.append(what)
        if len(faults) <= 20:
            print(f"FAULT {what}: {wanted!r} is {got!r}")


def request(method, path, headers, body=None):
    connection = http.client.HTTPConnection(SERVER.hostname, SERVER.port, timeout=30)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer, read


class Caller:
    def __init__(self, header, key):
        self.headers = {header: key, "content-type": "application/json"}

    def call(self, method, path, body=None):
        answer, read = request(method, "/api/v1" + path, self.headers, body)
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {read.decode()}")
        return json.loads(read)["data"] if read else None


def set_up(workspace):
    """A type, and a resource in every zone."""
    kind = {"name": "Visit, with tea; حوار", "duration_minutes": 45, "slot_step_minutes": 15}
    kind = workspace.call("POST", "/bookings/types", kind)
    hours = [{"weekday": day, "from": "00:00", "to": "24:00"} for day in range(1, 8)]
    resources = []
    for number, zone in enumerate(ZONES):
        body = {"name": f"Room {number}, {zone}", "type": "room", "timezone": zone, "hours": hours}
        resources.append(workspace.call("POST", "/bookings/resources", body))
    return kind, resources


def book(workspace, kind, resources):
    """A booking on each of some days with every resource."""
    made, today = [], datetime.now(timezone.utc).date()
    for number, (name, _) in enumerate(TEXTS):
        phone = f"+96650{number:07}"
        contact = workspace.call("POST", "/contacts", {"name": name.strip(), "phone": phone, "type": "whatsapp"})
        for days, resource in zip(DAYS[number:] + DAYS[:number], resources):
            # What the clock there shows.
            starts_at = f"{today + timedelta(days=days)}T{(days + number) % 24:02}:{15 * (days % 4):02}:00"
            body = {"contact_id": contact["id"], "booking_type_id": kind["id"], "resource_id": resource["id"]}
            body |= {"starts_at": starts_at, "timezone": resource["timezone"], "notes": name}
            if days == DAYS[3]:
                body["hold_minutes"] = 600
            booking = workspace.call("POST", "/bookings", body)
            expect(starts_at, booking["starts_at_local"], "times as they were asked for")
            made.append(booking | {"contact": contact, "resource": resource, "text": TEXTS[number]})
    return made


STATUSES = {"pending": "TENTATIVE", "confirmed": "CONFIRMED", "completed": "CONFIRMED", "no_show": "CONFIRMED"}


def read_text(text):
    return (text[0] if text[1] is None else text[1]).strip()


def wanted_of(booking, kind):
    """What a program should show of a booking: its time is worked out anew, from what the clock on the wall shows."""
    local = datetime.fromisoformat(booking["starts_at_local"]).replace(tzinfo=ZoneInfo(booking["timezone"]))
    start = local.astimezone(timezone.utc)
    name, notes = read_text((booking["contact"]["name"], booking["text"][1])), read_text(booking["text"])
    resource = booking["resource"]["name"]
    return {
        "start": start,
        "end": start + timedelta(minutes=45),
        "summary": f"{kind['name']} – {name}",
        "description": f"{name}\n{booking['contact']['phone']}\n{resource}\n\n{notes}",
        "location": resource,
        "status": STATUSES[booking["status"]],
        "categories": [kind["name"]],
    }


def by_icalendar(text):
    calendar = icalendar.Calendar.from_ical(text)
    expect([], calendar.errors, "icalendar: no errors")
    shown = {}
    for event in calendar.walk("VEVENT"):
        expect([], event.errors, "icalendar: no errors")
        shown[str(event["UID"])] = {
            "start": event.decoded("DTSTART"),
            "end": event.decoded("DTEND"),
            "summary": str(event["SUMMARY"]),
            "description": str(event["DESCRIPTION"]),
            "location": str(event["LOCATION"]),
            "status": str(event["STATUS"]),
            "categories": [str(category) for category in event["CATEGORIES"].cats],
        }
    # Text by RFC 7986, which the package does not know by itself.
    return icalendar.parser.unescape_char(str(calendar["NAME"])), shown


def by_vobject(text):
    calendar = vobject.readOne(text.decode(), validate=True)
    shown = {}
    for event in getattr(calendar, "vevent_list", []):
        start, end = event.dtstart.value, event.dtend.value
        shown[event.uid.value] = {
            "start": start.astimezone(timezone.utc),
            "end": end.astimezone(timezone.utc),
            "summary": event.summary.value,
            "description": event.description.value,
            "location": event.location.value,
            "status": event.status.value,
            "categories": event.categories.value,
        }
    return calendar.contents["x-wr-calname"][0].value, shown


def when(text):
    """When the events take place for programs that put all times into the calendar's zone."""
    calendar = x_wr_timezone.to_standard(icalendar.Calendar.from_ical(text))
    begin = datetime.now(timezone.utc) - timedelta(days=40)
    events = recurring_ical_events.of(calendar).between(begin, begin + timedelta(days=500))
    found = [(str(event["UID"]), event.decoded("DTSTART").astimezone(timezone.utc)) for event in events]
    expect(len(found), len(dict(found)), "each takes place once")
    return dict(found)


def judge(path, name, bookings, kind):
    answer, text = request("GET", path, {})
    expect((200, "text/calendar; charset=utf-8"), (answer.status, answer.headers["content-type"]), "answers")
    again, nothing = request("GET", path, {"if-none-match": answer.headers["etag"]})
    expect((304, b""), (again.status, nothing), "answers to who knows it")
    for line in text.split(b"\r\n"):
        line.decode()
        expect(True, len(line) <= 75 and b"\n" not in line and b"\r" not in line, "lines")
    wanted = {booking["id"]: wanted_of(booking, kind) for booking in bookings if booking["status"] != "cancelled"}
    for reader in (by_icalendar, by_vobject):
        called, shown = reader(text)
        expect(name, called, f"{reader.__name__}: names")
        shown = {int(uid.split("@")[0].removeprefix("booking-")): event for uid, event in shown.items()}
        expect(sorted(wanted), sorted(shown), f"{reader.__name__}: the same bookings")
        for id in wanted.keys() & shown.keys():
            for what, value in wanted[id].items():
                expect(value, shown[id][what], f"{reader.__name__}: {what}")
    for uid, start in when(text).items():
        expect(wanted[int(uid.split("@")[0].removeprefix("booking-"))]["start"], start, "x_wr_timezone: start")
    sequences = {str(event["UID"]): event["SEQUENCE"] for event in icalendar.Calendar.from_ical(text).walk("VEVENT")}
    return answer.headers["etag"], sequences


def change(workspace, bookings):
    """Moves some, ends some."""
    for number, booking in enumerate(bookings):
        path, more = f"/bookings/{booking['id']}", {}
        if number % 7 == 1:
            more = {"starts_at": booking["starts_at_local"][:11] + "23:15:00", "timezone": booking["timezone"]}
        elif booking["status"] == "confirmed" and number % 7 in (2, 3):
            more = {"status": "completed" if number % 7 == 2 else "no_show"}
        elif number % 7 == 4:
            more = {"status": "cancelled"}
        elif booking["status"] == "pending" and number % 2:
            more = {"status": "confirmed"}
        if more:
            booking |= workspace.call("PUT", path, more)
            counted["changed: " + ", ".join(more)] += 1


def main():
    partner = Caller("X-Partner-Key", PARTNER["partner_key"])
    admin = {"first_name": "Sara", "last_name": "Hassan", "email": "sara@clients.example"}
    client = {"company_name": "Nakheel, نخيل; Söhne", "plan": "business", "timezone": "Asia/Riyadh", "country_id": 194, "admin": admin}
    client = partner.call("POST", "/partner/clients", client)
    workspace = Caller("X-Api-Key", partner.call("POST", f"/partner/clients/{client['id']}/api-keys", {})["key"])
    kind, resources = set_up(workspace)
    feeds = [(workspace.call("POST", "/bookings/feeds", {}), client["company_name"], None)]
    for resource in resources:
        feed = workspace.call("POST", "/bookings/feeds", {"resource_id": resource["id"]})
        feeds.append((feed, resource["name"], resource["id"]))
    bookings, seen = book(workspace, kind, resources), {}
    for phase in (1, 2):
        if phase == 2:
            change(workspace, bookings)
        for feed, name, resource in feeds:
            path = urllib.parse.urlsplit(feed["url"]).path
            shown = [booking for booking in bookings if resource in (None, booking["resource_id"])]
            etag, sequences = judge(path, name, shown, kind)
            before = seen.get(path)
            if before:
                expect(True, etag != before[0], "tags that change")
                for uid in sequences:
                    expect(True, sequences[uid] >= before[1][uid], "sequences that do not fall")
            seen[path] = (etag, sequences)
    for what, count in sorted(counted.items()):
        print(f"{count:6} {what}")
    print(f"{len(faults):6} faults")
    raise SystemExit(1 if faults else 0)


main()

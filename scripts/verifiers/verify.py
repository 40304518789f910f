"""Makes events of every kind on a running server and judges every delivery: by the published packages of two projects, and by
hand. Prints what it counted; ends with 1 if anything is not as it should be. See scripts/receivers."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import threading
import time
import urllib.parse
from collections import Counter
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks
import svix.webhooks

SERVER = urllib.parse.urlsplit(os.environ["VERIFIER_URL"])
PARTNER = json.loads(os.environ["VERIFIER_PARTNER"])
PATIENCE = 60
PACKAGES = {"standardwebhooks": standardwebhooks.Webhook, "svix": svix.webhooks.Webhook}

# Names that a careless serializer, signer or database would change.
NAMES = [
    "سارة الأحمد",
    "لَيْلَى\u200fـ\u200e مَرْوان",
    "👋🏽 Zoë 👨‍👩‍👧‍👦 🇸🇦",
    'He said "hi", she\'s \\ gone / back',
    "one\u2028two\u2029three",
    "<script>alert(1)</script> & co.",
    "tab\tand new\nline",
    "Ünïcödé ﷽ ½ ℵ₀ 漢字 한국어 ไทย",
    "\u007f\u0085\ufeff edge",
    "𝕊𝕜𝕪 𐍈 \U0010fffd",
    '{"event":"contact.created"}',
    "%s %00 \\u0000 \\n ${name} {{name}}",
]

counted = Counter()
faults = []


def fault(text):
    faults.append(text)
    if len(faults) <= 20:
        print("FAULT", text)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what arrives; refuses every seventh delivery once, so that later attempts are judged too."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    arrived = []
    seen = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.lock:
            is_new = headers.get("webhook-id") not in self.seen
            self.seen.add(headers.get("webhook-id"))
            status = 503 if is_new and len(self.seen) % 7 == 0 else 200
            self.arrived.append({"path": self.path, "headers": headers, "body": body, "status": status, "at": time.time()})
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Caller:
    def __init__(self, header, key):
        self.headers = {header: key, "content-type": "application/json"}

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(SERVER.hostname, SERVER.port, timeout=30)
        # Both ways of writing JSON: as it is, and escaped.
        text = None if body is None else json.dumps(body, ensure_ascii=len(path) % 2 == 0)
        connection.request(method, path, None if text is None else text.encode(), self.headers)
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {read.decode()}")
        return json.loads(read) if read else None


class Endpoint:
    """A webhook, its secrets (the newest first), and where its log stands."""

    def __init__(self, name, secret, log, rotate, signature):
        self.name, self.secrets, self.log, self.rotate_by, self.signature = name, [secret], log, rotate, signature

    def rotate(self):
        self.secrets.insert(0, self.rotate_by())


def by_hand(endpoint, secret, delivery):
    """The documented signature: over the raw body, keyed with the whole secret as text."""
    header, prefix = endpoint.signature
    mac = hmac.new(secret.encode(), delivery["body"], hashlib.sha256).hexdigest()
    return hmac.compare_digest(delivery["headers"].get(header, ""), prefix + mac)


def standard_by_hand(secret, delivery):
    """The Standard Webhooks signature, from its document and not from a package."""
    headers = delivery["headers"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivery["body"]
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")


def verifies(package, secret, body, headers):
    try:
        PACKAGES[package](secret).verify(body, headers)
        return True
    except standardwebhooks.webhooks.WebhookVerificationError:
        return False


def expect(wanted, got, what, delivery):
    counted[what] += 1
    if wanted != got:
        fault(f"{what}: {delivery['path']} {delivery['headers']} {delivery['body']!r}")


def judge(endpoint, delivery, signing, stranger):
    """`signing`: the secrets that signed when it was sent, the newest first."""
    body, headers = delivery["body"], delivery["headers"]
    counted["deliveries"] += 1
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        if not headers.get(name):
            return fault(f"no {name}: {headers}")
    for package in PACKAGES:
        for secret in signing:
            expect(True, verifies(package, secret, body, headers), f"{package} verifies", delivery)
        others = [secret for secret in endpoint.secrets if secret not in signing] + [stranger]
        for secret in others:
            expect(False, verifies(package, secret, body, headers), f"{package} refuses another secret", delivery)
        at = int(headers["webhook-timestamp"]) % len(body)
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        expect(False, verifies(package, signing[0], changed, headers), f"{package} refuses a changed byte", delivery)
        renamed = {**headers, "webhook-id": headers["webhook-id"][:-1] + "x"}
        expect(False, verifies(package, signing[0], body, renamed), f"{package} refuses another id", delivery)
        earlier = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 60)}
        expect(False, verifies(package, signing[0], body, earlier), f"{package} refuses another timestamp", delivery)
        # Rightly signed, but long ago: only its age is wrong.
        for minutes, is_fresh, what in ((4, True, "verifies a fair timestamp"), (6, False, "refuses an old timestamp")):
            then = datetime.now(timezone.utc) - timedelta(minutes=minutes)
            earlier = {**headers, "webhook-timestamp": str(int(then.timestamp()))}
            earlier["webhook-signature"] = PACKAGES[package](signing[0]).sign(headers["webhook-id"], then, body.decode())
            expect(is_fresh, verifies(package, signing[0], body, earlier), f"{package} {what}", delivery)
    for secret in signing:
        expect(True, standard_by_hand(secret, delivery), "webhook-signature by hand", delivery)
    count = len(headers["webhook-signature"].split(" "))
    expect(len(signing), count, "as many signatures as secrets", delivery)
    # The documented header has room for one signature: the newest secret's.
    expect(True, by_hand(endpoint, signing[0], delivery), f"{endpoint.signature[0]} by hand", delivery)
    expect(False, by_hand(endpoint, stranger, delivery), f"{endpoint.signature[0]} of another secret", delivery)
    told = json.loads(body)
    expect(headers["webhook-id"], told.get("delivery_id", told.get("id")), "the id of body and header agree", delivery)
    expect(True, abs(delivery["at"] - int(headers["webhook-timestamp"])) < 10, "the timestamp is the attempt's", delivery)


def pages(caller, path):
    page, entries = 1, []
    while True:
        answer = caller.call("GET", f"{path}?per_page=100&page={page}")
        entries += answer["data"]
        if page >= answer["meta"]["last_page"]:
            return entries
        page += 1


def work(partner, hub, workspace, channel, phase):
    """One event of everything that can happen, for every name; answers how many of which."""
    wanted = Counter()
    for number, name in enumerate(NAMES):
        phone = f"+9665{phase}{number:07}"
        contact = workspace.call("POST", "/api/v1/contacts", {"name": name, "phone": phone, "type": "whatsapp"})["data"]
        path = f"/api/v1/contacts/{contact['id']}"
        workspace.call("PUT", path, {"name": f"{name} {phase}"})
        simulated = {"from": phone, "name": name, "content": f"{name} {name}"}
        workspace.call("POST", f"/api/v1/channels/{channel}/simulate", simulated)
        wanted.update(["contact.created", "contact.updated", "message.received"])
    # A message is answered once it is received.
    for number, name in enumerate(NAMES):
        found = workspace.call("GET", "/api/v1/contacts?search=" + urllib.parse.quote(f"+9665{phase}{number:07}"))["data"]
        until(lambda c=found[0]["id"]: workspace.call("GET", f"/api/v1/contacts/{c}/messages")["data"], "the message is received")
        workspace.call("POST", "/api/v1/messages/send", {"contact_id": found[0]["id"], "content": name})
        wanted["message.sent"] += 1
    workspace.call("POST", "/api/v1/tickets", {"subject": NAMES[0], "body": "\n".join(NAMES), "priority": "high"})
    extra = workspace.call("POST", "/api/v1/contacts", {"name": "gone", "phone": f"+9665{phase}9999999", "type": "whatsapp"})["data"]
    workspace.call("DELETE", f"/api/v1/contacts/{extra['id']}")
    wanted.update(["ticket.created", "contact.created", "contact.deleted"])
    of_partner = Counter()
    for number, name in enumerate(NAMES[:6]):
        email = f"admin-{phase}-{number}@clients.example"
        admin = {"first_name": name, "last_name": "حسن", "email": email}
        client = {"company_name": f"{name} {phase}", "plan": "business", "timezone": "Asia/Riyadh", "country_id": 194, "admin": admin}
        made = partner.call("POST", "/api/v1/partner/clients", client)["data"]
        path = f"/api/v1/partner/clients/{made['id']}"
        partner.call("PATCH", path, {"company_name": f"{name} & Söhne {phase}"})
        partner.call("POST", f"{path}/suspend", {})
        partner.call("POST", f"{path}/reactivate", {})
        partner.call("DELETE", path)
        of_partner.update(f"partner.client.{what}" for what in ("created", "updated", "suspended", "reactivated", "deleted"))
        of_partner["client_created"] += 1
    return wanted, of_partner


def until(probe, what):
    end = time.monotonic() + PATIENCE
    while not (found := probe()):
        if time.monotonic() > end:
            raise SystemExit(f"waited {PATIENCE} s for this: {what}")
        time.sleep(0.05)
    return found


def settled(endpoints, wanted):
    """Whether every endpoint has taken what was wanted of it."""
    with Receiver.lock:
        taken = Counter((d["path"], d["headers"].get("webhook-id")) for d in Receiver.arrived if d["status"] == 200)
    counts = Counter(path for path, _ in taken)
    return all(counts["/" + endpoint.name] >= sum(wanted[endpoint.name].values()) for endpoint in endpoints)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    partner, hub = Caller("X-Partner-Key", PARTNER["partner_key"]), Caller("X-API-Key", PARTNER["hub_key"])
    admin = {"first_name": "Sara", "last_name": "Hassan", "email": "sara@clients.example"}
    client = {"company_name": "Nakheel", "plan": "business", "timezone": "Asia/Riyadh", "country_id": 194, "admin": admin}
    client = partner.call("POST", "/api/v1/partner/clients", client)["data"]
    key = partner.call("POST", f"/api/v1/partner/clients/{client['id']}/api-keys", {})["data"]["key"]
    workspace = Caller("X-Api-Key", key)
    channel = workspace.call("POST", "/api/v1/channels", {"type": "whatsapp", "provider": "sandbox"})["data"]["id"]

    documented, endpoints, names = ("x-skylight-signature", "sha256="), [], ["crm", "archive"]
    for name in names:
        made = workspace.call("POST", "/api/v1/webhooks", {"name": name, "url": f"{url}/{name}", "events": ["*"]})["data"]
        path = f"/api/v1/webhooks/{made['id']}"
        rotate = lambda path=path: workspace.call("POST", f"{path}/regenerate-secret", {})["data"]["secret"]
        log = lambda path=path: pages(workspace, f"{path}/deliveries")
        endpoints.append(Endpoint(name, made["secret"], log, rotate, documented))
    path = "/api/v1/partner/webhook"
    secret = partner.call("PUT", path, {"url": f"{url}/partner"})["data"]["secret"]
    rotate = lambda: partner.call("POST", f"{path}/regenerate-secret", {})["data"]["secret"]
    endpoints.append(Endpoint("partner", secret, lambda: pages(partner, f"{path}/deliveries"), rotate, documented))
    at = f"/api/v2/partners/{PARTNER['hub_id']}/webhook_url"
    secret = hub.call("POST", at, {"webhook_url": f"{url}/hub"})["platform_secret"]
    again = {"webhook_url": f"{url}/hub", "regenerate_secret": True}
    rotate = lambda: hub.call("POST", at, again)["platform_secret"]
    endpoints.append(Endpoint("hub", secret, None, rotate, ("x-360dialog-signature", "")))

    wanted, bounds = {endpoint.name: Counter() for endpoint in endpoints}, []
    for phase in (1, 2):
        of_workspace, of_partner = work(partner, hub, workspace, channel, phase)
        for endpoint in endpoints:
            if endpoint.name in names:
                wanted[endpoint.name] += of_workspace
            else:
                is_hub = endpoint.name == "hub"
                of_it = {event: count for event, count in of_partner.items() if is_hub == (event == "client_created")}
                wanted[endpoint.name] += Counter(of_it)
        until(lambda: settled(endpoints, wanted), f"phase {phase} has arrived")
        bounds.append(len(Receiver.arrived))
        if phase == 1:
            for endpoint in endpoints:
                endpoint.rotate()
    # Nothing comes that nobody waits for.
    time.sleep(1.5)
    server.shutdown()

    stranger = "whsec_" + base64.b64encode(os.urandom(48)).decode()
    for number, delivery in enumerate(Receiver.arrived):
        endpoint = next(endpoint for endpoint in endpoints if "/" + endpoint.name == delivery["path"])
        is_rotated = number >= bounds[0]
        judge(endpoint, delivery, endpoint.secrets if is_rotated else endpoint.secrets[1:], stranger)
        counted["deliveries with two signatures"] += is_rotated
    for endpoint in endpoints:
        taken = [d for d in Receiver.arrived if d["path"] == "/" + endpoint.name and d["status"] == 200]
        events = Counter(json.loads(delivery["body"])["event"] for delivery in taken)
        if events != wanted[endpoint.name]:
            fault(f"{endpoint.name} got {dict(events)}, expected {dict(wanted[endpoint.name])}")
        ids = {delivery["headers"]["webhook-id"] for delivery in taken}
        counted["delivered once"] += len(ids)
        if len(ids) != len(taken):
            fault(f"{endpoint.name} got {len(taken) - len(ids)} deliveries twice")
        if endpoint.log:
            logged = {entry["delivery_id"] for entry in endpoint.log() if entry["status"] == "delivered"}
            counted["delivered by the log"] += len(logged)
            if logged != ids:
                fault(f"{endpoint.name}: the log and the receiver differ by {len(logged ^ ids)}")
    # What was entered is what arrives, character by character.
    told = {json.loads(d["body"])["data"]["contact"]["name"] for d in Receiver.arrived if b'"contact.created"' in d["body"][:40]}
    for name in NAMES:
        counted["names as they were entered"] += name in told
    if counted["names as they were entered"] != len(NAMES):
        fault(f"names were changed: {sorted(set(NAMES) - told)} became {sorted(told - set(NAMES))}")
    counted["later attempts"] = len(Receiver.arrived) - counted["delivered once"]

    for what, count in counted.items():
        print(f"{count:6} {what}")
    print(f"{len(faults):6} faults")
    raise SystemExit(1 if faults or not counted["later attempts"] else 0)


main()

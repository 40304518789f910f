# Verifies Ed25519 signatures as RFC 8032 (section 5.1.7) writes it down, with nothing but integers and SHA-512.
# In: a public key, a message and signatures, one a line in base64. Out: "good" if one of the signatures holds, else "bad".
import base64
import hashlib
import sys

p = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
d = -121665 * pow(121666, p - 2, p) % p
ROOT = pow(2, (p - 1) // 4, p)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % p
    f = (a[1] + a[0]) * (b[1] + b[0]) % p
    g = 2 * a[3] * b[3] * d % p
    h = 2 * a[2] * b[2] % p
    w, x, y, z = f - e, h - g, h + g, f + e
    return (w * x % p, y * z % p, x * y % p, w * z % p)


def times(number, point):
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


def x_of(y, sign):
    square = (y * y - 1) * pow(d * y * y + 1, p - 2, p) % p
    x = pow(square, (p + 3) // 8, p)
    if (x * x - square) % p:
        x = x * ROOT % p
    if y >= p or (x * x - square) % p or (x == 0 and sign):
        raise ValueError("no point")
    return p - x if x & 1 != sign else x


def point(text):
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = x_of(y, sign)
    return (x, y, 1, x * y % p)


BASE_Y = 4 * pow(5, p - 2, p) % p
BASE_X = x_of(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % p)


def verifies(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(point(r), times(h, point(key)))
    return (left[0] * right[2] - right[0] * left[2]) % p == 0 and (left[1] * right[2] - right[1] * left[2]) % p == 0


key, message, *signatures = (base64.b64decode(line) for line in sys.stdin.read().split("\n"))
sys.stdout.write("good" if any(verifies(key, message, signature) for signature in signatures) else "bad")

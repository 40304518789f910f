"""What schemathesis must know of this API beside its document."""

import itertools
import os

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    # A key names one request. Used again for another one it is refused, as it should be, and nothing else is tried.
    if case.headers and case.headers.get("Idempotency-Key") and is_right(case):
        case.headers["Idempotency-Key"] = f"contract-{next(numbers)}"
    # In the second partner API everything stands under the one who calls.
    if is_right(case) and "partner_id" in (case.path_parameters or {}):
        case.path_parameters["partner_id"] = os.environ["CONTRACT_HUB_ID"]
    # The run must not revoke the keys that it goes by: those are the first ones of a new database.
    for name, value in (case.path_parameters or {}).items():
        if f"keys/{{{name}}}" in case.path and str(value) in {"1", "2", "3"}:
            case.path_parameters[name] = 999_999_999


@schemathesis.check
def wrong_data_is_refused(ctx, response, case):
    """What the document does not allow must be refused. Blank is no data at all: an empty text, or null for a body, is the
    same as nothing said (docs/api.md), so only what needs a value refuses it."""
    if not is_blank_somewhere(case.body) and not is_blank_somewhere(dict(case.query or {})):
        negative_data_rejection(ctx, response, case)


def is_blank_somewhere(value):
    if isinstance(value, dict):
        return any(map(is_blank_somewhere, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_blank_somewhere, value))
    return value is None or (isinstance(value, str) and not value.strip())


def is_right(case):
    return case.meta is None or case.meta.generation.mode.is_positive

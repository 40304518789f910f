"""How the requests of schemathesis are changed before they are sent."""

import itertools

import schemathesis

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    # A key names one request. Used again for another one it is refused, as it should be, and nothing else is tried.
    if case.headers and case.headers.get("Idempotency-Key") and is_right(case):
        case.headers["Idempotency-Key"] = f"contract-{next(numbers)}"
    # The run must not revoke the keys that it goes by: those are the first ones of a new database.
    for name, value in (case.path_parameters or {}).items():
        if f"keys/{{{name}}}" in case.path and str(value) in {"1", "2", "3"}:
            case.path_parameters[name] = 999_999_999


def is_right(case):
    return case.meta is None or case.meta.generation.mode.is_positive

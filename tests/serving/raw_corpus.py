"""Bytes and values that no route may accept, and texts that must stay inert wherever they arrive."""

import json
from collections.abc import Iterator
from typing import Any

DIGITS = "7" * 400
MARKERS = ("marker", DIGITS[:40])

NO_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "truncated": b'{"customer_id": "marker',
    "truncated in a character": b'{"customer_id": "marker\xe4\xb8',
    "two values": b'{"customer_id": "marker"} {}',
    "byte order mark": b'\xef\xbb\xbf{"customer_id": "marker"}',
    "UTF-16": '{"customer_id": "marker"}'.encode("utf-16"),
    "compressed": b"\x1f\x8b\x08\x00marker",
    "single quotes": b"{'customer_id': 'marker'}",
    "a comment": b'{"customer_id": "marker"} // marker',
    "a comma too many": b'{"customer_id": "marker",}',
    "NaN": b'{"customer_id": NaN, "marker": 1}',
    "Infinity": b'{"customer_id": Infinity, "marker": 1}',
    "-Infinity": b'{"customer_id": -Infinity, "marker": 1}',
    "a name twice": b'{"customer_id": "marker", "customer_id": "C1"}',
    "a name twice, spelt apart": b'{"customer_id": "marker", "customer\\u005fid": "C1"}',
    "a name twice, far within": b'{"customer_id": [{"marker": 1, "marker": 2}]}',
    "lone surrogate": b'{"customer_id": "marker\\ud800"}',
    "lone surrogate in a name": b'{"marker\\udfff": 1}',
    "surrogate bytes": b'{"customer_id": "marker\xed\xa0\x80"}',
    "a raw NUL": b'{"customer_id": "marker\x00"}',
    "nested 30,000 deep": b'{"customer_id":' + b"[" * 30_000 + b'"marker"' + b"]" * 30_000 + b"}",
    "nested 60,000 deep and never closed": b"[" * 60_000,
    "objects 8,000 deep": b'{"a":' * 8_000 + b"1" + b"}" * 8_000,
    "a number of 5,000 digits": b'{"customer_id": ' + b"7" * 5_000 + b"}",
}
"""Bodies that are no strict JSON, of whatever route."""

NEVER: dict[str, Any] = {
    "null": None,
    "a boolean": True,
    "a float": 0.5,
    "a negative number": -1,
    "400 digits": int(DIGITS),
    "a number beyond 64 bits": 10**20,
    "an object": {"marker": 1},
    "a list of lists": [["marker"]],
    "an empty list": [],
    "an empty object": {},
}
"""Values that no text field takes."""

ATTACKS = {
    "SQL": "marker' OR 1=1; DROP TABLE jobs --",
    "a template": "{{7*7}}${jndi:ldap://marker}<%= 7*7 %>",
    "a header": "marker\r\nSet-Cookie: marker=1",
    "a log line": "marker\n2026-01-01 ERROR marker\x1b[31m",
    "a path": "../../../../etc/passwd%00marker",
    "a script": "<script>alert('marker')</script>",
    "a formula": "=cmd|' /C marker'!A0",
    "a NUL": "marker\x00",
    "right to left": "marker\u202e1",
    "a combining mark": "marker\u0301",
    "four bytes": "marker\U0001f600",
    "a letter that looks alike": "marker\u0421",
    "400 digits": DIGITS,
    "a number as text": "12.5",
    "not a number as text": "NaN",
    "5,000 letters": "marker" * 5_000,
    "empty": "",
}
"""Texts that a text field refuses, or keeps as text."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every text, number and boolean in a body."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # fmt: skip
    if not isinstance(value, dict | list):
        yield path
    for name, one in inner:
        yield from leaves(one, (*path, name))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a body with another value at the end of a way."""
    copied = json.loads(json.dumps(body))
    holder = copied
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return copied


def at(body: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        body = body[name]
    return body

"""A body is one JSON object, or the answer says what it should be."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.body import parse_object
from gateway.problems import Problem

BROKEN = [
    b"",
    b"  \n",
    b"null",
    b"[]",
    b'"prompt"',
    b"42",
    b'{"prompt":"a"',
    b'{"prompt":"a"}x',
    b'{"prompt":"a"}{"prompt":"b"}',
    b"\xef\xbb\xbf{}",
    '{"prompt":"a"}'.encode("utf-16"),
    '{"prompt":"é"}'.encode("latin-1"),
    b'{"prompt":"a","prompt":"b"}',
    b'{"seed":NaN}',
    b'{"seed":Infinity}',
    b'{"seed":-Infinity}',
    b'{"seed":' + b"9" * 5000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"{'prompt':'a'}",
    b'{"prompt":"a"} // why',
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_what_is_not_one_object_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse_object(body)
    assert caught.value.code == "json_broken"


@given(some.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    with contextlib.suppress(Problem):
        assert isinstance(parse_object(body), dict)


@given(some.dictionaries(some.text(), some.integers() | some.text() | some.none(), max_size=5))
def test_an_object_comes_through(members: dict[str, object]) -> None:
    assert parse_object(json.dumps(members).encode()) == members

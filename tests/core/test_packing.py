"""Packed bytes come back exactly, and nothing that is not ours is taken for it."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nanoai_gui.core.packing import PackingError, pack, unpack

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ARRAYS = st.sampled_from(["?", "i1", "u1", "<i4", ">i4", "<i8", "<f4", ">f8", "<f8"]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)


@given(JSON, st.dictionaries(st.text(), ARRAYS, max_size=4))
def test_what_goes_in_comes_out(meta: object, arrays: dict[str, np.ndarray]) -> None:
    data = pack(meta, arrays)
    found, taken = unpack(data)
    assert found == meta
    assert list(taken) == list(arrays)
    for name, array in arrays.items():
        assert taken[name].dtype == array.dtype.newbyteorder("=")
        assert taken[name].shape == array.shape
        assert taken[name].tobytes() == array.astype(taken[name].dtype).tobytes()
        assert taken[name].flags.writeable
    assert pack(meta, arrays) == data


def test_numbers_that_are_none_come_back() -> None:
    meta, _ = unpack(pack([float("nan"), 0.1 + 0.2, float("inf")]))
    assert np.isnan(meta[0]) and meta[1:] == [0.1 + 0.2, float("inf")]


def test_objects_and_texts_are_refused() -> None:
    for array in (np.array([None]), np.array(["a"]), np.array(["2026-01-01"], dtype="M8[D]")):
        with pytest.raises(ValueError, match="not an array of numbers"):
            pack(None, {"a": array})


def made(head: object, body: bytes = b"", magic: bytes = b"NAB1", length: int | None = None) -> bytes:
    text = json.dumps(head).encode()
    return zlib.compress(
        magic + (len(text) if length is None else length).to_bytes(4, "little") + text + body
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing of ours",
        zlib.compress(b""),
        zlib.compress(b"NAB1"),
        made({"meta": 1, "arrays": []}, magic=b"NAB2"),
        made({"meta": 1, "arrays": []}, length=2**31),
        made({"meta": 1}),
        made([1, 2]),
        made({"meta": 1, "arrays": []}, b"more"),
        made({"meta": 1, "arrays": [["a", "<f8", [2]]]}, b"short"),
        made({"meta": 1, "arrays": [["a", "<f8", [-1]]]}),
        made({"meta": 1, "arrays": [["a", "<f8", [2**40, 2**40]]]}),
        made({"meta": 1, "arrays": [["a", "<f8", [1.0]]]}, b"\0" * 8),
        made({"meta": 1, "arrays": [["a", "<f8", [True]]]}, b"\0" * 8),
        made({"meta": 1, "arrays": [["a", "|O", [1]]]}, b"\0" * 8),
        made({"meta": 1, "arrays": [["a", ["<f8"], [1]]]}, b"\0" * 8),
        made({"meta": 1, "arrays": [["a", "<f8", [1] * 30]]}, b"\0" * 8),
        made({"meta": 1, "arrays": [["a"]]}),
        pack({"a": 1}) + b"x",
        pack({"a": 1})[:-3],
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(PackingError):
        unpack(data)


def test_a_small_file_cannot_fill_the_memory() -> None:
    data = pack(None, {"a": np.zeros(2**20, dtype=np.uint8)})
    assert len(data) < 10_000
    with pytest.raises(PackingError, match="larger than it may be"):
        unpack(data, largest=2**19)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    data = bytearray(pack({"n": list(range(50))}, {"a": np.arange(300)}))
    data[place % len(data)] ^= change
    try:
        meta, arrays = unpack(bytes(data))
    except PackingError:
        return
    # Only bits of zlib's own head may change without a difference.
    assert meta == {"n": list(range(50))}
    assert np.array_equal(arrays["a"], np.arange(300))

"""The border carries bytes, lets other threads run, and stops for good at a fault."""

import array
import inspect
import json
import threading

import numpy as np
import pytest

import novate
from novate import _core
from novate._core import Engine
from novate.errors import BadBuffer


def test_a_new_engine_is_empty_and_conserves() -> None:
    engine = Engine()
    assert (engine.sequence, engine.time_ns) == (0, 0)
    assert all(difference == 0 for _, difference in engine.conservation())
    assert len(engine.state_hash()) == 32
    assert engine.apply(b"") == b""


def test_a_restored_and_a_forked_engine_have_the_same_state() -> None:
    engine = Engine()
    for other in (Engine.restore(engine.snapshot()), engine.fork()):
        assert type(other) is Engine
        assert other.state_hash() == engine.state_hash()
        assert other.snapshot() == engine.snapshot()


@pytest.mark.parametrize(
    "make",
    [bytes, bytearray, memoryview, lambda raw: array.array("B", raw), lambda raw: np.frombuffer(raw, "u1")],
    ids=["bytes", "bytearray", "memoryview", "array", "numpy"],
)
def test_any_buffer_is_read(make: object) -> None:
    engine = Engine()
    before = engine.state_hash()
    with pytest.raises(BadBuffer):
        engine.apply(make(b"\x01\x00\x00"))  # type: ignore[operator]
    assert engine.state_hash() == before


@pytest.mark.parametrize("wrong", [None, 5, "text", [1, 2], 1.5])
def test_what_is_no_buffer_is_a_type_error(wrong: object) -> None:
    engine = Engine()
    for call in (engine.apply, engine.query, Engine.restore):
        with pytest.raises(TypeError):
            call(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "damaged", [b"", b"x", b"\xff" * 64, bytes(4096)], ids=["empty", "short", "ones", "zeros"]
)
def test_a_damaged_snapshot_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Engine.restore(damaged)


def test_every_cut_of_a_snapshot_is_refused() -> None:
    whole = Engine().snapshot()
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            Engine.restore(whole[:end])


def test_a_snapshot_of_another_layout_is_told_from_a_damaged_one() -> None:
    with pytest.raises(ValueError, match="lays a state out differently"):
        Engine.restore(b"NVSTATE1" + Engine().snapshot()[8:])


def test_an_unknown_question_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        Engine().query(b"\xc1")


def test_the_engine_can_be_asked_from_many_threads() -> None:
    engine = Engine()
    hashes: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: hashes.extend(engine.state_hash() for _ in range(200)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashes) == 1600
    assert len(set(hashes)) == 1


def test_refusals_are_numbered_once_and_explained() -> None:
    refusals = json.loads(_core.refusals())
    numbers = [refusal["number"] for refusal in refusals]
    assert len(numbers) == len(set(numbers)) > 0
    assert numbers == sorted(numbers)
    for refusal in refusals:
        assert refusal["name"].isidentifier()
        assert refusal["name"].islower()
        assert len(refusal["sentence"]) > 10


def test_the_public_face_is_what_it_says() -> None:
    assert novate.__version__ == _core.release()
    assert _core.ruleset() >= 1
    public = {
        name
        for name in dir(novate)
        if not name.startswith("_") and not inspect.ismodule(getattr(novate, name))
    }
    assert public == {name for name in novate.__all__ if not name.startswith("_")}

"""Shipping by TCP: what goes between two ends that have one key, and that nobody else is let in, or reads."""

import random
import socket
import ssl
import threading
from contextlib import closing, suppress

import pytest

from novate.core_process import shipping_tls
from novate.core_process.shipping_tls import accepted, connected
from novate.core_process.shipping_wire import ShippingDenied, Why
from standbys import eventually

KEY, OTHER = b"k" * 32, b"o" * 32


class Tap:
    """Two ends of TCP, and all that went between them."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.core, tapped = self._pair()
        other, self.standby = self._pair()
        self.between = (tapped, other)
        for of, to in ((tapped, other), (other, tapped)):
            threading.Thread(target=self._pass, args=(of, to), daemon=True).start()

    @staticmethod
    def _pair() -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname(), 10)
            far, _ = listener.accept()
        far.settimeout(10)
        return far, near

    def _pass(self, of: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while chunk := of.recv(1 << 16):
                self.seen += chunk
                to.sendall(chunk)
        for sock in (of, to):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def at_the_core(tap: Tap, key: bytes, then) -> threading.Thread:
    def work() -> None:
        try:
            talk = accepted(tap.core, key)
        except OSError as error:
            then(error)
        else:
            with talk:
                then(talk)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def received(sock: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count and (chunk := sock.recv(1 << 16)):
        found += chunk
    return bytes(found)


def test_both_directions_at_once_whole_in_order_and_unreadable_between():
    chance = random.Random(1)
    told = [chance.randbytes(3 << 20), chance.randbytes(3 << 20)]
    tap, heard = Tap(), []

    def core(talk: socket.socket) -> None:
        sending = threading.Thread(target=talk.sendall, args=(told[0],))
        sending.start()
        heard.append(received(talk, len(told[1])))
        sending.join(20)

    at = at_the_core(tap, KEY, core)
    with closing(connected(tap.standby, KEY)) as talk:
        sending = threading.Thread(target=talk.sendall, args=(told[1],))
        sending.start()
        assert received(talk, len(told[0])) == told[0]
        sending.join(20)
        at.join(20)
        assert heard == [told[1]]
    assert len(tap.seen) > 6 << 20
    assert not any(told[0][at : at + 16] in tap.seen for at in range(0, len(told[0]), 1 << 18))


def test_who_has_another_key_or_none_is_refused_at_both_ends():
    tap, errors = Tap(), []
    at = at_the_core(tap, OTHER, errors.append)
    with pytest.raises(ShippingDenied) as denied:
        connected(tap.standby, KEY)
    assert denied.value.facts["why"] == Why.NO_PROOF
    at.join(20)
    assert isinstance(errors[0], ssl.SSLError)

    tap, errors = Tap(), []  # trusts whomever, and shows nothing
    at = at_the_core(tap, KEY, errors.append)
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError), nobody.wrap_socket(tap.standby) as talk:
        talk.recv(1)
    at.join(20)
    assert isinstance(errors[0], ssl.SSLError)

    tap, errors = Tap(), []  # speaks as a release did that did not encrypt
    at = at_the_core(tap, KEY, errors.append)
    tap.standby.sendall(b"\x10\0\0\0\x65\0\0\0" * 4)
    at.join(20)
    assert isinstance(errors[0], OSError)


def test_what_was_said_before_a_goodbye_arrives_also_with_something_unread_left():
    tap = Tap()

    def core(talk: socket.socket) -> None:
        talk.sendall(b"denied")  # and closes, with what it was sent unread

    at = at_the_core(tap, KEY, core)
    with closing(connected(tap.standby, KEY)) as talk:
        with suppress(OSError):
            talk.sendall(bytes(1 << 16))
        at.join(20)
        assert received(talk, 100) == b"denied"


def test_a_cut_is_an_end_and_leaves_no_thread():
    tap, ended = Tap(), threading.Event()

    def core(talk: socket.socket) -> None:
        talk.sendall(b"x" * 1000)
        assert received(talk, 1) == b""
        ended.set()

    at_the_core(tap, KEY, core)
    talk = connected(tap.standby, KEY)
    assert len(received(talk, 1000)) == 1000
    for sock in tap.between:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    assert received(talk, 1) == b"" and ended.wait(20)
    talk.close()
    eventually(lambda: not [one for one in threading.enumerate() if one.name == "novate-ship-tls"])


def test_one_certificate_comes_of_one_key():
    made = [
        shipping_tls._context(ssl.PROTOCOL_TLS_SERVER, key).get_ca_certs(True) for key in (KEY, KEY, OTHER)
    ]
    assert made[0] == made[1] != made[2]


def test_a_private_key_is_written_to_no_folder_and_made_once(tmp_path, monkeypatch):
    """Nobody who can read where temporary files go may have it, not for a moment."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "there-is-no-such-folder"))
    key = b"n" * 32
    first = shipping_tls._context(ssl.PROTOCOL_TLS_SERVER, key)
    assert shipping_tls._context(ssl.PROTOCOL_TLS_SERVER, key) is first
    assert shipping_tls._context(ssl.PROTOCOL_TLS_CLIENT, key) is not first

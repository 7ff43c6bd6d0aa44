"""Starts the clearing service as often as a test asks, by forking a process in which everything is imported: a start is a moment.

What else its services import is named on its command line. Reads lines of JSON: home, the step at which it kills itself (`a>b`: at the step b
behind the so manieth a), and which time, counted while the file `armed` lies beside the home. Says `pid N`, `ready`, `at STEP` before it
kills itself, and `ended STATUS`, one service at a time.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path

from novate.clearing.run import run_clearing
from novate.clearing.settings import load_clearing
from novate.reader_process import ReaderClient

ARMED = "armed"


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def serve(home: Path, step: str, nth: int) -> None:
    met, armed = 0, home.with_name(ARMED)
    counted, _, last = step.rpartition(">") if ">" in step else (step, "", step)

    def on_step(name: str) -> None:
        nonlocal met
        if name not in (counted, last) or not armed.exists():
            return
        met += name == counted
        if name == last and met == nth:
            say(f"at {step}")
            os.kill(os.getpid(), signal.SIGKILL)

    run_clearing(
        home,
        load_clearing(home / "clearing.toml"),
        lambda: ReaderClient.connect(home / "reader.sock"),
        on_ready=lambda: say("ready"),
        on_step=on_step,
    )


if __name__ == "__main__":
    for module in ("paper_broker", *sys.argv[1:]):
        importlib.import_module(module)
    say("up")
    for line in sys.stdin:
        home, step, nth = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                serve(Path(home), step, nth)
            except Exception as error:  # noqa: BLE001 - told by the exit status
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        say(f"pid {child}")
        say(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")

"""Other engines, each installed in its own way beside the workload files, where that is possible.

Responsible for: saying how to run a peer, or why it is absent. Nothing here is needed to build or use novate.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON_PEERS = {"bourse": ("bourse==0.4.0", "tqdm"), "orderly-chaos(py)": ("orderly-chaos==0.2.0",)}
SCIPY = ("scipy==1.17.1",)
LIQUIBOOK = "https://github.com/enewhuis/liquibook"
EXCHANGE_CORE = "exchange.core2:exchange-core:0.5.3"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>bench</groupId><artifactId>bench</artifactId><version>1</version><dependencies><dependency>
<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency></dependencies></project>
"""
JAVA = (
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
)
Say = Callable[[str], None]


def _ran(command: tuple[str, ...], where: Path, say: Say, name: str, seconds: int = 180) -> bool:
    try:
        done = subprocess.run(
            command, cwd=where, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"{name}: absent ({error})")
        return False
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        say(f"{name}: absent ({words[-1][:160] if words else 'it does not install'})")
    return done.returncode == 0


def _python(out: Path, say: Say, name: str, requirements: tuple[str, ...]) -> tuple[str, ...] | None:
    """An interpreter that imports a package from a folder of its own, where that installs; else None.

    Named beside the package is what it imports beyond the packages that novate itself depends on.
    """
    folder = out / "peers" / requirements[0]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check")
    if folder.exists() or _ran((*pip, "--target", str(folder), *requirements), out, say, name):
        return ("env", f"PYTHONPATH={folder}", sys.executable)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def python_peers(out: Path, say: Say) -> dict[str, tuple[str, ...]]:
    """Command of each order book in a Python package, workload file to be appended."""
    found = {name: _python(out, say, name, requirements) for name, requirements in PYTHON_PEERS.items()}
    return {name: (*python, str(HERE / "py_peers.py")) for name, python in found.items() if python}


def sparse_product(out: Path, say: Say) -> tuple[str, ...] | None:
    """Command of the sparse matrix product, number of accounts to be appended."""
    python = _python(out, say, "scipy", SCIPY)
    return (*python, str(HERE / "sparse.py"), "--accounts") if python else None


def liquibook(out: Path, say: Say) -> str | None:
    """The driver of Liquibook, a C++ order book, compiled; workload file to be appended. None where it can't be had.

    Headers come from a checkout that the environment variable `NOVATE_LIQUIBOOK` names, or are cloned once.
    """
    program, source = out / "peers" / "liquibook", HERE / "liquibook_driver.cpp"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return str(program)
    (out / "peers").mkdir(parents=True, exist_ok=True)
    given = os.environ.get("NOVATE_LIQUIBOOK")
    headers = Path(given) if given else out / "peers" / "liquibook-headers"
    clone = ("git", "clone", "--quiet", "--depth", "1", LIQUIBOOK, str(headers))
    if not (headers.exists() or _ran(clone, out, say, "liquibook")):
        return None
    options = ("-O3", "-march=native", "-std=c++17", f"-I{HERE}", f"-I{headers / 'src'}")
    compiled = _ran(("g++", *options, str(source), "-o", str(program)), out, say, "liquibook")
    return str(program) if compiled else None


def exchange_core(out: Path, say: Say) -> tuple[str, ...] | None:
    """Command of the exchange-core driver, workload file and mode to be appended; None where Java or Maven are absent."""
    folder = out / "peers" / "exchange-core"
    if not (folder / "ExchangeCoreDriver.class").exists():
        missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
        if missing:
            say(f"exchange-core: absent (no {' and no '.join(missing)} here)")
            return None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pom.xml").write_text(POM.format(*EXCHANGE_CORE.split(":")))
        get = ("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
        compile_ = ("javac", "-cp", "lib/*", "-d", ".", str(HERE / "ExchangeCoreDriver.java"))
        if not (_ran(get, folder, say, "exchange-core") and _ran(compile_, folder, say, "exchange-core")):
            return None
    return ("java", "-Xmx4g", *JAVA, "-cp", f"{folder}:{folder}/lib/*", "ExchangeCoreDriver")

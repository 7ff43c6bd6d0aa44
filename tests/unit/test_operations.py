"""A venue's file, its set-up, the checklist that holds the door, logs, and that what is deployed names what exists."""

import json
import re
import stat
import time
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.config.load import packaged_text
from novate.errors import ConfigError
from novate.identity import VENUE, Identity, KeyRecord
from novate.identity.certificates import Certificates
from novate.keepers.health import write_health
from novate.messages.codes import Role
from novate.operations import checklist as lines
from novate.operations.checklist import (
    GIB,
    Light,
    NotReady,
    checklist,
    keys_with,
    listing_sources,
    refuse_red,
)
from novate.operations.dashboard import PANELS, dashboard
from novate.operations.endpoint import HOST, Endpoint
from novate.operations.logs import level_of, log_line
from novate.operations.metrics import (
    KINDS,
    METRICS,
    ProcessState,
    VenueCollector,
    Watched,
    exposed_names,
    is_ready,
    registry,
)
from novate.operations.settings import (
    _EXPECTED,
    ProcessSettings,
    keeper_settings,
    load_venue,
    process_settings,
)
from novate.operations.setup import Answers, Made, ask, set_up
from novate.up.chosen import chosen_file, permit, plan_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return set_up(tmp_path / "venue", Answers())


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _record(home: Path, key: int) -> KeyRecord:
    with Identity.open(home, 1, venue="my-venue", chain_id=1) as identity:
        return identity.store.key(key)


def feeds(names: list[str], sources: int = 2, actor: int = 3) -> str:
    """Keepers' settings with so many sources for each name."""
    text = [f"actor = {actor}"]
    for source in range(1, sources + 1):
        text.append(f'[[feed]]\nname = "f{source}"\nkind = "alpaca"\n[feed.symbols]')
        text += [f'{name} = {{ underlying = "{name}", source = {source} }}' for name in names]
    return "\n".join(text) + "\n"


def ready(made: Made) -> Path:
    """The file of a venue in which nothing is red, as far as this machine's disk allows."""
    home = made.file.home
    names = list(made.file.load_listing().class_of)
    write(home / "keepers.toml", feeds(names))
    text = made.file.path.read_text(encoding="utf-8")
    return write(made.file.path, text.replace('keepers = ""', 'keepers = "keepers.toml"'))


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[process]\nprot = 1", r"\[process\] prot = 1: expected a known key, such as port"),
        ('[process]\nport = "80"', r'\[process\] port = "80": expected a port from 1 to 65,000'),
        ("[process]\nport = 0", "port = 0: expected a port"),
        ("[process]\nport = true", "port = true: expected a port"),
        ("[process]\ngateways = 65", "gateways = 65: expected 1 to 64"),
        ('[process]\nvenue = "two words"', "expected an id of 1 to 64"),
        ('[process]\nlog = "xml"', 'log = "xml": expected "text" or "json"'),
        ('[process]\nsnapshot = "5"', "snapshot"),
        ('[process]\nsnapshot = "1 ms"', "whole seconds"),
        ("[process]\nadmin = 3", "admin = 3: expected a table"),
        ("[process]\n[process.admin]\nport = 8081", "its two ports are no gateway's"),
        ("[process]\ngateways = 2\n[process.admin]\nport = 8083", "its two ports are no gateway's"),
        ('[process]\nevents = "seven days"', "events"),
        ('[process]\nevents = "1500 ms"', "whole seconds"),
        ("[process]\nkeepers = 3", "expected the path of a file in quotes, or a table"),
        ("[process.keepers]\nactr = 3", "actr"),
        ("process = 3", r"expected a section \[process\]"),
        ("[venue]\nproduction = true", r"no section \[process\]"),
        ("[process", "is not TOML"),
        ('[process]\nlisting = "packaged"\n[venue]\nproduction = true', "expected one of the two"),
    ],
)
def test_a_mistake_is_named_with_key_value_and_what_is_expected(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_venue(write(tmp_path / "venue.toml", text))


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file"):
        load_venue(tmp_path / "venue.toml")


def test_every_key_says_what_it_expects_and_stands_in_the_reference() -> None:
    assert set(_EXPECTED) == set(ProcessSettings.__struct_fields__)
    page = (ROOT / "docs/reference/venue-configuration.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) >= set(_EXPECTED)


@given(
    st.dictionaries(
        st.sampled_from([*ProcessSettings.__struct_fields__, "prot", "x"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2),
        max_size=4,
    )
)
def test_any_table_is_settings_or_one_clear_error(raw: dict[str, object]) -> None:
    impossible = raw.keys() - set(ProcessSettings.__struct_fields__)
    try:
        settings = process_settings(raw)
    except ConfigError as refused:
        settings, error = None, refused
    if settings is None:
        assert "[process]" in error.sentence
        return
    assert not impossible
    for key, value in raw.items():
        assert getattr(settings, key) == value


def test_a_listing_may_stand_in_the_file(tmp_path: Path) -> None:
    text = '[process]\nvenue = "v"\n[process.keepers]\nactor = 7\n\n' + packaged_text()
    file = load_venue(write(tmp_path / "venue.toml", text))
    assert tomllib.loads(file.listing_text) == tomllib.loads(packaged_text())
    assert len(file.check().markets) > 20
    assert keeper_settings(file.path).actor == 7
    assert file.keepers_path == file.path
    spoilt = write(tmp_path / "other.toml", text.replace("[venue]\n", '[venue]\nclose_oot = "1 %"\n', 1))
    with pytest.raises(ConfigError, match="close_oot"):
        load_venue(spoilt).check()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = '[process]\nhome = "h"\nlisting = "l.toml"\nkeepers = "k.toml"\nbackup = "/b"\n'
    file = load_venue(write(tmp_path / "venue.toml", text))
    assert (file.home, file.listing) == (tmp_path / "h", tmp_path / "l.toml")
    assert (file.keepers_path, file.backup) == (tmp_path / "k.toml", Path("/b"))


# --- novate init -----------------------------------------------------------------------------------------------------


def test_init_makes_a_private_home_with_three_keys_and_a_file_that_is_sound(made: Made) -> None:
    home = made.file.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.file.path.stat().st_mode) == 0o600
    assert [(key.role, len(key.seed)) for key in made.keys] == [("operator", 64)] * 2 + [("keeper", 64)]
    assert made.file.process.keeper == made.keys[-1].key
    made.file.check()
    everything = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for key in made.keys:
        assert key.seed.encode() not in everything
        assert bytes.fromhex(key.seed) not in everything
    with Identity.open(home, 1, venue="my-venue", chain_id=1) as identity:
        assert [key.terms.owner for key in identity.store.keys(VENUE)] == [VENUE] * 3
    assert [key.actor for key in keys_with(home, Role.OPERATOR, 1)] == [made.keys[0].key, made.keys[1].key]


def test_private_keys_go_where_they_are_asked_to(tmp_path: Path) -> None:
    made = set_up(tmp_path / "venue", Answers(operators="Ada, Bob"), keys_to=tmp_path / "keys")
    assert all(not key.seed for key in made.keys)
    paths = [Path(key.file) for key in made.keys]
    assert [path.name for path in paths] == ["Ada.seed", "Bob.seed", "keepers.seed"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths)
    assert len({path.read_text() for path in paths}) == 3


@pytest.mark.parametrize("operators", ["Ada, Bob", "a b, a_b", "keepers, Bob"])
def test_a_private_key_without_a_place_makes_nothing(tmp_path: Path, operators: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "Bob.seed").touch()
    with pytest.raises(ConfigError, match="is taken"):
        set_up(tmp_path / "venue", Answers(operators=operators), keys_to=tmp_path / "keys")
    assert not (tmp_path / "venue").exists()


def test_init_never_runs_twice(made: Made) -> None:
    before = {path: path.read_bytes() for path in made.file.home.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="nothing was changed"):
        set_up(made.file.home, Answers())
    assert before == {path: path.read_bytes() for path in made.file.home.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "answers",
    [
        Answers(operators="one"), Answers(operators="same, same"), Answers(listen="8080"), Answers(listen="h:x"),
        Answers(listen="127.0.0.1:0"), Answers(venue="novate-dev"), Answers(venue="a b"), Answers(feeds="/no/such.toml"),
        Answers(listing="/no/such.toml"),
    ],
)  # fmt: skip
def test_an_answer_that_can_not_be_makes_nothing(tmp_path: Path, answers: Answers) -> None:
    with pytest.raises(ConfigError):
        set_up(tmp_path / "venue", answers)
    assert not (tmp_path / "venue").exists()


def test_six_questions_are_asked_with_their_defaults() -> None:
    asked: list[str] = []

    def put(question: str, default: str) -> str:
        asked.append(question)
        return default

    assert ask(put) == Answers()
    assert len(asked) == 6


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_database_answer_survives_the_file(text: str) -> None:
    from novate.operations.setup import _file_text

    shown = _file_text(Answers(database=text), "h", 1, "", 3, Path("/b"))
    assert tomllib.loads(shown)["process"]["database"] == text


# --- the checklist ---------------------------------------------------------------------------------------------------


def lights(path: Path, *, dev: bool = False) -> dict[str, Light]:
    return {line.name: line.light for line in checklist(load_venue(path), dev=dev)}


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room, whatever this machine's has."""
    usage = type("Usage", (), {"free": 100 * GIB})
    monkeypatch.setattr(lines.shutil, "disk_usage", lambda _: usage)


@pytest.mark.usefixtures("roomy")
def test_a_venue_with_everything_may_begin(made: Made) -> None:
    path = ready(made)
    assert Light.RED not in lights(path).values()
    permit(load_venue(path), dev=False)
    sources = listing_sources(load_venue(path))
    assert ("NVDA", 1, "f1") in sources
    assert len(made.file.load_listing(sources=sources).sources) == len(sources)


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("venue id", 'venue = "my-venue"', 'venue = "novate-dev"'),
        ("venue id", 'venue = "my-venue"', 'venue = ""'),
        ("keepers' key", "keeper = 3", "keeper = 1"),
        ("keepers' key", "keeper = 3", "keeper = 0"),
        ("network", 'host = "127.0.0.1"', 'host = "0.0.0.0"'),
        ("backup", 'backup = "', 'backup = "/nowhere'),
        ("price feeds", 'keepers = "keepers.toml"', 'keepers = ""'),
        ("listing", 'listing = "listing.toml"', 'listing = "packaged"'),
        ("listing", 'listing = "listing.toml"', 'listing = "missing.toml"'),
    ],
)
def test_each_line_turns_red_by_itself(made: Made, name: str, old: str, new: str) -> None:
    path = ready(made)
    text = path.read_text(encoding="utf-8")
    assert old in text
    write(path, text.replace(old, new))
    found = lights(path)
    assert found[name] is Light.RED
    with pytest.raises(NotReady, match=name):
        permit(load_venue(path), dev=False)


@pytest.mark.usefixtures("roomy")
def test_what_is_not_in_the_file_turns_lines_red_too(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    path, home = ready(made), made.file.home
    assert lights(path, dev=True)["real"] is Light.RED
    certificates = Certificates(home / "certificates")
    ours = next(one for one in certificates.all() if one.actor == made.keys[0].key)
    certificates.issue_client(_record(home, made.keys[0].key), home / "soon.pem", time.time_ns(), days=3)
    assert lights(path)["admin door"] is Light.GREEN, "who has one that lasts may have another that does not"
    certificates.revoke(ours.serial, time.time_ns())
    assert lights(path)["admin door"] is Light.YELLOW
    certificates.issue_client(_record(home, made.keys[0].key), home / "next.pem", time.time_ns())
    assert lights(path)["admin door"] is Light.GREEN, "renewed"
    for one in certificates.all():
        if one.actor == ours.actor and not one.revoked:
            certificates.revoke(one.serial, time.time_ns())
    assert lights(path)["admin door"] is Light.RED
    text = path.read_text(encoding="utf-8")
    write(path, text[: text.index("[process.admin]")])
    assert lights(path)["admin door"] is Light.RED
    write(path, text)
    home.chmod(0o755)
    assert lights(path)["permissions"] is Light.RED
    home.chmod(0o700)
    with Identity.open(home, 1, venue="my-venue", chain_id=1) as identity:
        identity.revoke_key(None, made.keys[1].key, 2)
    assert lights(path)["operators"] is Light.RED
    write(home / "keepers.toml", feeds(["NVDA"], sources=1))
    assert lights(path)["price feeds"] is Light.RED
    usage = type("Usage", (), {"free": GIB})
    monkeypatch.setattr(lines.shutil, "disk_usage", lambda _: usage)
    assert lights(path)["disk"] is Light.RED
    monkeypatch.setattr(lines.time, "time_ns", lambda: 10**9)
    (home / "journal").mkdir()
    write(home / "journal" / f"{1:020}.log", "")
    assert lights(path)["clock"] is Light.RED
    assert lights(path)["journal"] is Light.RED  # what can't be read is red


def test_a_tls_proxy_permits_another_host(made: Made) -> None:
    text = made.file.path.read_text(encoding="utf-8")
    text = text.replace('host = "127.0.0.1"', 'host = "0.0.0.0"').replace(
        "behind_tls = false", "behind_tls = true"
    )
    assert lights(write(made.file.path, text))["network"] is Light.GREEN


def test_refusal_names_every_red_line() -> None:
    red = [
        lines.Line("a", Light.RED, "x."),
        lines.Line("b", Light.YELLOW, "y."),
        lines.Line("c", Light.RED, "z."),
    ]
    with pytest.raises(NotReady) as refused:
        refuse_red(red)
    assert refused.value.facts == {"red": "a, c"}
    refuse_red(red[1:2])


# --- novate up's choice ----------------------------------------------------------------------------------------------

GIVEN = {
    "listing": None, "keepers": None, "venue": "", "host": "127.0.0.1", "port": 8080, "gateways": 1, "database": "",
    "keeper": 0, "realtime": False, "standby": "none", "ship_from": "", "metrics_port": 0, "log": "text",
}  # fmt: skip


def test_a_stated_option_wins_over_the_file(made: Made) -> None:
    given = GIVEN | {"port": 17_999, "venue": "other"}
    file = chosen_file(made.file.home, None, given, {"port"})
    assert (file.process.port, file.process.venue) == (17_999, "my-venue")
    assert file.home == made.file.home
    plan = plan_of(file, dev=False, without=frozenset(), venue_stated=False)
    assert (plan.venue, plan.keeper, plan.snapshot_s, plan.metrics_port) == ("my-venue", 3, 300, 9464)
    assert plan_of(file, dev=True, without=frozenset(), venue_stated=False).venue == "novate-dev"


def test_without_a_file_the_options_count(tmp_path: Path) -> None:
    file = chosen_file(tmp_path, None, GIVEN | {"venue": "v", "keepers": Path("k.toml")}, set())
    assert file.process.venue == "v"
    assert file.keepers_path == Path("k.toml").absolute()
    assert file.home == tmp_path


# --- logs ------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=50), st.text(max_size=200), st.integers(0, 4 * 10**18))
def test_a_log_line_is_one_object_on_one_line(process: str, words: str, time_ns: int) -> None:
    line = log_line(process, words, time_ns)
    assert "\n" not in line
    found = json.loads(line)
    assert list(found) == ["time", "process", "level", "message"]
    assert (found["process"], found["message"]) == (process, words)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["time"])


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ("Serving command 3 on", "info"),
        ("ended with status -9", "warning"),
        ("ended with status 0", "info"),
        ("novate: The disk is full. [journal_full]", "error"),
        ("Traceback (most recent call last):", "error"),
        ("ends again and again; it is left so", "error"),
    ],
)
def test_levels(words: str, level: str) -> None:
    assert level_of(words) == level


# --- metrics, and what names them ------------------------------------------------------------------------------------


def state(name: str, *, serves: bool = True) -> ProcessState:
    return ProcessState(name, serves, 1, 2.0)


@pytest.mark.parametrize(
    ("states", "found"),
    [
        ([], False),
        ([state("core")], True),
        ([state("core"), state("reader"), state("gateway 1"), state("projector", serves=False)], True),
        ([state("core", serves=False), state("reader")], False),
        ([state("core"), state("reader"), state("gateway 2", serves=False)], False),
        ([state("reader"), state("gateway")], False),
    ],
)
def test_ready_is_what_trading_needs(states: list[ProcessState], *, found: bool) -> None:
    assert is_ready(states) is found


def test_a_scrape_of_a_venue_that_is_away_says_so_and_does_not_fail(tmp_path: Path) -> None:
    watched = Watched(tmp_path, f"sqlite:///{tmp_path / 'none.db'}", (17_998,), dev=True)
    samples = {
        name: value
        for name, _, value in VenueCollector(watched, lambda: [state("core", serves=False)]).samples()
    }
    assert samples["novate_process_up"] == samples["novate_ready"] == 0
    assert samples["novate_development"] == 1
    assert "novate_commands" not in samples
    found = registry(watched, tuple)
    assert {family.name for family in found.collect()} == set(KINDS)


def test_a_port_that_is_taken_is_one_clear_error(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "sqlite:///none.db", (), dev=False)
    with Endpoint(0, watched, tuple, lambda: True) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"Metrics can't be served on 127.0.0.1:{port}"):
            Endpoint(port, watched, tuple, lambda: True)


def test_what_keepers_say_becomes_samples(tmp_path: Path) -> None:
    write_health(
        tmp_path,
        "prices",
        {
            "line": {"connected": True, "counts": {"commands": 7, "refused a_rule": 2, "cuts": 1}},
            "feeds": [
                {"feed": "iex", "state": "stale", "alarms": ["late X"], "symbols": {"X": 1500, "Y": None}}
            ],
        },
    )
    watched = Watched(tmp_path, "sqlite:///none.db", (), dev=False)
    samples = {(name, labels): value for name, labels, value in VenueCollector(watched, tuple).samples()}
    assert samples["novate_keeper_commands", ("prices",)] == 7
    assert samples["novate_keeper_refused", ("prices", "a_rule")] == 2
    assert samples["novate_feed_age_seconds", ("iex", "X")] == 1.5
    assert ("novate_feed_age_seconds", ("iex", "Y")) not in samples
    assert samples["novate_feed_state", ("iex", "stale")] == 1
    assert samples["novate_feed_state", ("iex", "live")] == 0
    assert samples["novate_feed_alarms", ("iex",)] == 1


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bnovate_[a-z_]+\b", text))


def test_dashboard_and_rules_name_metrics_that_exist_and_the_dashboard_shows_all() -> None:
    shown = names_in(json.dumps(dashboard()))
    assert shown == exposed_names()
    assert names_in((DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8")) <= exposed_names()
    assert len({panel.title for panel in PANELS}) == len(PANELS)
    assert len(KINDS) == len(METRICS)


def test_the_dashboard_that_is_deployed_is_the_one_that_is_drawn() -> None:
    path = DEPLOY / "grafana/novate.json"
    assert json.loads(path.read_text(encoding="utf-8")) == dashboard(), (
        "novate dashboard > deploy/grafana/novate.json"
    )


def test_every_alert_has_its_heading_in_the_runbook() -> None:
    alerts = re.findall(r"alert: (\w+)", (DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8"))
    headings = re.findall(
        r"^### (\w+)$", (ROOT / "docs/guides/operate.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(alerts) > 8
    assert alerts == headings


def test_the_container_copies_what_exists_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    copied = [
        word for line in re.findall(r"^COPY (?!--)(.+)", text, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    assert re.search(r"^USER novate$", text, re.MULTILINE)
    rust = re.search(r'rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    assert rust is not None
    assert f"rust:{rust[1]}-" in text


@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").iterdir()), ids=lambda path: path.name)
def test_units_end_a_venue_in_order_and_give_no_right_away(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    if unit.suffix == ".timer":
        assert "OnCalendar=" in text
        return
    for line in ("User=novate", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text
    if "novate up" in text:
        assert "LimitRTPRIO=1" in text
        assert "KillMode=mixed" in text


def test_metrics_stay_on_this_machine() -> None:
    assert HOST == "127.0.0.1"


def test_a_line_of_the_checklist_is_json() -> None:
    line = lines.Line("a", Light.RED, "x.", "y.")
    assert msgspec.to_builtins(line) == {"name": "a", "light": "red", "found": "x.", "advice": "y."}

"""A settings file that can't be read is one clear error that names it."""

import pytest

from novate.bridge.settings import load_settings
from novate.broker.exchange_settings import load_exchange_settings
from novate.clearing.settings import load_clearing
from novate.errors import ConfigError
from novate.keepers.settings import load_settings as load_keepers


@pytest.mark.parametrize(
    ("load", "whose"),
    [
        (load_clearing, "clearing"),
        (load_keepers, "keepers'"),
        (load_exchange_settings, "exchange's"),
        (load_settings, "bridge's"),
    ],
)
def test_each_way_a_file_can_be_wrong_says_which_file_and_what(tmp_path, load, whose):
    missing, folder, binary, wrong = (tmp_path / name for name in ("missing", "folder", "binary", "wrong"))
    folder.mkdir()
    binary.write_bytes(b"\xff\xfe")
    wrong.write_text("no_such_setting = 1\n")
    with pytest.raises(ConfigError, match=rf"no file {missing} with the {whose} settings"):
        load(missing)
    for source, why in (
        (folder, "directory"),
        (binary, "utf-8"),
        (wrong, "no_such_setting"),
        ("a =\n", "line 1"),
    ):
        with pytest.raises(ConfigError, match=whose) as told:
            load(source)
        assert why in str(told.value)

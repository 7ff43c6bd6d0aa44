"""The reference page of the API is what the tables say now."""

from pathlib import Path

from novate.gateway.errors import Rule
from novate.gateway.reference import main, page
from novate.identity import RULES
from novate.onboarding.refusals import Rule as OnboardingRule

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_not_stale():
    assert (DOCS / "reference" / "api.md").read_text(encoding="utf-8") == page(), (
        "run `python -m novate.gateway.reference --write docs/reference`"
    )


def test_the_page_is_written_where_it_is_wanted(tmp_path, capsys):
    assert main(["--write", str(tmp_path)]) == 0
    assert (tmp_path / "api.md").read_text(encoding="utf-8") == page()
    assert main(["nonsense"]) == 2
    assert "usage" in capsys.readouterr().err


def test_no_number_is_used_twice():
    numbers = [rule.number for rule in (*Rule, *RULES.values(), *OnboardingRule)]
    assert len(numbers) == len(set(numbers))

"""Names that change while the ids stay, against a real PostgreSQL."""

import pytest

from config.database import transaction
from pipeline import coordinates
from pipeline.triggers import Account, RepositoryRef
from tests import seed

pytestmark = pytest.mark.usefixtures("database_url")

OCTO = Account(1, "octo")


def heal(number: int, name: str, owner: Account = OCTO) -> None:
    with transaction() as connection:
        ref = RepositoryRef(number, owner.login, name, private=False)
        assert coordinates.heal(connection, owner.id, owner, ref) is not None


def former() -> dict[str, int]:
    with transaction() as connection:
        return dict(
            connection.execute("SELECT full_name, repository_id FROM former_names").fetchall()
        )


def packages() -> tuple[list[str], list[str]]:
    """The names of packages, and the former ones."""
    with transaction() as connection:
        now = connection.execute("SELECT name FROM mcp_packages ORDER BY id").fetchall()
        old = connection.execute("SELECT name FROM former_package_names ORDER BY name").fetchall()
    return [row[0] for row in now], [row[0] for row in old]


def test_every_name_that_a_repository_had_leads_on() -> None:
    for name in ("one", "two", "three"):
        heal(5, name)
    assert former() == {"octo/one": 5, "octo/two": 5}


def test_a_name_that_is_taken_back_does_not_lead_anywhere_else() -> None:
    for name in ("one", "two", "one"):
        heal(5, name)
    assert former() == {"octo/two": 5}


def test_a_former_name_is_lost_to_a_new_repository_that_takes_it() -> None:
    heal(5, "one")
    heal(5, "two")
    heal(6, "one")
    assert former() == {}


def test_a_former_name_is_lost_to_a_known_repository_that_takes_it() -> None:
    heal(5, "one")
    heal(6, "other")
    heal(5, "two")
    heal(6, "One")
    assert former() == {"octo/other": 6}


def test_other_capitals_are_no_other_name() -> None:
    heal(5, "Weather")
    heal(5, "weather")
    assert former() == {}


def test_a_package_keeps_its_name_when_the_new_one_is_not_free() -> None:
    mine = seed.repository("octo", "weather", number=1)
    theirs = seed.repository("hubot", "weather", number=2)
    seed.package(mine, seed.run(1))
    seed.package(theirs, seed.run(2), "io.github.Hubot/Weather")
    heal(1, "weather", Account(2, "hubot"))
    assert packages() == (["io.github.octo/weather", "io.github.Hubot/Weather"], [])


def test_a_package_that_comes_back_has_its_old_name_and_leaves_the_other() -> None:
    mine = seed.repository("octo", "weather", number=1)
    seed.package(mine, seed.run(1))
    heal(1, "weather", Account(2, "hubot"))
    heal(1, "weather")
    assert packages() == (["io.github.octo/weather"], ["io.github.hubot/weather"])

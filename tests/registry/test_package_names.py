"""Whose a package's name is, against a real PostgreSQL."""

import pytest

from config.database import transaction
from registry import packages
from tests import seed

pytestmark = pytest.mark.usefixtures("database_url")


@pytest.mark.parametrize(
    ("private", "owner"), [(False, "octo/weather"), (True, "A private repository of octo")]
)
def test_who_has_a_name_is_told_without_what_is_private(private: bool, owner: str) -> None:
    first = seed.repository("octo", "weather", number=1, private=private)
    seed.package(first, seed.run(1), "io.github.octo/weather")
    seed.repository("octo", "other", number=2)
    facts = packages.PackageFacts("io.github.octo/Weather", "", "", (), ())
    with transaction() as connection, pytest.raises(packages.NameTaken) as caught:
        packages.upsert_package(connection, facts, workspace_id=first.workspace_id, repository_id=2)
    assert caught.value.owner == owner

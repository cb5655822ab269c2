"""The first look at a repository that is new to Sigil, or whose default branch has changed."""

from config.database import transaction
from pipeline import onboardings
from pipeline.errands import table
from pipeline.errands.asking import ask_for_head
from pipeline.errands.base import Done, Errand, handles
from pipeline.github import reading
from pipeline.github.client import speaking


@handles("first_look")
def first_look(errand: Errand) -> Done:
    """Find the head of the default branch: with an `mcp.yaml` it gets a run, without one the
    repository gets a pull request that adds it."""
    repository = errand.repository
    with speaking(errand.installation_id) as github:
        found = github.rest.repos.get(repository.owner, repository.name).parsed_data
        branch = found.default_branch
        head = reading.head_of(github, repository, branch)
        raw = reading.file_at(github, repository, head) if head else None
    with transaction() as connection:
        connection.execute(
            "UPDATE repositories SET default_branch = %s, archived = %s WHERE id = %s",
            (branch, found.archived, repository.id),
        )
        if head is None:
            return Done("the repository is empty")
        if found.archived:
            return Done("the repository is archived")
        if raw is not None:
            look = ask_for_head(
                connection, repository.id, branch, head, delivery_id=errand.delivery_id
            )
            return Done(f"{branch} has an mcp.yaml", errand_ids=(look,))
        if not onboardings.wanted(connection, repository.id):
            return Done(f"{branch} has no mcp.yaml")
        offer = table.ask(
            connection,
            "onboarding",
            repository_id=repository.id,
            delivery_id=errand.delivery_id,
        )
    return Done(f"{branch} has no mcp.yaml: a pull request can add one", errand_ids=(offer,))

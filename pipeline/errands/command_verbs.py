"""What each command does. Whether the person may is known already."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from config.database import Connection, transaction
from pipeline import deployments, pull_requests, run_making, runs
from pipeline.errands import table
from pipeline.errands.base import Done, Errand
from pipeline.errands.pull import read_pull
from pipeline.github.client import InstallationClient
from pipeline.runs import PRODUCTION

HELP = """| command | what it does |
|---|---|
| `/sigil deploy` | deploys this pull request's newest commit to its preview, a draft's too |
| `/sigil retry` | runs the newest run of this pull request again |
| `/sigil rollback [environment]` | brings back what served before, in production unless named |
| `/sigil cancel` | cancels what waits or runs for this pull request |
| `/sigil approve <full commit id>` | lets a fork's commit be deployed to a preview; a new commit \
needs a new approval |
| `/sigil help` | shows this |"""


@dataclass(frozen=True)
class Request:
    """What a person asked for.

    Attributes:
        words: The command and its arguments, in lower case.
        number: The pull request, for a comment.
        comment_id: The comment that holds the command.
        run_id: The run whose check has the button.
    """

    errand: Errand
    words: tuple[str, ...]
    actor: str
    number: int | None
    comment_id: int | None
    run_id: int | None

    @property
    def argument(self) -> str:
        """The first word behind the command; empty without one."""
        return self.words[1] if len(self.words) > 1 else ""


@dataclass(frozen=True)
class Said:
    """What came of a command, and the comment that answers it."""

    done: Done
    text: str


def _sentence(reason: str) -> str:
    return f"{reason[0].upper()}{reason[1:]}."


def _yes(done: Done, text: str = "") -> Said:
    return Said(done, text or _sentence(done.reason))


def _no(reason: str, text: str = "") -> Said:
    return _yes(Done(reason), text or _sentence(reason))


def obey(github: InstallationClient, request: Request) -> Said:
    """Do what the first word says."""
    verb = request.words[0] if request.words else "help"
    function = _VERBS.get(verb)
    if function is None:
        return _no(
            f"{request.actor} asked for {verb}, which is no command",
            f"There is no command `{re.sub('[^a-z0-9-]', '?', verb)[:30]}`.\n\n{HELP}",
        )
    return function(github, request)


def _run(request: Request) -> runs.Run | None:
    """The run whose button was pressed, or the newest of the pull request."""
    with transaction() as connection:
        if request.run_id is not None:
            return runs.get(connection, request.run_id)
        assert request.number is not None
        return runs.latest_of_pull(connection, request.errand.repository.id, request.number)


def _retry(_github: InstallationClient, request: Request) -> Said:
    run = _run(request)
    if run is None:
        return _no(
            "there is no run of this pull request yet",
            "Nothing has run here yet. `/sigil deploy` starts a preview.",
        )
    with transaction() as connection:
        if pull_requests.is_closed(connection, run):
            return _no("the pull request is closed: reopen it to run it again")
        created = run_making.rerun(
            connection, run, delivery_id=request.errand.delivery_id, actor=request.actor
        )
    return _yes(Done(run_making.words(created), run_ids=(created.run.id,)))


def _cancel(_github: InstallationClient, request: Request) -> Said:
    with transaction() as connection:
        if request.run_id is not None:
            open_runs = [request.run_id]
        else:
            assert request.number is not None
            repository = request.errand.repository.id
            open_runs = runs.open_of_pull(connection, repository, request.number)
        before = [runs.cancel(connection, run_id) for run_id in open_runs]
    stopped = sum(state in ("queued", "running") for state in before)
    if not stopped:
        return _no("nothing waits or runs here that could be cancelled")
    return _yes(Done(f"cancelled by {request.actor}", run_ids=tuple(open_runs)))


def _roll_back(_github: InstallationClient, request: Request) -> Said:
    repository = request.errand.repository
    run = _run(request) if request.run_id is not None else None
    environment = run.environment if run else request.argument or PRODUCTION
    if environment.startswith("preview/"):
        return _no("a preview is not rolled back: push the commit that it should show")
    with transaction() as connection:
        earlier = run_making.rollback_of(connection, request.errand.delivery_id)
        if earlier is not None:
            # This was carried out before the worker died; again would go back one further.
            return _yes(Done(run_making.words(earlier), run_ids=(earlier.run.id,)))
        serving = deployments.live(connection, repository.id, environment)
        if run is not None and (serving is None or serving.run_id != run.id):
            return _no("that deployment does not serve any more")
        target = deployments.last_good(connection, repository.id, environment)
        if target is None:
            return _no(
                f"there is nothing in {environment[:40]!r} to go back to",
                "There is no earlier deployment to go back to: nothing else has served there, or "
                "its artifact is not kept any more. Revert the commit and push instead.",
            )
        created = run_making.roll_back(
            connection, target.id, actor=request.actor, delivery_id=request.errand.delivery_id
        )
    return _yes(Done(run_making.words(created), run_ids=(created.run.id,)))


_SHA = re.compile(r"[0-9a-f]{40}")


def _approve(github: InstallationClient, request: Request) -> Said:
    run = _run(request) if request.run_id is not None else None
    number = run.pull_number if run else request.number
    if number is None:
        return _no("only a pull request can be approved")
    # The button stands on the check of one commit, so it names that commit.
    sha = run.sha if run else request.argument
    repository = request.errand.repository
    pull = read_pull(github, repository, number)
    if not _SHA.fullmatch(sha):
        return _no(
            f"{request.actor} approved no full commit id",
            "An approval names the commit that you have read, with all of its 40 digits: "
            f"`/sigil approve {pull.head_sha}` for the newest one.",
        )
    if sha != pull.head_sha:
        return _no(
            f"{sha[:7]} is not the newest commit of #{number}",
            f"`{sha[:7]}` is not the newest commit of this pull request any more. Look at "
            f"`{pull.head_sha[:7]}`, then approve that: `/sigil approve {pull.head_sha}`",
        )
    if pull.state == "closed":
        return _no("the pull request is closed")
    if not pull.fork:
        return _no("it comes from this repository and needs no approval")
    with transaction() as connection:
        pull_requests.record(connection, pull)
        pull_requests.approve(connection, pull, sha, by=request.actor)
        runs.show_approval(connection, repository.id, number, sha)
        errand = _ask_for_preview(connection, request, number, None)
    return _yes(
        Done(f"{request.actor} approved {sha[:7]}", errand_ids=(errand,)),
        f"`{sha[:7]}` may be deployed: its preview is on the way. A newer commit needs an approval "
        "of its own.",
    )


def _deploy(github: InstallationClient, request: Request) -> Said:
    if request.number is None:
        return _no("only a pull request can be deployed by a command")
    repository = request.errand.repository
    pull = read_pull(github, repository, request.number)
    if pull.state == "closed":
        return _no("the pull request is closed: there is no preview of it")
    with transaction() as connection:
        pull_requests.record(connection, pull)
        approver = pull_requests.approver(connection, repository.id, request.number, pull.head_sha)
        if pull.fork and approver is None:
            return _no(
                f"{pull.head_sha[:7]} is not approved",
                "This commit comes from a fork. Read it first, then approve exactly it: "
                f"`/sigil approve {pull.head_sha}`",
            )
        errand = _ask_for_preview(connection, request, request.number, request.actor)
    return _yes(
        Done(f"{request.actor} wants a preview", errand_ids=(errand,)),
        f"The preview of `{pull.head_sha[:7]}` is on the way.",
    )


def _ask_for_preview(
    connection: Connection, request: Request, number: int, actor: str | None
) -> int:
    return table.ask(
        connection,
        "pull",
        repository_id=request.errand.repository.id,
        subject=pull_requests.subject(number),
        details={"actor": actor} if actor else {},
        delivery_id=request.errand.delivery_id,
    )


def _help(_github: InstallationClient, request: Request) -> Said:
    return _yes(Done(f"{request.actor} asked for help"), HELP)


_VERBS: dict[str, Callable[[InstallationClient, Request], Said]] = {
    "deploy": _deploy,
    "retry": _retry,
    "rollback": _roll_back,
    "cancel": _cancel,
    "approve": _approve,
    "help": _help,
}

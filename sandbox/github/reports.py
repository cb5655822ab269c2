"""Check suites: how GitHub groups check runs by commit and sums them up. No HTTP, no rendering."""

from sandbox.github.errors import GitHubError
from sandbox.github.events import Events
from sandbox.github.git import ZERO
from sandbox.github.world import App, CheckRun, CheckSuite, Repository, Status, User, World

RUNS_OF_ONE_NAME = 1000
STALE_SECONDS = 14 * 24 * 3600

# The first of these that any run has is the suite's conclusion.
_WORST_FIRST = (
    "failure",
    "timed_out",
    "action_required",
    "cancelled",
    "stale",
    "success",
    "neutral",
    "skipped",
)


def suite_for(
    world: World,
    repository: Repository,
    app: App,
    sha: str,
    branch: str | None = None,
    before: str = ZERO,
) -> CheckSuite:
    """An App's suite of a commit, made when there is none yet."""
    with world.lock:
        for suite in repository.suites:
            if suite.head_sha == sha and suite.app is app:
                return suite
        if branch is None:
            branch = _branch_at(repository, sha)
        now = world.clock.stamp()
        suite = CheckSuite(world.new_id("check_suite"), app, sha, branch, before, now, now)
        repository.suites.append(suite)
    return suite


def _branch_at(repository: Repository, sha: str) -> str | None:
    for ref, tip in repository.git.refs().items():
        if tip == sha and ref.startswith("refs/heads/"):
            return ref.removeprefix("refs/heads/")
    return None


def rerequest(events: Events, repository: Repository, run: CheckRun, sender: User) -> None:
    """Ask the App to run a check again. The run itself does not change, its suite does.

    Raises:
        GitHubError: 422 while the run is not completed.
    """
    if run.status != "completed":
        raise GitHubError(422, "This check run is not rerequestable")
    run.suite.status, run.suite.conclusion = "queued", None
    events.check_run("rerequested", repository, sender, run)


def rerequest_suite(
    events: Events, repository: Repository, suite: CheckSuite, sender: User
) -> None:
    """Ask the App to run all its checks of a commit again."""
    suite.status, suite.conclusion = "queued", None
    events.check_suite("rerequested", repository, sender, suite)


def runs_of(repository: Repository, suite: CheckSuite) -> list[CheckRun]:
    """The suite's check runs, oldest first."""
    return [run for run in repository.check_runs.values() if run.suite is suite]


def of_commit(repository: Repository, sha: str) -> tuple[list[CheckRun], list[Status]]:
    """The newest check runs and statuses of a commit, one for each name."""
    runs = [run for run in repository.check_runs.values() if run.head_sha == sha]
    statuses = {one.context: one for one in repository.statuses if one.sha == sha}
    return latest(runs), list(statuses.values())


def latest(runs: list[CheckRun]) -> list[CheckRun]:
    """The newest run of each name."""
    return list({run.name: run for run in runs}.values())


def sum_up(world: World, repository: Repository, suite: CheckSuite) -> bool:
    """Set the suite's status from its runs; whether it became completed by that."""
    was = suite.status
    runs = latest(runs_of(repository, suite))
    if all(run.status == "completed" for run in runs):
        conclusions = {run.conclusion for run in runs}
        suite.status = "completed"
        suite.conclusion = next(word for word in _WORST_FIRST if word in conclusions)
    else:
        waiting = all(run.status == "queued" for run in runs)
        suite.status, suite.conclusion = ("queued" if waiting else "in_progress"), None
    suite.updated_at = world.clock.stamp()
    return suite.status == "completed" and was != "completed"


def age(world: World, repository: Repository) -> None:
    """Turn runs that stayed open for 14 days `stale`, as only GitHub can."""
    now = world.clock.now()
    for run in repository.check_runs.values():
        if run.status != "completed" and now - run.created_epoch > STALE_SECONDS:
            run.status, run.conclusion = "completed", "stale"
            run.completed_at = world.clock.stamp()
            sum_up(world, repository, run.suite)


def thin_out(repository: Repository, suite: CheckSuite, name: str) -> None:
    """Forget the oldest runs of one name beyond what GitHub keeps in a suite."""
    same = [run for run in runs_of(repository, suite) if run.name == name]
    for run in same[: max(0, len(same) - RUNS_OF_ONE_NAME)]:
        del repository.check_runs[run.id]

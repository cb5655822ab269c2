"""What people and Apps do to pull requests: open, edit, close, reopen, merge, take from draft.

Source of the refusals: GitHub's answers as others quoted them, for instance pytorch/pytorch#114423
(reopening), MithrilJS/mithril.js#2862 (changing the base), Mergifyio/git-pull-request#97 (opening).
"""

from dataclasses import dataclass

from sandbox.github import (
    events_pulls,
    git_writing,
    network,
    pull_heads,
    pull_updates,
    pushes,
    roles,
)
from sandbox.github.errors import GitHubError, validation_failed
from sandbox.github.events import Events
from sandbox.github.world import App, Json, Repository, User, World
from sandbox.github.world_pulls import Issue, Pull

_UNMERGEABLE = "Pull Request is not mergeable"


@dataclass(frozen=True)
class Proposal:
    """What a new pull request is to be."""

    title: str
    body: str | None
    head: Repository
    head_ref: str
    base_ref: str
    draft: bool = False
    maintainer_can_modify: bool = True


class Pulls:
    """Changes the pull requests of one repository and announces what it changed."""

    def __init__(self, world: World, events: Events, repository: Repository) -> None:
        self._world = world
        self._events = events
        self._repository = repository

    def head(self, name: str, author: User | None) -> tuple[Repository, str]:
        """The repository and the branch that `branch` or `owner:branch` names.

        Args:
            name: the branch to be merged.
            author: the person who asks; None for an App.

        Raises:
            GitHubError: 422 when there is no such fork, or for a person who may write neither
                there nor here.
        """
        owner, _, branch = name.rpartition(":")
        here = self._repository
        found = network.member(self._world, here, owner or here.owner.login)
        if found is None:
            raise _invalid("head")
        may = author is None or any(
            roles.includes(roles.given(one, author), "write") for one in (found, here)
        )
        if not may:
            raise _custom("must be a collaborator")
        return found, branch

    def open(self, proposal: Proposal, author: User, app: App | None) -> Issue:
        """Ask for a branch to be merged.

        Raises:
            GitHubError: 422 when there is nothing to merge, or it was asked for already.
        """
        head = proposal.head.git.refs().get(f"refs/heads/{proposal.head_ref}")
        base = self._repository.git.refs().get(f"refs/heads/{proposal.base_ref}")
        if head is None or base is None:
            raise _invalid("base" if head else "head")
        self._check_difference(proposal, base, head)
        with self._world.lock:
            self._check_unique(proposal.head.id, proposal.head_ref, proposal.base_ref)
            issue = self._new_issue(proposal, author, app, base, head)
        pull_heads.set_head(self._world, self._repository, issue, head)
        self._say("opened", author, issue)
        pull_heads.try_merge(self._repository, issue)
        return issue

    def _new_issue(
        self, proposal: Proposal, author: User, app: App | None, base: str, head: str
    ) -> Issue:
        world, now = self._world, self._world.clock.stamp()
        conversation = self._repository.conversation
        pull = Pull(
            id=world.new_id("pull"),
            base_ref=proposal.base_ref,
            base_sha=base,
            head_repository_id=proposal.head.id,
            head_user=proposal.head.owner,
            head_ref=proposal.head_ref,
            head_sha=head,
            draft=proposal.draft,
            # Only the owner of a fork can let others push to it.
            maintainer_can_modify=proposal.maintainer_can_modify
            and proposal.head is not self._repository,
        )
        number = next(conversation.numbers)
        issue = Issue(
            *(world.new_id("issue"), number, author, app),
            *(proposal.title, proposal.body, now, now),
            pull=pull,
        )
        conversation.issues[number] = issue
        return issue

    def _check_difference(self, proposal: Proposal, base_sha: str, head_sha: str) -> None:
        base, head = proposal.base_ref, proposal.head_ref
        if proposal.head is not self._repository:
            base = f"{self._repository.owner.login}:{base}"
            head = f"{proposal.head.owner.login}:{head}"
            network.share(self._world, proposal.head)
        git = self._repository.git
        if git_writing.merge_base(git, base_sha, head_sha) is None:
            raise _custom(f"The {head} branch has no history in common with {base}")
        if git.reaches(head_sha, base_sha):
            raise _custom(f"No commits between {base} and {head}")

    def _check_unique(self, head_id: int, head_ref: str, base_ref: str) -> None:
        for issue, pull in self._repository.conversation.pulls():
            ends = (pull.head_repository_id, pull.head_ref, pull.base_ref)
            if issue.state == "open" and ends == (head_id, head_ref, base_ref):
                name = f"{pull.head_user.login}:{head_ref}"
                raise _custom(f"A pull request already exists for {name}.")

    def edit(self, issue: Issue, user: User, changes: Json) -> None:
        """Change `title`, `body` and `base`, those of them that are given.

        Raises:
            GitHubError: 422 for a base that will not do.
        """
        pull, before = _pull(issue), dict[str, Json]()
        base = changes.get("base")
        if base is not None and base != pull.base_ref:
            before["base"] = self._retarget(issue, pull, base)
        for name in ("title", "body"):
            if name in changes and changes[name] != getattr(issue, name):
                before[name] = {"from": getattr(issue, name) or ""}
                setattr(issue, name, changes[name])
        if before:
            issue.updated_at = self._world.clock.stamp()
            self._say("edited", user, issue, changes=before)

    def _retarget(self, issue: Issue, pull: Pull, base: str) -> Json:
        tip = self._repository.git.refs().get(f"refs/heads/{base}")
        if issue.state == "closed":
            raise _invalid("base", "Cannot change the base branch of a closed pull request.")
        if tip is None:
            raise _invalid("base", f"Proposed base branch '{base}' was not found")
        with self._world.lock:
            for other, one in self._repository.conversation.pulls():
                ends = (one.head_repository_id, one.head_ref, one.base_ref)
                wanted = (pull.head_repository_id, pull.head_ref, base)
                if other.state == "open" and ends == wanted:
                    text = f"A pull request already exists for base branch '{base}' and head "
                    raise _invalid("base", f"{text}branch '{pull.head_ref}'")
        if self._repository.git.reaches(pull.head_sha, tip):
            text = f"There are no new commits between base branch '{base}' and head branch "
            raise _invalid("base", f"{text}'{pull.head_ref}'")
        before = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
        pull.base_ref, pull.base_sha = base, tip
        pull_heads.try_merge(self._repository, issue)
        return before

    def close(self, issue: Issue, user: User) -> None:
        """Close without merging. A closed one stays as it is."""
        if issue.state == "open":
            pull_updates.close(self._world, self._events, self._repository, user, issue)

    def reopen(self, issue: Issue, user: User) -> None:
        """Open a closed one again.

        Raises:
            GitHubError: 422 when it was merged, or its branch is not what it was.
        """
        pull = _pull(issue)
        if issue.state == "open":
            return
        tip = pull_heads.head_tip(self._world, pull)
        self._check_reopening(pull, tip)
        assert tip is not None
        issue.state, issue.closed_at, issue.closed_by = "open", None, None
        pull_heads.set_head(self._world, self._repository, issue, tip)
        self._say("reopened", user, issue)
        pull_heads.try_merge(self._repository, issue)

    def _check_reopening(self, pull: Pull, tip: str | None) -> None:
        if pull.merged_at:
            raise _state("The pull request cannot be reopened.")
        fork = pull_heads.head_repository(self._world, pull)
        if fork is None:
            raise _state("The repository that submitted this pull request has been deleted.")
        if tip is None or pull_heads.base_tip(self._repository, pull) is None:
            gone = pull.base_ref if tip else pull.head_ref
            raise _state(f"The {gone} branch has been deleted.")
        if not fork.git.reaches(pull.head_sha, tip):
            raise _state(f"The {pull.head_ref} branch was force-pushed or recreated.")
        for issue, other in self._repository.conversation.pulls():
            ends = (other.head_repository_id, other.head_ref, other.base_ref)
            same = ends == (pull.head_repository_id, pull.head_ref, pull.base_ref)
            if issue.state == "open" and same:
                name = f"{pull.head_user.login}:{pull.head_ref}"
                raise _state(f"There is already an open pull request for {name}.")

    def set_draft(self, issue: Issue, user: User, *, draft: bool) -> None:
        """Take a draft as ready for review, or back. GitHub offers both on its page and in
        GraphQL only.
        """
        pull = _pull(issue)
        if pull.draft is draft or issue.state == "closed":
            return
        pull.draft, issue.updated_at = draft, self._world.clock.stamp()
        self._say("converted_to_draft" if draft else "ready_for_review", user, issue)

    def merge(self, issue: Issue, user: User, wishes: Json) -> str:
        """Merge into the base branch, which is announced like a push; the new commit.

        Args:
            issue: the pull request.
            user: who merges.
            wishes: `commit_title`, `commit_message`, `merge_method` and the `sha` that the head
                must have, as GitHub's operation takes them.

        Raises:
            GitHubError: 405 when it cannot be merged, 409 when the head is another one by now.
        """
        pull, git = _pull(issue), self._repository.git
        self._check_merging(issue, pull, wishes)
        with self._repository.push_lock:
            before = git.refs()
            base = before[f"refs/heads/{pull.base_ref}"]
            tree = git_writing.merged_tree(git, base, pull.head_sha)
            if tree is None:
                raise GitHubError(405, _UNMERGEABLE)
            commit = self._commit(issue, user, wishes, tree, base)
            git.run("update-ref", f"refs/heads/{pull.base_ref}", commit, base)
            after = git.refs()
        # Closed before the push is announced, so that the push does not seem to merge it.
        issue.state = "closed"
        pull_updates.mark_merged(self._world, issue, user, commit)
        pushes.announce(self._world, self._events, self._repository, user, before, after)
        pull_updates.close(self._world, self._events, self._repository, user, issue)
        return commit

    def _check_merging(self, issue: Issue, pull: Pull, wishes: Json) -> None:
        if issue.state == "closed" or pull_heads.base_tip(self._repository, pull) is None:
            raise GitHubError(405, _UNMERGEABLE)
        if pull.draft:
            raise GitHubError(405, "Pull Request is still a draft")
        if wishes.get("sha", pull.head_sha) != pull.head_sha:
            raise GitHubError(409, "Head branch was modified. Review and try the merge again.")
        if wishes.get("merge_method") == "rebase":
            # A setting that owners may switch off: here it is.
            raise GitHubError(405, "Rebase merges are not allowed on this repository.")

    def _commit(self, issue: Issue, user: User, wishes: Json, tree: str, base: str) -> str:
        pull = _pull(issue)
        squash = wishes.get("merge_method") == "squash"
        title = f"Merge pull request #{issue.number} from {pull.head_user.login}/{pull.head_ref}"
        text = issue.title
        if squash:
            title, text = f"{issue.title} (#{issue.number})", issue.body or ""
        message = "\n\n".join(
            (wishes.get("commit_title") or title, wishes.get("commit_message") or text)
        )
        return git_writing.commit(
            self._repository.git,
            tree,
            (base,) if squash else (base, pull.head_sha),
            message.strip() + "\n",
            git_writing.Signature(user.name, user.email),
            git_writing.GITHUB,
        )

    def _say(self, action: str, user: User, issue: Issue, **more: Json) -> None:
        events_pulls.pull_request(self._events, action, self._repository, user, issue, **more)


def _pull(issue: Issue) -> Pull:
    assert issue.pull is not None
    return issue.pull


def _invalid(field: str, message: str | None = None) -> GitHubError:
    error = {"resource": "PullRequest", "field": field, "code": "invalid"}
    if message:
        error["message"] = message
    return GitHubError(422, "Validation Failed", errors=[error])


def _custom(message: str) -> GitHubError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return GitHubError(422, "Validation Failed", errors=[error])


def _state(reason: str) -> GitHubError:
    return validation_failed("PullRequest", "state", f"state cannot be changed. {reason}")

"""githubkit's visit to everything around pull requests: its typed models parse each answer."""

from typing import Any

Names = dict[str, str]


def visit_writing(rest: Any, names: Names, sha: str) -> None:
    """Write files and refs as the App; leaves the branch `kit` with one commit more than main."""
    git, repos = rest.git, rest.repos
    made = git.create_ref(**names, data={"ref": "refs/heads/kit", "sha": sha}).parsed_data
    assert made.object_.sha == sha
    assert git.get_ref(**names, ref="heads/kit").parsed_data.ref == "refs/heads/kit"
    file = {"message": "Write", "content": "eA==", "branch": "kit"}
    first = repos.create_or_update_file_contents(**names, path="kit.txt", data=file).parsed_data
    away = {"message": "Away", "branch": "kit", "sha": first.content.sha}
    assert repos.delete_file(**names, path="kit.txt", data=away).parsed_data.content is None
    repos.create_or_update_file_contents(**names, path="kit.txt", data=file)
    git.create_ref(**names, data={"ref": "refs/heads/spare", "sha": sha})
    matching = git.list_matching_refs(**names, ref="heads/spare").parsed_data
    assert [one.ref for one in matching] == ["refs/heads/spare"]
    git.update_ref(**names, ref="heads/spare", data={"sha": sha})
    git.delete_ref(**names, ref="heads/spare")
    tree = git.get_tree(**names, tree_sha="kit", recursive="1").parsed_data
    blob = next(one for one in tree.tree if one.path == "kit.txt")
    assert git.get_blob(**names, file_sha=blob.sha).parsed_data.size == 1


def visit_collaborators(owner: Any, other: Any, app: Any, names: Names, login: str) -> None:
    """Make somebody a collaborator, and let the App look."""
    person = {**names, "username": login}
    decline = other.decline_invitation_for_authenticated_user
    for answer in (decline, other.accept_invitation_for_authenticated_user):
        invitation = owner.add_collaborator(**person, data={"permission": "push"}).parsed_data
        mine = other.list_invitations_for_authenticated_user().parsed_data
        assert [one.id for one in mine] == [invitation.id]
        answer(invitation.id)
    told = app.get_collaborator_permission_level(**person).parsed_data
    assert (told.permission, told.role_name, told.user.login) == ("write", "write", login)
    assert {one.login for one in app.list_collaborators(**names).parsed_data} == {"octocat", login}
    assert app.check_collaborator(**person).status_code == 204
    owner.remove_collaborator(**person)


def visit_pulls(owner: Any, other: Any, app: Any, names: Names) -> None:
    """Open a pull request from `kit`, talk about it, merge it; and fork the repository."""
    pulls = app.pulls
    proposal = {"title": "Kit", "head": "kit", "base": "main"}
    number = pulls.create(**names, data=proposal).parsed_data.number
    one = {**names, "pull_number": number}
    assert pulls.get(**one).parsed_data.mergeable is True
    assert pulls.update(**one, data={"title": "Kit's"}).parsed_data.title == "Kit's"
    assert pulls.list(**names).parsed_data[0].draft is False
    assert pulls.list_files(**one).parsed_data[0].filename == "kit.txt"
    commits = pulls.list_commits(**one).parsed_data
    found = app.repos.list_pull_requests_associated_with_commit(**names, commit_sha=commits[-1].sha)
    assert [each.number for each in found.parsed_data] == [number]
    visit_comments(app, other, names, number)
    assert owner.pulls.merge(**one, data={"merge_method": "squash"}).parsed_data.merged is True
    assert pulls.check_if_merged(**one).status_code == 204
    fork = other.repos.create_fork(**names, data={}).parsed_data
    assert fork.parent.full_name == "octocat/weather"
    assert [each.id for each in app.repos.list_forks(**names).parsed_data] == [fork.id]


def visit_comments(app: Any, other: Any, names: Names, number: int) -> None:
    """Comment on a pull request and react to it; open an issue."""
    # The App may not react: that takes a permission that it does not ask for.
    issues, reactions = app.issues, other.reactions
    on = {**names, "issue_number": number}
    made = issues.create_comment(**on, data={"body": "Hello"}).parsed_data
    one = {**names, "comment_id": made.id}
    assert issues.update_comment(**one, data={"body": "Bye"}).parsed_data.body == "Bye"
    assert issues.get_comment(**one).parsed_data.user.login == "sigil[bot]"
    assert [each.id for each in issues.list_comments(**on).parsed_data] == [made.id]
    eyes = reactions.create_for_issue_comment(**one, data={"content": "eyes"}).parsed_data
    assert reactions.list_for_issue_comment(**one).parsed_data[0].id == eyes.id
    reactions.delete_for_issue_comment(**one, reaction_id=eyes.id)
    issues.delete_comment(**one)
    assert issues.get(**on).parsed_data.pull_request is not None
    opened = other.issues.create(**names, data={"title": "Broken"}).parsed_data
    assert opened.number in {each.number for each in issues.list_for_repo(**names).parsed_data}

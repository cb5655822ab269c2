"""Every handler of an errand: importing this fills the table."""

from pipeline.errands import command, first_look, onboarding, pull, push, tag

__all__ = ["command", "first_look", "onboarding", "pull", "push", "tag"]

"""Names that are handed to git: refs and addresses, none of which git could take for an option or a command."""

import re

_SCHEMES = ("https://", "ssh://", "git://", "file://")
# user@host:path, as ssh has it.
_SCP = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:\s][^\s]*")
# As `git check-ref-format` has it; the first letter may not be that of an option.
_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-/.]|[/.]$|^@$")


def check_ref(value: str) -> str:
    """A branch, a tag, a full name (`refs/...`), a commit in full, or HEAD. ValueError for all else."""
    if not value or _REFUSED.search(value):
        raise ValueError("give a branch, a tag, refs/heads/..., refs/tags/..., or a commit in full")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("a name of a ref is UTF-8") from error
    return value


def is_repository_address(value: str) -> bool:
    """Whether this is where a repository is fetched from, by ssh, https, git or file. Never one that runs a command
    (`ext::`), nor one that git would take for an option."""
    if not value.isprintable() or " " in value:
        return False
    if value.startswith(_SCHEMES):
        host = value.partition("://")[2]
        return bool(host) and not host.startswith("-") and "::" not in host.partition("/")[0]
    return bool(_SCP.fullmatch(value))

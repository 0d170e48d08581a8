"""Why a file or record is not in the index: the words that a quarantine knows."""

from typing import Literal

Reason = Literal[
    "unreadable",  # the file or folder cannot be opened or read
    "undecodable",  # its bytes are no text in the encoding it has or declares
    "null-bytes",  # it decodes, and holds what no text holds: most likely binary
    "unparsable",  # no Python, no Parquet, no JSON, no document
    "invalid-record",  # a record without a usable id or text
    "duplicate-id",  # an id that an earlier record of the file has
    "truncated",  # records that end in the midst of one: what follows is lost
    "too-large",  # it is larger than `max_file_bytes`: not looked into
    "encrypted",  # a document that opens with a password
    "no-text",  # a document of pictures alone
    "beyond-limits",  # reading it takes more depth, pages, memory or time than any document should
    "not-installed",  # the library that reads it is not there: its detail has the command
    "no-records",  # a file of records that holds none that can be used
    "pointer",  # a repository holds where its content lies (Git LFS), and not the content
]

# What says that a file as a whole is not what it should be, or that nobody here can look into it: where it has rows
# from before, these stay. All other reasons are about content, and content that is bad has no rows.
NOT_TAKEN: frozenset[str] = frozenset({"unreadable", "truncated", "no-records", "not-installed"})

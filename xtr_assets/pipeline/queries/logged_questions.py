"""The query log of a configuration, and the gate's queries from it (`queries: log`)."""

import hashlib

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.pipeline.queries.gate_queries import GateQuery
from xtr_assets.pipeline.queries.question_log import QuestionLog


def log_of(config: IndexConfig) -> QuestionLog:
    """The log that the index keeps. Raises ConfigError where it keeps none."""
    kept = config.query_log
    if kept is None:
        raise ConfigError("this index keeps no `query_log`; write `query_log: {}` in xtr.yaml, and serve with it")
    return QuestionLog(kept.folder, config.log_name, kept.most_bytes)


def logged_queries(config: IndexConfig, count: int) -> list[GateQuery]:
    """At most `count` distinct texts of the log: those whose digests are lowest, so that they stay the same while the
    log grows, but for what comes in between. None where nothing was asked yet: queries are drawn then."""
    named = {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(): text for text in log_of(config).texts()}
    return [GateQuery(f"log-{digest[:16]}", named[digest], "fixed", kind="given") for digest in sorted(named)[:count]]

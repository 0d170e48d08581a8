"""Retrievers for other frameworks, each in a module that is named after it and wants the extra of that name."""

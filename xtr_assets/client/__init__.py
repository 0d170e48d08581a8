"""The Searcher's interface over HTTP: what `connect` and `connect_async` give."""

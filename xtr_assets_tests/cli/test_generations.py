from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


def test_generations_are_listed(run: Command) -> None:
    (found,) = document(run, "generations")
    assert (found["generation"], found["state"], found["parent"], found["forced"]) == (1, "published", None, None)
    assert found["bytes"] > 0
    assert "published" in run("generations").stderr

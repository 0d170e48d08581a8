from xtr_assets_tests.cli.conftest import Command


def test_the_demo_stays_out_of_a_project_of_ones_own(run: Command) -> None:
    result = run("demo")
    assert result.exit_code == 2
    assert "xtr.yaml is here" in result.stderr

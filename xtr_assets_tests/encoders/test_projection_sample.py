import ast
from pathlib import Path

from xtr_assets.encoders.make_projection import functions

SOURCE = '''
class A:
    def first(self):
        """naïve"""; return "é"  # not part

    async def second(self):
        def inner(): return 1
        return inner
'''


def test_the_sample_is_the_source_of_every_function_without_tests(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(SOURCE, "utf-8")
    (tmp_path / "broken.py").write_text("def (", "utf-8")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "case.py").write_text("def hidden(): pass", "utf-8")
    nodes = [n for n in ast.walk(ast.parse(SOURCE)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    expected = sorted(str(ast.get_source_segment(SOURCE, node)) for node in nodes)
    assert len(expected) == 3
    assert sorted(functions(tmp_path, 10)) == expected
    assert functions(tmp_path, 2) == functions(tmp_path, 2)

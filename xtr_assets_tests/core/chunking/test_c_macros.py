"""What a preprocessor takes away: blanks in its place, and what is found then in files as real projects write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.chunking import chunk_code
from xtr_assets.core.chunking.c_macros import with_one_branch, without_macros
from xtr_assets_tests.core.chunking.code_oddities import BRANCHES, CSHARP, EXPORTED, OPERATORS, RUBY, SCOPES, TYPEDEF

PARTS = ["FOO_API", "Q_OBJECT", "__init", "class", "int", "f", "(", ")", "{", "}", ";", " ", "\n", "\\\n", "#if 0"]
PARTS += [
    "#else",
    "#elif X",
    "# define A_B",
    "#endif",
    "* ",
    "x_nonnull",
    '"A_B c"',
    "//",
    "operator<",
    "ü",
    "<A, B>::",
]


def found(text: str, suffix: str) -> list[tuple[str, str]]:
    chunks = chunk_code("s", f"a{suffix}", text, 2000)
    return [(c.symbol, c.kind) for c in chunks if c.kind in ("function", "method", "class")]


@given(st.lists(st.sampled_from(PARTS), max_size=40).map("".join))
def test_every_byte_that_is_left_keeps_its_place(text: str) -> None:
    data = text.encode()
    for blanked in (without_macros(data), with_one_branch(data), with_one_branch(without_macros(data))):
        assert len(blanked) == len(data)
        assert all(
            new in (old, ord(" ")) and (old != ord("\n") or new == old) for old, new in zip(data, blanked, strict=True)
        )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("class FOO_EXPORT A : B {", "class A : B {"),
        ("struct ATTR_ALIGN(8) A {", "struct A {"),
        ("  Q_OBJECT\nint FOO;", " \nint FOO;"),
        ("static int __init f(void)", "static int f(void)"),
        ("void f(char __user *to)", "void f(char *to)"),
        ("int n GUARDED_BY(lock);", "int n ;"),
        ("int f() const A_BOUND {", "int f() const {"),
        ("void f(char* a_nonnull b)", "void f(char* b)"),
        # What has a meaning of its own stays.
        ("x = A_B + C_D;\n  case E_F:", "x = A_B + C_D;\n  case E_F:"),
        ("f(A_B, C_D);", "f(A_B, C_D);"),
        ("TEST_F(A, B) {", "TEST_F(A, B) {"),
        ("char *const p", "char *const p"),
        ("#define A_B c \\\n  D_E f\nD_E f", "#define A_B c \\\n  D_E f\n f"),
    ],
)
def test_macros_go_where_no_grammar_expects_a_word(text: str, left: str) -> None:
    assert re.sub(r"[ ]+", " ", without_macros(text.encode()).decode()) == re.sub(r"[ ]+", " ", left)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("#if A\n1\n#else\n2\n#endif\n3", "1 3"),
        ("#if 0\n1\n#elif B\n2\n#else\n3\n#endif\n4", "2 4"),
        ("#ifdef A\n1\n#  ifdef B\n2\n#  else\n3\n#  endif\n#else\n#if C\n4\n#else\n5\n#endif\n#endif\n6", "1 2 6"),
        ("#if 0\n1\n#if A\n2\n#else\n3\n#endif\n#endif\n4", "4"),
        ("#include <a>\n#if A\n1", "#include <a> 1"),
        ("#endif\n1\n#else\n2", "#endif 1 #else 2"),
        ("#if A\n1\n#else\n2", "1"),
    ],
)
def test_of_a_condition_one_branch_is_left(text: str, left: str) -> None:
    assert " ".join(with_one_branch(text.encode()).decode().split()) == left


def test_an_exported_class_is_a_class_with_its_methods() -> None:
    assert found(EXPORTED, ".h") == [
        ("a::Buffer", "class"),
        ("a::Buffer::size", "method"),
        ("a::Buffer", "class"),
        ("a::Thing", "class"),
        ("a::Thing::go", "method"),
    ]


def test_what_a_nameless_namespace_holds_is_found_and_templates_name_their_members() -> None:
    assert [name for name, _ in found(SCOPES, ".cc")] == ["a::f", "a::List::Node::g", "a::List::operator<"]


def test_operators_in_the_arguments_of_a_template_are_no_part_of_its_name() -> None:
    assert found(OPERATORS, ".h") == [
        ("HasCallOperator", "class"),
        ("Other", "class"),
        ("A::operator<", "function"),
        ("Iterator::operator-", "function"),
    ]


def test_the_struct_of_a_typedef_is_one_with_it() -> None:
    assert found(TYPEDEF, ".h") == [("ThreadInfo", "class")]


@pytest.mark.parametrize("suffix", [".cc", ".c"])
def test_what_a_macro_defines_has_the_name_that_it_is_given(suffix: str) -> None:
    text = (
        "TEST(Vector, Grows) {\n  int x = 1;\n}\n\nSYSCALL_DEFINE3(read, unsigned int, fd, char __user *, buf)\n{\n"
        "\treturn 1;\n}\n\nstatic int __init start(void)\n{\n\treturn 0;\n}\n"
    )
    assert [name for name, _ in found(text, suffix)] == ["Vector.Grows", "read", "start"]


def test_branches_that_open_one_brace_twice_lose_no_name() -> None:
    body = "".join(f"int f{n}(int x) {{\n  return x;\n}}\n" for n in range(3))
    text = BRANCHES.replace("BODY", body)
    assert {"g", "f0", "f1", "f2"} <= {name for name, _ in found(text, ".c")}
    assert [name for name, _ in found(CSHARP, ".cs")] == ["A", "A.G", "A.H"]


def test_both_branches_are_kept_where_a_parser_understands_them() -> None:
    text = "#ifdef A\nint f(void) {\n  return 1;\n}\n#else\nint g(void) {\n  return 2;\n}\n#endif\n"
    assert [name for name, _ in found(text, ".c")] == ["f", "g"]


def test_a_class_that_ruby_defines_where_a_library_is_at_hand() -> None:
    assert [name for name, _ in found(RUBY, ".rb")] == ["XTest", "XTest::a"]


@pytest.mark.parametrize(
    "text",
    ["A_" * 300_000, "A_B(" * 100_000, "_" * 500_000, "x A" + " " * 500_000, "#if 0\n" * 50_000, "A_B\\\n" * 100_000],
)
def test_hostile_files_cost_no_more_than_their_length(text: str) -> None:
    data = text.encode()
    assert len(with_one_branch(without_macros(data))) == len(data)

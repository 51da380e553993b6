"""Reasons in Chinese: every one that the program gives is in the list, and every line of the list is given."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from quality import reasons

ROOT = Path(__file__).resolve().parents[2]
SAYING = ("harvesters", "transforms", "warehouse", "quality", "operations")
RAISED = {"HarvestError", "TransientError", "UnreadableError", "ReportError", "FormatError", "DecisionError"}
IN_PARTS = ", so the list would never end"  # put together of parts, which the list has together


@cache
def constants() -> str:
    """All texts of the program, one after the other, with \\0 where a value stands."""
    texts = []
    for path in (path for folder in SAYING for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if text := written(node):
                texts.append(text)
    return "\n".join(texts)


def written(node: ast.AST) -> str:
    """A text as it stands in the program, with \\0 in place of values."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
    return ""


def raised() -> list[tuple[str, str]]:
    """Where, and what is raised as a reason."""
    found = []
    for path in (path for folder in SAYING for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                texts = [text for text in map(written, node.args) if re.search("[a-z]{3,} [a-z]", text)]
                found += [(path.relative_to(ROOT).as_posix(), text) for text in texts]
    return found


@pytest.mark.parametrize(("where", "text"), raised())
def test_what_is_raised_as_a_reason_has_its_chinese(where, text):
    shown = text.replace("\0", "X9")
    if IN_PARTS not in shown and len(text.replace("\0", "")) > 25:
        assert reasons.in_chinese(shown), f"{where}: a line for this in quality/reasons.csv"


@pytest.mark.parametrize("sentence", reasons.sentences(), ids=lambda sentence: sentence.en)
def test_what_is_in_the_list_is_said_by_the_program(sentence):
    ends = (sentence.words.strip(" :;(")[:10], sentence.words.strip()[-10:])
    assert any(end in constants() for end in ends)
    assert set(re.findall(r"\{\d\}", sentence.zh)) == set(re.findall(r"\{\d\}", sentence.en))


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("6 of 40 items have no bib", "40 个单册中有 6 个找不到书目"),
        (
            "source a: https://x.cn: HTTP 403: it refuses us, so it was not asked again; a person must ask the "
            "member for access; it came after 9 records",
            "数据源 a：https://x.cn：HTTP 403：拒绝访问，未再请求；须由工作人员向成员馆申请权限；"
            "此前已收到 9 条记录",
        ),
        ("no answer: Timeout: at 1; the next run tries again", "无应答：Timeout: at 1；下次运行再试"),
        ("a.csv: can't be read (No; such: (file)); export it again", None),  # a value has no semicolon
        ("row 3: loaned_at is no time (its form: 99/99)", "第 3 行：loaned_at 不是时间（其形式：99/99）"),
        ("nobody knows; what: this is", None),
        ("", None),
    ],
)
def test_a_reason_is_read_sentence_by_sentence(english, chinese):
    assert reasons.in_chinese(english) == chinese


def test_what_is_in_both_languages_already_stays_so():
    assert reasons.in_both("held | 待处理 | x") == ("held", "待处理 | x")
    assert reasons.in_both("nobody knows") == ("nobody knows", "nobody knows")
    assert reasons.in_both("nothing new landed") == ("nothing new landed", "没有新数据")

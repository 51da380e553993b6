"""What people read is what there is."""

import pyarrow as pa

from operations import summary


def test_an_answer_is_shown_letter_by_letter(capsys):
    summary.print_table(pa.table({"title": ["[红楼梦] :smile: [/b]", None], "n": [1, 22]}), as_json=False)
    shown = capsys.readouterr().out
    assert "[红楼梦] :smile: [/b]" in shown


def test_an_answer_as_json(capsys):
    summary.print_table(pa.table({"title": ["红楼梦"]}), as_json=True)
    assert capsys.readouterr().out == '[{"title": "红楼梦"}]\n'

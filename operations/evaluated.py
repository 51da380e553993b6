"""What `calis evaluate` prints for a person: figures, and the wrong pairs with their reasons."""

from operations import summary
from transforms.evaluate import Figures
from transforms.wrong_pairs import JOINED, MISSED, Told, differing

KINDS = {JOINED: "Joined wrongly 误合", MISSED: "Missed 漏合"}
LONGEST = 60  # characters of a value


def print_evaluation(figures: Figures, counts: dict[str, int], told: list[Told], most: int) -> None:
    """The figures as a table, then of each kind `most` wrong pairs and how many more there are."""
    summary.print_mapping("Matching", figures)
    console = summary.new_console()
    for kind, title in KINDS.items():
        shown = [row for row in told if row["wrong"] == kind][:most]
        if counts[kind]:
            console.print(f"\n{title}: {counts[kind]:,}")
        for row in shown:
            for line in _lines(row):
                console.print(line, soft_wrap=True)
        if rest := counts[kind] - len(shown):
            console.print(f"  … {rest:,} more 其余: --wrong FILE.csv writes all 输出全部")


def _lines(row: Told) -> list[str]:
    more = f" (for {row['pairs']:,} pairs)" if row["pairs"] > 1 else ""
    lines = [f"  {row['left']} | {row['right']}{more}: {row['why']}; score {row['score']:.3f}"]
    lines += [f"      {word:8} {', '.join(row[word])}" for word in ("for", "against") if row[word]]
    lines += [f"      chain    {step}" for step in row["chain"]]
    if row["differing"]:
        lines.append(f"      differ   {differing(row, LONGEST)}")
    return lines
